"""Images as arrays: what needs neither files, graphs nor rules."""

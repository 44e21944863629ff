"""What every training shares: checkpoints, folders, interrupts, threads, devices."""

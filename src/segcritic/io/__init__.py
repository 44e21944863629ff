"""Files <-> arrays; knows no rules and no torch."""

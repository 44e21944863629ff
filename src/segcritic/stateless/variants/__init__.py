"""Variants of the paper that the defaults do without (A.1, A.3, A.8)."""

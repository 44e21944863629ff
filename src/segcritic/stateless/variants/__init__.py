"""Variants of the paper that the defaults do without (eq. 17-18, A.1, A.2, A.3, A.8); `choose` picks them."""

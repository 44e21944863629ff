"""Local search among segmentations, judged by the rules."""

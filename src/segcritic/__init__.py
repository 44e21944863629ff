"""Instance segmentation that learns from a critic."""

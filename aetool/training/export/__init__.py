"""A training run to a bundle, proven equal to PyTorch."""

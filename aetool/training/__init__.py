"""The training world: what needs torch, and ends in a bundle."""

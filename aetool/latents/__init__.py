"""Latents: files of them, the bank of a bundle, nearest neighbours and search."""

"""Bundles: a trained model as a folder that explains itself."""

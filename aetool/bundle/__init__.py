"""Bundles: trained models as self-describing folders."""

"""Exploring in a browser: code in JavaScript, which must compute what the rest of the package computes."""

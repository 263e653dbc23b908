"""Data sets: a name, a folder or a file to labelled pixels."""

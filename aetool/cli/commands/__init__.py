"""The commands: a file each, with a function of the same name."""

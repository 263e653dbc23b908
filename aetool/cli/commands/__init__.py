"""One file a command; each holds the function of its name."""

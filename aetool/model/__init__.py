"""Models: a bundle at work, with every verb of the command line as a method."""

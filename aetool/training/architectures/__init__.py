"""Networks: a file, an architecture, a name."""

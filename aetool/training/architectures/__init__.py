"""Networks: one file, one architecture, one name."""

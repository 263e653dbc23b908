"""What `aetool bench` measures."""

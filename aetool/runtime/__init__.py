"""A bundle at work: devices, sessions, and many images at a time."""

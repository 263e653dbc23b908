"""The measurements of `aetool bench`."""

"""The images that samplers make, measured by a judge that is trained apart."""

"""Files, processes, limits and progress: whatever is not about images."""

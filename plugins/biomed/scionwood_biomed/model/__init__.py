"""Two-tower models of open_clip."""

"""File formats of structures."""

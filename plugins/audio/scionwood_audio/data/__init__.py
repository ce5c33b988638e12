"""Data components, one a file."""

"""Data: images with labels, phantoms, and splits by subject."""

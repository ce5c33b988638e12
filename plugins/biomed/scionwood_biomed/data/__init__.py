"""Labelled images, synthetic phantoms, and splits by subject."""

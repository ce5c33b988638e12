"""Scenes of calls in backgrounds, and windows around calls."""

"""Measures of a run, and the models that it must beat."""

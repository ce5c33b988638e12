"""Recipes: one schema of a run's parts, and one resolver."""

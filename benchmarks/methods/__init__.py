"""Adapter methods on a mesh task and a 3D-field task, on equal budgets."""

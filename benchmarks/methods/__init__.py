"""Adapter methods on one vision, one mesh, one 3D-field and one language task, on equal budgets."""

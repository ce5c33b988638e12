"""Tasks: the displacement of every node over time."""

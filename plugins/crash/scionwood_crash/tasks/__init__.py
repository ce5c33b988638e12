"""Tasks: predict the displacement of every node over time."""

"""Tasks: states, dynamics and generation."""

"""P2D: choose the attention heads that matter for a task, and train only these."""

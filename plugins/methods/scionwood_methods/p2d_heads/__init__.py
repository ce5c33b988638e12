"""P2D heads: the attention heads that matter for a task are trained."""

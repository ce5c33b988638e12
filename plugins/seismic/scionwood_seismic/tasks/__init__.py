"""Tasks: denoising, blind adaptation, and where training starts."""

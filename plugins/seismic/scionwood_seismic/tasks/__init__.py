"""Training tasks: denoising from pairs, and adaptation to a survey without references."""

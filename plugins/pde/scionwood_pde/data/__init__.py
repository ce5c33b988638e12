"""Training data: fields simulated during the training, simulated trajectories, and files."""

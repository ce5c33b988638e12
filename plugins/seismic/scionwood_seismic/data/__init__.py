"""Training data: synthetic gathers, a user's own survey, simulated files, and amplitude scaling."""

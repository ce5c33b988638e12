"""Tasks: autoencoding, dynamics and generation, and the adversarial loss of the first."""

"""GPart: one trainable vector that a random partition spreads over all weights."""

"""GPart: one trainable vector for all weights of a model, spread by a random partition."""

"""A small reasoner beside a frozen language model, trained by rewards that code can verify."""

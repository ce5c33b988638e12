"""Networks: encoders, decoders, and the loading of their weights."""

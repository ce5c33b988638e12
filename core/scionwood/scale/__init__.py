"""Training that is larger or faster: frozen prefixes, captured steps, sharded weights."""

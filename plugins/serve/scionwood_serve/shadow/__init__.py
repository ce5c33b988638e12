"""Training of a new version in the time that requests leave."""

"""Rules that make one adapter of many; each is a pure function."""

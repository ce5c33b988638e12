"""Models that are trained, for tests of other plugins."""

TINY = "scionwood_bangla:weights/tiny"
"""A language model."""

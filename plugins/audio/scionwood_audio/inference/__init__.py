"""Applying a network to recordings of any length."""

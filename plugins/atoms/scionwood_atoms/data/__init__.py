"""Structures with labels."""

"""Finished runs: their folders, how to name them, and how to share them; without torch."""

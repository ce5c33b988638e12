"""Data: conversations, preference pairs, packing and splits."""

"""Data components: conversations and preferences from files, packing, and splits."""

"""Seeded conversations and letters whose level of address is known, from the package's lexicon."""

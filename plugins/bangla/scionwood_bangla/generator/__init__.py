"""Generate conversations and letters with a known level of address from the package's lexicon."""

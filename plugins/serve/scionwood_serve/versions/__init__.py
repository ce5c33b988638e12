"""Versions of adapters: copies of run folders, named by the hash of their files."""

"""Folders for other servers: vLLM."""

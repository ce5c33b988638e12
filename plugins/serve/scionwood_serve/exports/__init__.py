"""Folders for other servers: a container, and vLLM."""

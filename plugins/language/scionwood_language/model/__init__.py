"""Models by name: the tiny one, SmolLM2 of a package, folders and the hub."""

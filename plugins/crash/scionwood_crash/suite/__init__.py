"""A reduced explicit-shell crash suite: four families of thin-walled parts, made by code."""

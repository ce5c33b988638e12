"""BiomedAP as described: inserted visual prompts, fused with the text context behind gates."""

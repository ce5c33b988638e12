"""HELLoRA: low-rank adapters for the experts that tokens reach most often."""

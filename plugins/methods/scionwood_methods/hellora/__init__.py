"""HELLoRA: low-rank adapters for the most used experts of mixture-of-experts models."""

"""iGSP: a mixture of LoRA experts that grows with each task and is pruned."""

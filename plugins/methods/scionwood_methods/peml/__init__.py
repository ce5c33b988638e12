"""PEML: LoRA with a continuous prefix on the keys and values of attention."""

"""Tasks: supervised fine-tuning and direct preference optimisation."""

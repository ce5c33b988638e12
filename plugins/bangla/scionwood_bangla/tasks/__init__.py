"""Tasks: supervised fine-tuning and preference optimisation."""

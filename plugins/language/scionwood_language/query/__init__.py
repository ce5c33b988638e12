"""Tuning for one question: variants of it, LoRA on them, an answer, and the way back."""

"""Backbones: causal, encoder and sequence-to-sequence models of transformers."""

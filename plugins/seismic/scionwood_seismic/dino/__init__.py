"""The research path: DINO encoders with a decoder and a LoRA, and adaptation to one gather."""

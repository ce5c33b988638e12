"""Dual anchors: inserted visual prompts that are fused with a text context behind gates."""

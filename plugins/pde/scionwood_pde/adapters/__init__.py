"""The adapter method of this plugin, LoRA with the matrix shapes of Tadpole."""

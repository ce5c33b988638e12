"""The adapter method that this plugin adds."""

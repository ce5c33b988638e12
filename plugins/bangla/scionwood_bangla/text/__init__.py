"""Text: reading, normalisation, chat templates and examples."""

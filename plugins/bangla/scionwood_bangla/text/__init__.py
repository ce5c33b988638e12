"""Text: spelling, encodings, messages and chat templates."""

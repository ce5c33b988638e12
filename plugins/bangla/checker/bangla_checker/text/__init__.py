"""Text: spelling, encodings and files."""

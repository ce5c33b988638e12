"""Readers of conversations: tables in five formats and four layouts."""

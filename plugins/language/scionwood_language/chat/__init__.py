"""Conversations as plain data: chat templates, and the tokens of a conversation."""

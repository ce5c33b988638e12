"""Conversations from files: rows of any container, in any of the usual layouts, checked."""

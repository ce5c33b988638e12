"""Rewrite a text at another level of address."""

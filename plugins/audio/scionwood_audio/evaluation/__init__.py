"""Scores of found events, and the page that shows them."""

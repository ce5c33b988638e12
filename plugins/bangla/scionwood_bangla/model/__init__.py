"""Language models and their weights."""

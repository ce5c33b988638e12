"""Answers of a trained model: how tokens are chosen, and the writer."""

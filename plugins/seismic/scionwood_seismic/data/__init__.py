"""Data: synthetic gathers and surveys, and how samples are scaled."""

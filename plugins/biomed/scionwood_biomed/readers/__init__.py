"""Readers of medical image formats."""

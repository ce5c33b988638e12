"""Adapter methods of this plugin."""

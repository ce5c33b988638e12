"""Thin-walled parts: shell meshes, time series, units, and the features of their strength."""

"""Readers of seismic files."""

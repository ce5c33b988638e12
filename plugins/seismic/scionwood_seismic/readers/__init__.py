"""Readers and writers of seismic and fibre-optic (DAS) files."""

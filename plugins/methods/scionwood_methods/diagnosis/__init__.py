"""Diagnosis of a run: quantities that indicate how much a model may forget."""

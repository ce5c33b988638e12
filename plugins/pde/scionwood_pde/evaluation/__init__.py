"""Metrics of predicted states, comparisons with reference states, and figures."""

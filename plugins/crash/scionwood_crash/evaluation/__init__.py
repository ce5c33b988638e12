"""Metrics, baselines, probes, figures and reports."""

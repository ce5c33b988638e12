"""Metrics, classical baselines, figures, and quality-control reports."""

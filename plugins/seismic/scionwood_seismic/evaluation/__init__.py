"""Metrics, classical baselines, figures and reports."""

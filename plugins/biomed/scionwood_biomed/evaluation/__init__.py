"""Metrics, baselines, figures and audits."""

"""Comparison of few-shot methods: metrics, baselines, figures, and audits of splits."""

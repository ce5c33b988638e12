"""Metrics, labelled sets, baselines, figures and reports."""

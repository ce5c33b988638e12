"""Evaluation: metrics, labelled data, baselines, figures and reports."""

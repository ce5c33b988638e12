"""Error measures, baselines, probes, figures and the report of a prediction."""

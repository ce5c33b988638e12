"""Data: fields from solvers, trajectories and files, and their normalisation."""

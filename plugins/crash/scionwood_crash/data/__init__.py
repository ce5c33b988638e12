"""Data: parts from simulations, from files and from the generated suite."""

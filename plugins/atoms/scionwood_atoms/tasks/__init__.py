"""What potentials are trained for."""

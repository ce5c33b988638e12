"""Networks of interatomic potentials, their graphs and their weights."""

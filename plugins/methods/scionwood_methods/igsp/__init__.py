"""iGSP: a low-rank subspace grown and pruned task by task."""

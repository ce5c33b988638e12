"""Choose training data by what the strong heads learn: the data half of P2D."""

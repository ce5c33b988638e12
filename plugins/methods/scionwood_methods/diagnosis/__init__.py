"""What a mean-field calculation says about an adapter before it trains."""

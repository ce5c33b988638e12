"""Programs with one planted fault, and what a review of them must say."""

"""LOFT: orthogonal fine-tuning in a low-rank subspace."""

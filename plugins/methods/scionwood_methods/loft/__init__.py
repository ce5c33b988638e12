"""LOFT: orthogonal fine-tuning inside a low-rank subspace, the support."""

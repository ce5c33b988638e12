"""Data for training: parts of the suite, parts in files, and their tensors."""

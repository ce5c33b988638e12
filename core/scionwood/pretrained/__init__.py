"""Pretrained weights: the catalogue that plugins fill, their files, and readers of the formats."""

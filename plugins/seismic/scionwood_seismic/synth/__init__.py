"""Synthetic gathers from a seed: signal, noise classes, and their mixture at a given SNR."""

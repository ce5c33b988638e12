"""Synthetic gathers drawn from a seed: signal, noise classes, and mixtures at a given SNR."""

"""Seeded synthetic gathers: the signal, the noise classes, and the mixture of both at a given SNR."""

"""Masked diffusion: schedules, the corruption, the bound and the sampler."""

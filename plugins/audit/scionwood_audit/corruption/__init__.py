"""Tests of what a task states about its corruption."""

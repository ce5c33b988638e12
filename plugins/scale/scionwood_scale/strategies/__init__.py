"""Strategies of the trainer for bases larger than the memory of one process."""

"""Damage the samples of a plugin's readers at random, and count what the readers do.

`campaign` runs it, `worker` reads the damaged files in a process of its own, and `corpus` keeps
what was found. On the command line: `scionwood check --fuzz NAME`.
"""

"""Decode files from outside in a child process that can neither harm nor stall its parent.

`remote.open_in_child` gives a reader whose decoding happens in such a child. `session.Session` uses
one child for all files below a folder. `switch.enforced` says what this system can enforce. Linux
alone has the means.
"""

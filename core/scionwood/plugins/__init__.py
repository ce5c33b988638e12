"""Plugins: the record, how they are found, and the template of a new one."""

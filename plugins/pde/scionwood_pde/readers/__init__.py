"""Readers and writers of files of states, one module for each format.

`opening.open_reader(path)` selects the reader by the content of the file.
"""

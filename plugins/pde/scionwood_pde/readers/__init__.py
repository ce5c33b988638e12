"""Readers and writers of files of states; `open_reader(path)` finds the reader by content."""

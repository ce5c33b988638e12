"""Read conversations from files of any common container and layout, and check each row."""

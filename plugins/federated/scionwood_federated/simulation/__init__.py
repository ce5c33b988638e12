"""A federation in one process, beside sites that stay alone and a site that has all data."""

"""A page for a browser, which checks a text without a server and without a network."""

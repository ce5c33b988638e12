"""A federation over a network: messages, what a site answers, and how a round closes."""

"""The process that holds the models and computes the answers."""

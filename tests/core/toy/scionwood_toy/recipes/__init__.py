"""The toy's recipes."""

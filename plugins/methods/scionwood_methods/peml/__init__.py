"""PEML: prefixes beside low-rank weights."""

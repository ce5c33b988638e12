"""Cache the features of the frozen blocks before the first adapter, and skip those blocks."""

"""The commands of `scionwood bangla`."""

"""The commands of `scionwood biomed`."""

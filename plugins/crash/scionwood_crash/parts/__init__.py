"""A thin-walled part: its mesh, time series, units and strength."""

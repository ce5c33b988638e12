"""Does an adapter pay? Real foundation weights against frozen features, full tuning and scratch."""

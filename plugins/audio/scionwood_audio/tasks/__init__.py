"""What is learnt from sounds."""

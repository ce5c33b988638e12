"""Tasks: what is learnt."""

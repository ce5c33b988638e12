"""The reduced explicit-shell crash suite: four families of random thin-walled parts."""

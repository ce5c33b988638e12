"""The reduced explicit-shell crash suite: families of random thin-walled parts and assemblies."""

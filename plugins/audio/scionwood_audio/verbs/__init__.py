"""What users do: each function is a command."""

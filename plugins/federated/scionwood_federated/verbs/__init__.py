"""What users do: each function is the command."""

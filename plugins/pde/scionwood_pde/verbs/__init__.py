"""What users do: each function is the command and the service."""

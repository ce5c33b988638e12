"""What users do: each function is a command and a function of Python."""

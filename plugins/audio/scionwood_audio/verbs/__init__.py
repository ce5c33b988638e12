"""What users do with sounds."""

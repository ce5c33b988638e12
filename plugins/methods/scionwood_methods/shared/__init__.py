"""What several methods use: layers, configurations and checks."""

"""Plans of commands: requests with their command lines, and a planner."""

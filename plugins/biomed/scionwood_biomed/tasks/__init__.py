"""Tasks: few-shot classification and the wording of its prompts."""

"""The few-shot classification task, its anchors, and the wordings of its prompts."""

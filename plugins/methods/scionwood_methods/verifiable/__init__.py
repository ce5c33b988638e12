"""A toy task whose answers code can verify, and the models and the training for it."""

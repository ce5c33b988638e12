"""Language models, their weights, and the pretraining of the tiny model."""

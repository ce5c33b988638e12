"""Networks: vision transformers, decoders and how their weights load."""

"""The bridge to MONAI (extra `monai`): its image reader, its tensors, and its networks."""

"""A run as a file for programs that do not have Scionwood: torch.export, ONNX, merged weights."""

"""The parts of `lora_kernels.py`: timing, forms, and what is measured of each."""

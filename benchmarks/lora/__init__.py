"""The parts of `lora_kernels.py`: timing, arms, and what is measured of each."""

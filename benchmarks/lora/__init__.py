"""The parts of `lora_kernels.py`: timing, the compared forms of a layer, and the measurements."""

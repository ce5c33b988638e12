"""LoRA and IA3 for layers that peft does not adapt, such as graph and spectral layers.

`forms` says which weights of a layer are adapted, and `matrices` how each is read as a matrix.
`lora` and `ia3` adapt those weights. `attention` keeps the tensors of peft for
`nn.MultiheadAttention`. `tuners` lets peft build these layers inside `attach` and `load_adapter`,
and marks the saved folders that peft alone cannot open.
"""

"""
Adapters on any network
=======================

A LoRA on a network of torch, what it trains, and the file that it makes.
"""

# %%
import torch
from peft import LoraConfig

import scionwood

torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1))
tuned = scionwood.attach(model, LoraConfig(r=4), targets="0", head=("2",))
print(scionwood.report(tuned))

# %%
# Train it with any loop. Here the target is the product of two inputs.
import matplotlib.pyplot as plt

x = torch.randn(256, 8)
y = x[:, :1] * x[:, 1:2]
optimiser = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=1e-2)
losses = []
for _ in range(200):
    loss = torch.nn.functional.mse_loss(tuned(x), y)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    losses.append(loss.item())

figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
axis.semilogy(losses)
axis.set(xlabel="step", ylabel="mean squared error")
plt.show()

# %%
# The adapter is a folder of peft, with the hash of the base beside it.
from pathlib import Path
from tempfile import mkdtemp

folder = Path(mkdtemp())
scionwood.save_adapter(tuned, folder)
print(sorted(path.name for path in folder.iterdir()))

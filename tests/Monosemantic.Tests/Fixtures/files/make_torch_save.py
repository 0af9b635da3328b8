"""Makes torch_save.pt and torch_save_legacy.pt with PyTorch's own torch.save; kept are those of PyTorch 1.13.

What they hold is listed in TorchFileTests.cs. Run: python3 make_torch_save.py
"""
import collections
import os

import torch

here = os.path.dirname(os.path.abspath(__file__))
base = torch.arange(12.0).reshape(3, 4) / 2
tied = torch.nn.Module()
tied.first = tied.second = torch.nn.Parameter(torch.tensor([1.5, -2.5]))
saved = collections.OrderedDict([
    ("float", base),
    ("half", torch.tensor([1.5, -2.0]).half()),
    ("bfloat", torch.tensor([1.0, -3.0]).bfloat16()),
    ("transposed", base.T),
    ("sliced", base[::2, 1::2]),
    ("expanded", torch.tensor([2.5]).expand(2, 3)),
    ("parameter", torch.nn.Parameter(torch.tensor([[0.25, -0.25]]))),
    ("k", torch.tensor(8, dtype=torch.int32)),
    ("module", tied.state_dict(keep_vars=True)),
    ("state", torch.nn.Linear(2, 1, bias=False).state_dict()),
])
saved["state"]["weight"].copy_(torch.tensor([[4.0, 5.0]]))
torch.save(saved, os.path.join(here, "torch_save.pt"))
torch.save(saved, os.path.join(here, "torch_save_legacy.pt"), _use_new_zipfile_serialization=False)

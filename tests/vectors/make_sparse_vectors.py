#!/usr/bin/env python3
"""Writes sparse.safetensors: what PyTorch's optimizers make of sparse gradients, for tests/optim/sparse_test.cpp.

Needs PyTorch; the version used stands in the file's metadata. Run without arguments. The loss at step t is
sum(embedding(w, rows[t]) * weights[t]) + sum(embedding(w, more[t])), both with sparse=True, so that rows are named twice
within a call and by both calls; some weights are 0. Keys: "start" [9, 3], "rows", "more", "weights" for each step, and for each
spec "SPEC|f64", "SPEC|f32" [STEPS, 9, 3]: w after each step.
"""
import os
import sys

import numpy as np
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from make_optim_vectors import save_safetensors  # noqa: E402

STEPS = 12
R = np.random.default_rng(5)
START = R.standard_normal((9, 3))
ROWS, MORE = R.integers(0, 9, (STEPS, 4)), R.integers(0, 9, (STEPS, 2))
WEIGHTS = R.standard_normal((STEPS, 4, 3)) * (R.random((STEPS, 4, 1)) < 0.7)
CASES = {
    "sgd(lr=0.1)": lambda p: torch.optim.SGD(p, lr=0.1),
    "sgd(lr=0.1, maximize=true)": lambda p: torch.optim.SGD(p, lr=0.1, maximize=True),
    "adagrad(lr=0.1)": lambda p: torch.optim.Adagrad(p, lr=0.1),
    "adagrad(lr=0.2, lr_decay=0.05, initial_accumulator_value=0.3, eps=0.01)":
        lambda p: torch.optim.Adagrad(p, lr=0.2, lr_decay=0.05, initial_accumulator_value=0.3, eps=0.01),
    "lazy_adam(lr=0.1)": lambda p: torch.optim.SparseAdam(p, lr=0.1),
    "lazy_adam(lr=0.05, beta1=0.7, beta2=0.9, eps=0.001)":
        lambda p: torch.optim.SparseAdam(p, lr=0.05, betas=(0.7, 0.9), eps=0.001),
}


def trajectory(make, dtype):
    w = torch.tensor(START, dtype=dtype, requires_grad=True)
    opt = make([w])
    kept = []
    for t in range(STEPS):
        opt.zero_grad()
        loss = (torch.nn.functional.embedding(torch.tensor(ROWS[t]), w, sparse=True) * torch.tensor(WEIGHTS[t], dtype=dtype)).sum()
        (loss + torch.nn.functional.embedding(torch.tensor(MORE[t]), w, sparse=True).sum()).backward()
        assert w.grad.is_sparse
        opt.step()
        kept.append(w.detach().numpy().copy())
    return np.stack(kept)


def main():
    arrays = {"start": START, "rows": ROWS.astype(np.float64), "more": MORE.astype(np.float64), "weights": WEIGHTS}
    for spec, make in CASES.items():
        for name, dtype in {"f64": torch.float64, "f32": torch.float32}.items():
            arrays[f"{spec}|{name}"] = trajectory(make, dtype)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sparse.safetensors")
    save_safetensors(path, arrays, {"torch": torch.__version__, "written_by": os.path.basename(__file__)})
    print(f"{path}: {len(arrays)} arrays, {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    main()

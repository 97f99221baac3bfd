#!/usr/bin/env python3
"""Writes freeze.safetensors: what PyTorch's optimizers do while parameters are frozen, thawed and converted, for
tests/optim/freeze_test.cpp.

Needs PyTorch; the version used stands in the file's metadata. Run without arguments. The loss at step t is the sum over the
parameters w of sum(w * w * h / 2 + w * g[t]), so that a frozen parameter gets no gradient. zero_grad() before each step.
Keys: "start/NAME", "h/NAME", "g/NAME" [STEPS, ...]; "events" [STEPS, 4], at the start of step t: for each parameter 1 frozen, 0
not, and in the last column 1: the numbers go to f32 and back to f64 between two steps, 2: numbers and state to f32, 3: back. For each spec
"SPEC|NAME" [STEPS / 5, ...]: the parameter after steps 5, 10, ... with the round trips alone, and "SPEC|NAME|f32" the same with
the columns' 2 and 3 in force, too: steps are taken in f32 between them.
"""
import os
import sys

import numpy as np
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from make_optim_vectors import save_safetensors  # noqa: E402

STEPS = 40
SHAPES = {"a": (3, 4), "b": (5,), "c": (2, 3)}
T = torch.optim
CASES = [
    ("sgd(lr=0.05, momentum=0.9)", lambda p: T.SGD(p, lr=0.05, momentum=0.9)),
    ("sgd(lr=0.05, momentum=0.8, nesterov=true, weight_decay=0.01)",
     lambda p: T.SGD(p, lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.01)),
    ("adam(lr=0.01, amsgrad=true, weight_decay=0.1)", lambda p: T.Adam(p, lr=0.01, amsgrad=True, weight_decay=0.1)),
    ("adamw(lr=0.01, weight_decay=0.1)", lambda p: T.AdamW(p, lr=0.01, weight_decay=0.1)),
    ("rmsprop(lr=0.01, centered=true, momentum=0.9)", lambda p: T.RMSprop(p, lr=0.01, centered=True, momentum=0.9)),
    ("adagrad(lr=0.1, lr_decay=0.01)", lambda p: T.Adagrad(p, lr=0.1, lr_decay=0.01)),
    ("adadelta(lr=0.5, rho=0.95, eps=1e-5)", lambda p: T.Adadelta(p, lr=0.5, rho=0.95, eps=1e-5)),
    ("adamax(lr=0.01, beta1=0.8, beta2=0.95)", lambda p: T.Adamax(p, lr=0.01, betas=(0.8, 0.95))),
    ("nadam(lr=0.01, momentum_decay=0.05)", lambda p: T.NAdam(p, lr=0.01, momentum_decay=0.05)),
    ("radam(lr=0.01, weight_decay=0.1)", lambda p: T.RAdam(p, lr=0.01, weight_decay=0.1)),
    ("asgd(lr=0.05, lambd=0.01, alpha=0.6, t0=4)", lambda p: T.ASGD(p, lr=0.05, lambd=0.01, alpha=0.6, t0=4)),
    ("rprop(lr=0.05)", lambda p: T.Rprop(p, lr=0.05)),
    ("adafactor(lr=0.05, weight_decay=0.1)", lambda p: T.Adafactor(p, lr=0.05, weight_decay=0.1)),
]


class Model(torch.nn.Module):
    def __init__(self, start):
        super().__init__()
        for name, values in start.items():
            setattr(self, name, torch.nn.Parameter(torch.tensor(values)))


def convert(model, opt, dtype):
    """Module.to() keeps the parameters' identity; PyTorch leaves the optimizer's state to the caller."""
    model.to(dtype)
    for state in opt.state.values():
        for key, value in state.items():
            if torch.is_tensor(value) and value.dim() > 0:
                state[key] = value.to(dtype)


def trajectory(make, start, h, g, events, with_f32):
    model = Model(start)
    opt = make(list(model.parameters()))
    kept = {name: [] for name in start}
    for t in range(STEPS):
        for k, name in enumerate(start):
            getattr(model, name).requires_grad_(bool(events[t, k] == 0))
        if events[t, 3] == 1:
            model.to(torch.float32).to(torch.float64)
        elif events[t, 3] > 1 and with_f32:
            convert(model, opt, torch.float32 if events[t, 3] == 2 else torch.float64)
        opt.zero_grad()
        loss = 0
        for name in start:
            w = getattr(model, name)
            loss = loss + (w * w * torch.tensor(h[name], dtype=w.dtype) / 2 + w * torch.tensor(g[name][t], dtype=w.dtype)).sum()
        loss.backward()
        opt.step()
        if (t + 1) % 5 == 0:
            for name in start:
                kept[name].append(getattr(model, name).detach().double().numpy().copy())
    return {name: np.stack(values) for name, values in kept.items()}


def main():
    torch.set_default_dtype(torch.float64)  # the counts and products that NAdam and ASGD keep take this dtype
    r = np.random.default_rng(41)
    start = {name: r.standard_normal(shape) for name, shape in SHAPES.items()}
    h = {name: r.uniform(0.1, 1.0, shape) for name, shape in SHAPES.items()}
    g = {name: r.standard_normal((STEPS,) + shape) for name, shape in SHAPES.items()}
    frozen = np.zeros(3, bool)
    events = np.zeros((STEPS, 4))
    for t in range(STEPS):
        for k in range(3):
            if r.random() < 0.35:
                frozen[k] = not frozen[k]
        if frozen.all():
            frozen[r.integers(3)] = False
        events[t, :3] = frozen
        if r.random() < 0.2:
            events[t, 3] = 1
    events[11, 3], events[17, 3], events[29, 3], events[31, 3] = 2, 3, 2, 3
    events[12:17, 3] = 0
    events[30, 3] = 0
    arrays = {"events": events}
    for name in SHAPES:
        arrays["start/" + name], arrays["h/" + name], arrays["g/" + name] = start[name], h[name], g[name]
    for spec, make in CASES:
        for with_f32 in (False, True):
            for name, values in trajectory(make, start, h, g, events, with_f32).items():
                arrays[f"{spec}|{name}" + ("|f32" if with_f32 else "")] = values
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "freeze.safetensors")
    save_safetensors(path, arrays, {"pytorch": torch.__version__, "written_by": "make_freeze_vectors.py"})
    print(f"{path}: {len(arrays)} arrays, {os.path.getsize(path)} bytes, PyTorch {torch.__version__}")
    print(events.astype(int).tolist())


if __name__ == "__main__":
    main()

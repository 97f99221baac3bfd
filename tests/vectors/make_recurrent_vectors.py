#!/usr/bin/env python3
"""Writes recurrent.safetensors: results and gradients of PyTorch's recurrent layers and cells in f64, for
tests/nn/recurrent_test.cpp.

Needs PyTorch; the version used stands in the file's metadata. Run without arguments. Inputs and weights are numbers of f32, so
that a test in f32 has the same ones. Keys: "CASE|x", "CASE|h", "CASE|c" (initial state, if given), "CASE|lengths" (as f32),
"CASE|param|NAME"; results "CASE|y", "CASE|hn", "CASE|cn"; "CASE|seed_y" ... what they are multiplied with before the sum of all
is differentiated; gradients "CASE|grad|x", "CASE|grad|h", "CASE|grad|c", "CASE|grad|NAME". With lengths, x behind the end of a
sequence is NaN, and y is 0 there. A case is "TYPE SIZES OPTIONS", in words that the test reads.
"""
import os
import sys

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from make_optim_vectors import save_safetensors  # noqa: E402

# type, steps, batch (0: none), features, hidden, options
CASES = []
for kind in ("LSTM", "GRU", "RNN"):
    CASES += [
        (kind, 5, 3, 4, 5, []),
        (kind, 4, 2, 3, 7, ["state", "nobias"]),
        (kind, 3, 0, 2, 9, ["state"]),
        (kind, 4, 3, 3, 4, ["state", "bidirectional", "layers2"]),
        (kind, 6, 4, 2, 3, ["state", "bidirectional", "layers2", "batch_first", "lengths"]),
        (kind, 7, 5, 1, 17, ["lengths"]),
        (kind, 2, 19, 3, 3, ["state", "layers3", "nobias", "batch_first"]),
        (kind, 1, 1, 1, 1, ["bidirectional"]),
    ]
CASES += [
    ("LSTM", 4, 3, 3, 5, ["state", "proj2"]),
    ("LSTM", 5, 3, 2, 4, ["state", "proj3", "bidirectional", "layers2", "lengths", "batch_first"]),
    ("LSTM", 3, 2, 4, 3, ["proj1", "nobias"]),
    ("RNN", 4, 3, 4, 5, ["state", "relu"]),
    ("RNN", 5, 4, 3, 3, ["state", "relu", "bidirectional", "layers2", "lengths"]),
    ("LSTMCell", 0, 3, 4, 5, ["state"]), ("LSTMCell", 0, 0, 4, 3, []), ("LSTMCell", 0, 2, 1, 2, ["state", "nobias"]),
    ("GRUCell", 0, 3, 4, 5, ["state"]), ("GRUCell", 0, 0, 4, 3, []), ("GRUCell", 0, 2, 1, 2, ["state", "nobias"]),
    ("RNNCell", 0, 3, 4, 5, ["state"]), ("RNNCell", 0, 0, 4, 3, ["relu"]), ("RNNCell", 0, 2, 1, 2, ["state", "nobias"]),
]
for kind in ("LSTMCell", "GRUCell", "RNNCell"):
    CASES += [(kind, 0, 5, 3, 1, []), (kind, 0, 0, 2, 7, ["state", "nobias"]), (kind, 0, 1, 5, 6, ["state"])]


def module_for(kind, features, hidden, options):
    how = {"bias": "nobias" not in options}
    if "relu" in options:
        how["nonlinearity"] = "relu"
    if not kind.endswith("Cell"):
        how["bidirectional"], how["batch_first"] = "bidirectional" in options, "batch_first" in options
        for word in options:
            if word.startswith("layers"):
                how["num_layers"] = int(word[6:])
            if word.startswith("proj"):
                how["proj_size"] = int(word[4:])
    return getattr(torch.nn, kind)(features, hidden, **how)


def run(kind, steps, batch, features, hidden, options, out, rng):
    name = " ".join([kind, f"{steps}x{batch}x{features}x{hidden}"] + options)
    number = lambda *shape: torch.tensor(rng.uniform(-1, 1, shape).astype(np.float32)).double()  # noqa: E731
    module = module_for(kind, features, hidden, options)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(number(*p.shape).float())
    module = module.double()
    cell, lstm = kind.endswith("Cell"), kind.startswith("LSTM")
    n = [batch] if batch else []
    lead = n if cell else [batch, steps] if "batch_first" in options else [steps] + n
    x = number(*lead, features).requires_grad_()
    states = []
    if "state" in options:
        rows = [] if cell else [module.num_layers * (2 if module.bidirectional else 1)]
        states = [number(*rows, *n, getattr(module, "proj_size", 0) or hidden)]
        states += [number(*rows, *n, hidden)] if lstm else []
        states = [s.requires_grad_() for s in states]
    state = (tuple(states) if lstm else states[0]) if states else None
    shown = x.detach().clone()
    if "lengths" in options:
        lengths = torch.tensor([max(1, steps - 2 * i % 5) if i != 1 else steps for i in range(batch)])
        first = module.batch_first
        y, last = module(pack_padded_sequence(x, lengths, batch_first=first, enforce_sorted=False), state)
        y, _ = pad_packed_sequence(y, batch_first=first, total_length=steps)
        behind = torch.arange(steps)[None, :] >= lengths[:, None]
        shown[behind if first else behind.T] = float("nan")
        out[f"{name}|lengths"] = lengths.numpy().astype(np.float32)
    elif cell:
        y, last = None, module(x, state)
    else:
        y, last = module(x, state)
    last = list(last) if isinstance(last, tuple) else [last]
    results = dict(zip(["hn", "cn"], last))
    if y is not None:
        results["y"] = y
    loss = 0
    for key, value in results.items():
        seed = number(*value.shape)
        loss = loss + (value * seed).sum()
        out[f"{name}|{key}"], out[f"{name}|seed_{key}"] = value.detach().numpy(), seed.numpy().astype(np.float32)
    loss.backward()
    out[f"{name}|x"], out[f"{name}|grad|x"] = shown.numpy().astype(np.float32), x.grad.numpy()
    for key, s in zip(["h", "c"], states):
        out[f"{name}|{key}"], out[f"{name}|grad|{key}"] = s.detach().numpy().astype(np.float32), s.grad.numpy()
    for key, p in module.named_parameters():
        out[f"{name}|param|{key}"] = p.detach().numpy().astype(np.float32)
        out[f"{name}|grad|{key}"] = p.grad.numpy()


def main():
    torch.set_num_threads(1)
    rng, out = np.random.default_rng(12), {}
    for case in CASES:
        run(*case, out, rng)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "recurrent.safetensors")
    save_safetensors(path, out, {"torch": torch.__version__})


if __name__ == "__main__":
    main()

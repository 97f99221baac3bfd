#!/usr/bin/env python3
"""Writes files/: state_dicts, archives and arrays as PyTorch and NumPy write them, for tests/nn/python_files_test.cpp.

Needs PyTorch, NumPy and safetensors; PyTorch's version stands in the metadata of expected.safetensors. Run without
arguments. NAME.safetensors of cnn, lstm and gru is a state_dict as safetensors.torch.save_file writes it; expected.safetensors
has "NAME|in", and "NAME|out0", ... that the model in eval mode made of it. state.pt, protocol4.pt and checkpoint.pt are
torch.save()'s; expected.safetensors has "state|KEY" and "checkpoint|KEY" in the types that Gradus reads them as. arrays.npz and
compressed.npz hold "npz|KEY" (np.savez, np.savez_compressed).
"""
import os

import numpy as np
import safetensors.torch
import torch
from torch import nn


HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "files")
EXPECTED = {}
torch.manual_seed(12)


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 6, 3, stride=2, groups=2)
        self.head = nn.Linear(18, 5)

    def forward(self, x):
        x = torch.max_pool2d(torch.relu(self.norm(self.conv1(x))), 2)
        return self.head(torch.relu(self.conv2(x)).flatten(1))


MODELS = {
    "cnn": (Cnn, (3, 1, 14, 8)),
    "lstm": (lambda: nn.LSTM(5, 6, 2, bidirectional=True, batch_first=True), (3, 7, 5)),
    "gru": (lambda: nn.GRU(5, 6, 2), (4, 3, 5)),
}


def results(out):
    return [out] if torch.is_tensor(out) else [t for o in out for t in results(o)]


def models():
    for name, (make, shape) in MODELS.items():
        model = make()
        if name == "cnn":
            model.norm.running_mean.uniform_(-0.5, 0.5), model.norm.running_var.uniform_(0.5, 2)
            nn.init.uniform_(model.norm.weight, 0.5, 2), nn.init.uniform_(model.norm.bias, -1, 1)
        x = torch.randn(shape)
        EXPECTED[f"{name}|in"] = x
        for i, y in enumerate(results(model.eval()(x))):
            EXPECTED[f"{name}|out{i}"] = y.detach().contiguous().clone()
        safetensors.torch.save_file(model.state_dict(), os.path.join(HERE, name + ".safetensors"))


def read_as(t):
    """The type that Gradus has for it."""
    if t.dtype in (torch.float32, torch.float64, torch.int64, torch.uint8, torch.bool):
        return t
    return t.to(torch.float32 if t.is_floating_point() else torch.int64)


def expect(name, state):
    for key, t in state.items():
        EXPECTED[f"{name}|{key}"] = read_as(t.detach()).contiguous().clone()


def states():
    base = torch.randn(4, 6)
    state = {
        "weight": base, "tied": base, "transposed": base.t(), "window": base[1:3, 2:5], "row": base[2], "expanded": base[:, :1].expand(4, 3),
        "parameter": nn.Parameter(torch.randn(3)), "scalar": torch.tensor(7), "empty": torch.zeros(0, 3),
        "f64": torch.randn(2, dtype=torch.float64), "half": torch.randn(5).half(), "bfloat16": torch.randn(5).bfloat16(),
        "i8": torch.tensor([-128, 127], dtype=torch.int8), "i16": torch.tensor([-32768, 3], dtype=torch.int16),
        "i32": torch.tensor([-(2**31), 5], dtype=torch.int32), "u8": torch.tensor([0, 255], dtype=torch.uint8),
        "u16": torch.tensor([65535, 1], dtype=torch.uint16), "u32": torch.tensor([2**32 - 1], dtype=torch.uint32),
        "bool": torch.tensor([True, False, True]),
    }
    torch.save(state, os.path.join(HERE, "state.pt"))
    torch.save(state, os.path.join(HERE, "protocol4.pt"), pickle_protocol=4)
    expect("state", state)

    model = Cnn()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model(torch.randn(2, 1, 14, 8)).sum().backward()
    optimizer.step()
    moments = {"exp_avg": optimizer.state_dict()["state"][0]["exp_avg"]}
    torch.save({"epoch": 3, "loss": 0.25, "model": model.state_dict(), "note": "text", "best": None, "flag": True,
                "moments": {0: moments}, "several": [torch.ones(2), (torch.zeros(1), "x")],
                "groups": optimizer.state_dict()["param_groups"]}, os.path.join(HERE, "checkpoint.pt"))
    flat = {f"model.{k}": v for k, v in model.state_dict().items()}
    flat |= {"moments.0.exp_avg": moments["exp_avg"], "several.0": torch.ones(2), "several.1.0": torch.zeros(1)}
    expect("checkpoint", flat)


def archives():
    arrays = {"w": np.random.default_rng(1).normal(size=(3, 4)).astype("f4"), "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
              "n": np.array([1, -2], "i2"), "flag": np.array(True), "half": np.array([0.5, 2], "f2"), "zeros": np.zeros((64, 100), "u1"),
              "a.b/c": np.arange(3)}
    np.savez(os.path.join(HERE, "arrays.npz"), **arrays)
    np.savez_compressed(os.path.join(HERE, "compressed.npz"), **arrays)
    expect("npz", {k: torch.from_numpy(np.ascontiguousarray(a)) if a.ndim else torch.tensor(bool(a)) for k, a in arrays.items()})


def main():
    os.makedirs(HERE, exist_ok=True)
    models(), states(), archives()
    path = os.path.join(HERE, "expected.safetensors")
    safetensors.torch.save_file(EXPECTED, path, {"pytorch": torch.__version__, "written_by": "make_file_vectors.py"})
    for name in sorted(os.listdir(HERE)):
        print(name, os.path.getsize(os.path.join(HERE, name)))


if __name__ == "__main__":
    main()

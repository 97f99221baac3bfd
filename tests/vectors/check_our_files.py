#!/usr/bin/env python3
"""Loads files that Gradus wrote into PyTorch's modules and compares what they predict. Not run by the tests.

    mkdir DIR && GRADUS_FILES_FOR_PYTHON=DIR build/release/gradus_tests -tc='files for Python'
    tests/vectors/check_our_files.py DIR

Needs PyTorch, NumPy, safetensors, onnx and onnxruntime. NAME.safetensors is loaded strictly, by PyTorch's names; NAME.npz has
inputs and results; NAME.onnx is checked by onnx.checker and run by onnxruntime.
"""
import os
import sys

import numpy as np
import onnx
import onnxruntime
import safetensors.torch
import torch
from torch import nn

from make_file_vectors import MODELS, results


def transformer(pre):
    layer = nn.TransformerEncoderLayer(16, 4, 24, activation="gelu" if pre else "relu", norm_first=pre, batch_first=True)
    return nn.TransformerEncoder(layer, 2, nn.LayerNorm(16) if pre else None, enable_nested_tensor=False)


def check_onnx(folder):
    worst = 0
    for name in sorted(n[:-5] for n in os.listdir(folder) if n.endswith(".onnx")):
        path = os.path.join(folder, name)
        numbers = np.load(path + ".npz")
        model = onnx.load(path + ".onnx")
        onnx.checker.check_model(model, full_check=True)
        runtime = onnxruntime.InferenceSession(path + ".onnx", providers=["CPUExecutionProvider"])
        inputs = {v.name: numbers[f"in{i}"] for i, v in enumerate(runtime.get_inputs())}
        found = runtime.run(None, inputs)
        wanted = [numbers[k] for k in numbers.files if k.startswith("out")]
        assert len(found) == len(wanted)
        for a, b in zip(found, wanted):
            assert a.shape == b.shape and a.dtype == b.dtype, (name, a.shape, b.shape)
        error = max(np.abs(a - b).max() for a, b in zip(found, wanted))
        print(f"{name:24} {error:.1e} from onnxruntime, {len(model.graph.node)} nodes")
        worst = max(worst, error)
    assert worst <= 1e-5, worst


def main(folder):
    makers = {name: make for name, (make, _) in MODELS.items()}
    makers["encoder_post"], makers["encoder_pre"] = lambda: transformer(False), lambda: transformer(True)
    makers["decoder_layer"] = lambda: nn.TransformerDecoderLayer(16, 4, 24, batch_first=True)
    worst = 0
    for name, make in makers.items():
        numbers = np.load(os.path.join(folder, name + ".npz"))
        inputs = [torch.from_numpy(numbers[k]) for k in numbers.files if k.startswith("in")]
        wanted = [numbers[k] for k in numbers.files if k.startswith("out")]
        model = make().eval()
        path = os.path.join(folder, name)
        state = safetensors.torch.load_file(path + ".safetensors")
        model.load_state_dict(state, strict=True)
        with torch.no_grad():
            found = [t.numpy() for t in results(model(*inputs))]
        assert len(found) == len(wanted)
        error = max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(found, wanted))
        half = safetensors.torch.load_file(path + ".bf16.safetensors")
        for key, t in state.items():
            assert torch.equal(half[key], t.bfloat16() if t.is_floating_point() else t), key
        print(f"{name:14} {error:.1e} relative, {len(state)} tensors, as bfloat16 what PyTorch rounds to")
        worst = max(worst, error)
    assert worst <= 1e-6, worst


if __name__ == "__main__":
    main(sys.argv[1])
    check_onnx(sys.argv[1])

#!/usr/bin/env python3
"""Writes nn_layers.safetensors: more layers of PyTorch, and more configurations of each, for tests/nn/torch_*_test.cpp. Keys
and helpers are those of make_nn_vectors.py.
"""
import os

import torch
from torch import nn

import make_nn_vectors
from make_nn_vectors import HERE, labels, layer, save, values


def bags():
    index, line = labels(7, 3, 4), labels(7, 10)
    index[0, 1] = index[2, 0] = index[2, 1] = index[2, 2] = index[2, 3] = 5
    offsets = torch.tensor([0, 3, 3, 7])
    ends = torch.tensor([0, 4, 9, 10, 10])
    for mode in ("sum", "mean", "max"):
        layer(f"EmbeddingBag {mode} rows", nn.EmbeddingBag(7, 3, mode=mode), index)
        layer(f"EmbeddingBag {mode} offsets", nn.EmbeddingBag(7, 4, mode=mode), line, offsets)
        layer(f"EmbeddingBag {mode} padding", nn.EmbeddingBag(7, 3, mode=mode, padding_idx=5), index)
        layer(f"EmbeddingBag {mode} last offset", nn.EmbeddingBag(7, 1, mode=mode, include_last_offset=True), line, ends)
    weighted = nn.EmbeddingBag(7, 3, mode="sum", padding_idx=-2)
    layer("EmbeddingBag weights rows", weighted, index, values(3, 4), call=lambda m, x, w: m(x, per_sample_weights=w))
    layer("EmbeddingBag weights offsets", nn.EmbeddingBag(7, 3, mode="sum"), line, offsets, values(10),
          call=lambda m, x, o, w: m(x, o, per_sample_weights=w))
    for name, options in {"max_norm": {"max_norm": 0.7}, "max_norm 1": {"max_norm": 0.9, "norm_type": 1.0},
                          "max_norm 3": {"max_norm": 0.4, "norm_type": 3.0, "padding_idx": 5}}.items():
        layer(f"Embedding {name}", nn.Embedding(7, 4, **options), index)
    layer("EmbeddingBag max_norm", nn.EmbeddingBag(7, 4, mode="mean", max_norm=0.7), index)


def main():
    make_nn_vectors.ARRAYS.clear()
    torch.manual_seed(23)
    bags()
    path = os.path.join(HERE, "nn_layers.safetensors")
    save(path, os.path.basename(__file__))
    print(f"{path}: {len(make_nn_vectors.ARRAYS)} arrays, {os.path.getsize(path)} bytes, PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()

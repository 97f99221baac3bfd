#!/usr/bin/env python3
"""Writes nn_configurations.safetensors: what the other scripts leave of six configurations of each layer and each loss, odd
shapes among them, for tests/nn/torch_*_test.cpp. Keys and helpers are those of make_nn_vectors.py; where PyTorch has no
layer, one is composed here of its functions. Run without arguments.
"""
import os

import torch
import torch.nn.functional as F
from torch import nn

import make_nn_vectors
from make_nn_layer_vectors import dice, each, focal
from make_nn_vectors import HERE, case, labels, layer, save, values

OPTIONS = {"dropout": 0.0, "dim_feedforward": 7}


def later(n):
    return torch.ones(n, n, dtype=torch.bool).triu(1)


def encoders():
    def encoder(*sizes, layers=2, norm=None, **o):
        one = nn.TransformerEncoderLayer(*sizes, **OPTIONS, **o)
        return nn.TransformerEncoder(one, layers, norm, enable_nested_tensor=False)

    padding = torch.tensor([[False] * 5, [True, False, False, True, True]])
    first = {"batch_first": True}
    each("TransformerEncoder", {
        "time first": (encoder(6, 3, activation="gelu"), values(5, 1, 6)),
        "one layer, no bias": (encoder(5, 1, layers=1, bias=False, norm_first=True, **first), values(3, 1, 5)),
        "unbatched": (encoder(4, 2, layers=3, norm=nn.LayerNorm(4, eps=0.2), **first), values(7, 4)),
    })
    layer("TransformerEncoder masks", encoder(6, 2, norm_first=True, **first), values(2, 5, 6), padding,
          call=lambda m, x, p: m(x, mask=torch.eye(5, dtype=torch.bool).roll(1, 1), src_key_padding_mask=p))
    layer("TransformerEncoder causal", encoder(6, 2, norm=nn.LayerNorm(6, bias=False)), values(5, 3, 6),
          call=lambda m, x: m(x, mask=later(5)))


def decoders():
    D, first = nn.TransformerDecoderLayer, {"batch_first": True, **OPTIONS}
    padding = torch.tensor([[False, False, True], [False, True, False]])
    tgt, memory, added = values(2, 5, 6), values(2, 3, 6), values(5, 3)
    each("TransformerDecoderLayer", {
        "unbatched": (D(6, 2, norm_first=True, **first), values(1, 6), values(4, 6)),
        "eps": (D(5, 1, layer_norm_eps=0.1, **first), values(3, 2, 5), values(3, 1, 5)),
    })
    layer("TransformerDecoderLayer padding", D(6, 3, **OPTIONS), values(3, 2, 6), values(1, 2, 6), padding,
          call=lambda m, x, y, p: m(x, y, tgt_key_padding_mask=p))
    layer("TransformerDecoderLayer added", D(6, 2, norm_first=True, bias=False, **first), tgt, memory, added,
          call=lambda m, x, y, a: m(x, y, memory_mask=a))

    def decoder(*sizes, layers=2, norm=None, **o):
        return nn.TransformerDecoder(D(*sizes, **OPTIONS, **o), layers, norm)

    first = {"batch_first": True}
    each("TransformerDecoder", {
        "time first": (decoder(6, 3, activation="gelu"), values(4, 1, 6), values(7, 1, 6)),
        "unbatched": (decoder(4, 2, layers=3, norm=nn.LayerNorm(4), norm_first=True, **first), values(1, 4), values(3, 4)),
        "one layer, no bias": (decoder(5, 1, layers=1, bias=False, **first), values(3, 2, 5), values(3, 1, 5)),
    })
    layer("TransformerDecoder causal", decoder(6, 2, norm_first=True, **first), tgt, memory,
          call=lambda m, x, y: m(x, y, tgt_mask=later(5)))
    layer("TransformerDecoder masks", decoder(6, 2, **first), tgt, memory, added, values(2, 3),
          call=lambda m, x, y, a, p: m(x, y, memory_mask=a, memory_key_padding_mask=p))


def positions():
    """Vaswani et al., 2017, section 3.5, and a learned table; batch first, from a position on."""
    def encoding(n, d):
        angle = torch.arange(n).double()[:, None] * 10000.0 ** (-torch.arange(0, d, 2).double() / d)
        return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[:, :d]

    class Learned(nn.Module):
        def __init__(self, n, d):
            super().__init__()
            self.weight = nn.Parameter(torch.empty(n, d))

    shapes = {"batch": ((2, 5, 6), 0), "one": ((1, 1, 2), 0), "unbatched": ((7, 4), 0), "later": ((3, 2, 6), 8),
              "last": ((1, 3, 4), 6), "no rows": ((0, 3, 4), 1)}
    for label, (shape, at) in shapes.items():
        d, end = shape[-1], at + shape[-2]
        case(f"PositionalEncoding {label}", lambda x: x + encoding(end, d)[at:], (values(*shape),))
        layer(f"PositionalEmbedding {label}", Learned(11, d), values(*shape), call=lambda m, x: x + m.weight[at:end])


def without_chance():
    """Dropout of nothing and of everything; in eval mode, nothing."""
    shapes = {"vector": (7,), "axes": (2, 1, 5), "image": (1, 3, 5, 2), "no rows": (0, 3), "number": ()}
    each("Identity", {label: (nn.Identity(), values(*s)) for label, s in {**shapes, "one": (1,)}.items()})
    images = [(2, 3, 5, 1), (3, 2, 1, 2), (1, 1, 1, 7), (0, 2, 3, 3), (1, 5, 1, 1)]
    for name, kind, some in (("Dropout", nn.Dropout, list(shapes.values())), ("Dropout2d", nn.Dropout2d, images)):
        for p in (0, 1):
            for i, shape in enumerate(some[p:p + 2]):
                layer(f"{name} {p} {i}", kind(p), values(*shape))
        for i, shape in enumerate(some[3:]):
            layer(f"{name} eval {i}", kind(0.3), values(*shape), call=lambda m, x: m.eval()(x))


def signs(*shape):
    return torch.where(torch.rand(shape) < 0.5, 1.0, -1.0).double()


def losses():
    for label, shape in {"one": (1,), "axes": (2, 1, 5), "image": (1, 3, 5, 2), "number": ()}.items():
        x, t = values(*shape), (torch.rand(shape) < 0.4).double()
        case(f"sigmoid_focal_loss {label}", lambda x, t: focal(x, t.detach(), gamma=3.0), (x, t))
        if shape:
            p = values(*shape, low=0.05, high=0.95)
            case(f"dice_loss {label}", lambda p, t: dice(p[:, None], t.detach()[:, None]).mean(), (p, t))
            case(f"gaussian_nll_loss {label}", F.gaussian_nll_loss, (x, t, values(*shape, low=0.1, high=2)))
    log_p, log_q = values(3, 2).log_softmax(1), values(3, 2).log_softmax(1)
    case("kl_div rows", lambda p, q: F.kl_div(p, q, log_target=True, reduction="batchmean"), (log_p, log_q))
    p, t = values(1, 17, low=0.1, high=0.9), values(1, 17, low=0.1, high=0.9)
    case("dice_loss wide", lambda p, t: dice(p, t.detach(), smooth=2.0).sum(), (p, t))
    for label, shape in {"number": (), "vector": (7,), "rows": (3, 2)}.items():
        a, b, y, p = values(*shape), values(*shape), signs(*shape), values(*shape, low=0.05, high=0.95)
        case(f"l1_loss {label}", F.l1_loss, (a, b))
        case(f"mse_loss {label}", F.mse_loss, (a, b))
        case(f"huber_loss {label}", lambda a, b: F.huber_loss(a, b, delta=2.5), (a, b))
        case(f"hinge_embedding_loss {label}", lambda x, y: F.hinge_embedding_loss(x, y.detach(), margin=2.0), (a, y))
        case(f"margin_ranking_loss {label}", lambda a, b, y: F.margin_ranking_loss(a, b, y.detach(), margin=-0.5), (a, b, y))
        case(f"poisson_nll_loss {label}", lambda x, t: F.poisson_nll_loss(x, t, log_input=False, eps=0.1),
             (p, 3 * p))
        case(f"binary_cross_entropy {label}", F.binary_cross_entropy, (p, (y + 1) / 2))
        case(f"binary_cross_entropy_with_logits {label}",
             lambda x, t, w: F.binary_cross_entropy_with_logits(x, t, weight=w.detach()), (a, p, p + 0.5))


def losses_of_embeddings():
    def cosine(a, b, y):
        return F.cosine_embedding_loss(a, b, y.detach(), margin=-0.4)

    def triplet(a, b, n):
        return F.triplet_margin_loss(a, b, n, margin=4.0, swap=True)

    for label, shape in {"one pair": (1, 4), "two features": (3, 2), "vector": (5,), "wide": (2, 17)}.items():
        a, b, n, y = values(*shape), values(*shape), values(*shape), signs(*shape[:-1])
        case(f"cosine_embedding_loss {label}", cosine, (a, b, y))
        case(f"triplet_margin_loss {label}", triplet, (a, b, n))
    for label, shape in {"one row": (1, 3), "two classes": (5, 2), "vector": (4,), "wide": (2, 17)}.items():
        x, y = values(*shape), labels(shape[-1], *shape[:-1])
        case(f"nll_loss {label}", F.nll_loss, (x, y))
        if label != "vector":
            case(f"multi_margin_loss {label}", lambda x, y: F.multi_margin_loss(x, y, margin=1.7), (x, y))
    case("multi_margin_loss squared", lambda x, y: F.multi_margin_loss(x, y, p=2), (values(3, 4), labels(4, 3)))


def main():
    make_nn_vectors.ARRAYS.clear()
    torch.set_num_threads(1)
    torch.manual_seed(29)
    encoders(), decoders(), positions(), without_chance(), losses(), losses_of_embeddings()
    path = os.path.join(HERE, "nn_configurations.safetensors")
    save(path, os.path.basename(__file__))
    print(f"{path}: {len(make_nn_vectors.ARRAYS)} arrays, {os.path.getsize(path)} bytes, PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()

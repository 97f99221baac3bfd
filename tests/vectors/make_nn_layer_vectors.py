#!/usr/bin/env python3
"""Writes nn_layers.safetensors: more layers of PyTorch, and more configurations of each, for tests/nn/torch_*_test.cpp. Keys
and helpers are those of make_nn_vectors.py.
"""
import os

import torch
import torch.nn.functional as F
from torch import nn

import make_nn_vectors
from make_nn_vectors import HERE, case, labels, layer, save, values


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


def each(name, cases):
    """cases: label -> (module, inputs...)."""
    for label, (module, *inputs) in cases.items():
        layer(f"{name} {label}", module, *inputs)


def linear():
    each("Linear", {
        "rows": (nn.Linear(3, 5), values(4, 3)), "vector": (nn.Linear(7, 2), values(7)), "axes": (nn.Linear(3, 4), values(2, 5, 3)),
        "no bias": (nn.Linear(6, 1, bias=False), values(3, 6)), "one feature": (nn.Linear(1, 9), values(11, 1)),
        "no rows": (nn.Linear(3, 2), values(0, 3)), "wide": (nn.Linear(33, 17), values(3, 33)),
    })
    each("Bilinear", {
        "rows": (nn.Bilinear(3, 4, 5), values(2, 3), values(2, 4)), "vectors": (nn.Bilinear(2, 3, 4), values(2), values(3)),
        "axes": (nn.Bilinear(5, 2, 3), values(3, 2, 5), values(3, 2, 2)),
        "no bias": (nn.Bilinear(3, 3, 2, bias=False), values(4, 3), values(4, 3)),
        "one output": (nn.Bilinear(4, 7, 1), values(3, 4), values(3, 7)), "ones": (nn.Bilinear(1, 1, 3), values(5, 1), values(5, 1)),
    })


def convolutions():
    images, lines = values(2, 3, 7, 6), values(2, 4, 9)
    each("Conv2d", {
        "plain": (nn.Conv2d(3, 5, 3), images), "options": (nn.Conv2d(3, 6, (3, 2), stride=(2, 1), padding=(1, 2), groups=3), images),
        "dilated": (nn.Conv2d(3, 2, 3, dilation=2, padding=2, bias=False), images), "unbatched": (nn.Conv2d(3, 4, 3), values(3, 5, 7)),
        "same": (nn.Conv2d(3, 4, 3, padding="same"), images), "same even": (nn.Conv2d(3, 2, (2, 4), padding="same"), images),
        "same dilated": (nn.Conv2d(3, 3, (4, 3), padding="same", dilation=(1, 2), groups=3), images),
        "same unbatched": (nn.Conv2d(2, 3, (2, 5), padding="same"), values(2, 5, 4)), "one pixel": (nn.Conv2d(1, 2, 1), values(1, 1, 3, 5)),
    })
    each("Conv1d", {
        "unbatched": (nn.Conv1d(4, 3, 3), values(4, 7)), "same": (nn.Conv1d(4, 3, 5, padding="same"), lines),
        "same even": (nn.Conv1d(4, 2, 4, padding="same", dilation=3), lines),
        "same unbatched": (nn.Conv1d(2, 2, 2, padding="same"), values(2, 5)),
    })
    each("ConvTranspose1d", {
        "unbatched": (nn.ConvTranspose1d(4, 3, 3, stride=2), values(4, 5)), "one": (nn.ConvTranspose1d(1, 1, 1), values(2, 1, 5)),
        "depthwise": (nn.ConvTranspose1d(4, 4, 3, groups=4, padding=1), lines),
    })
    each("ConvTranspose2d", {
        "unbatched": (nn.ConvTranspose2d(3, 2, (2, 3), stride=(1, 2)), values(3, 4, 5)),
        "dilated": (nn.ConvTranspose2d(3, 2, 3, dilation=(2, 1), padding=1), values(1, 3, 5, 4)),
        "depthwise": (nn.ConvTranspose2d(3, 6, 2, stride=2, groups=3), values(2, 3, 3, 2)),
    })


def pools():
    images, lines = values(2, 3, 7, 8), values(2, 3, 11)
    for name, pool in {"MaxPool2d": nn.MaxPool2d, "AvgPool2d": nn.AvgPool2d}.items():
        each(name, {
            "plain": (pool(2), images), "options": (pool((3, 2), stride=(2, 1), padding=(1, 0)), images),
            "unbatched": (pool(3, stride=2), values(2, 5, 7)), "ceil": (pool(2, ceil_mode=True), images),
            "ceil padded": (pool(3, stride=2, padding=1, ceil_mode=True), images),
            "ceil not square": (pool((2, 5), stride=(3, 4), padding=(0, 2), ceil_mode=True), values(1, 2, 9, 10)),
            "ceil last left out": (pool(2, stride=3, padding=1, ceil_mode=True), values(1, 1, 5, 6)),
        })
    for name, pool in {"MaxPool1d": nn.MaxPool1d, "AvgPool1d": nn.AvgPool1d}.items():
        each(name, {
            "ceil": (pool(3, ceil_mode=True), lines), "ceil padded": (pool(4, stride=3, padding=2, ceil_mode=True), lines),
            "ceil unbatched": (pool(2, stride=3, ceil_mode=True), values(3, 9)),
        })
    layer("MaxPool2d ceil dilated", nn.MaxPool2d(2, stride=2, dilation=3, ceil_mode=True), images)
    for name, pool in {"AdaptiveAvgPool2d": nn.AdaptiveAvgPool2d, "AdaptiveMaxPool2d": nn.AdaptiveMaxPool2d}.items():
        each(name, {"unbatched": (pool((2, 3)), values(3, 5, 7)), "as it is": (pool((7, 8)), images), "larger": (pool((9, 4)), images)})


def focal(x, t, alpha=0.25, gamma=2.0):
    """Lin et al., 2017, equation 5; torchvision.ops.sigmoid_focal_loss."""
    p = torch.sigmoid(x)
    p_t = p * t + (1 - p) * (1 - t)
    loss = F.binary_cross_entropy_with_logits(x, t, reduction="none") * (1 - p_t) ** gamma
    return loss if alpha < 0 else loss * (alpha * t + (1 - alpha) * (1 - t))


def dice(p, t, smooth=1.0):
    p, t = p.flatten(1), t.flatten(1)
    return 1 - (2 * (p * t).sum(1) + smooth) / (p.sum(1) + t.sum(1) + smooth)


def losses():
    reduce = {"mean": torch.mean, "sum": torch.sum, "none": lambda x: x}
    x, t = values(4, 5), (torch.rand(4, 5) < 0.3).double()
    p, mask = values(3, 2, 4, 3, low=0.05, high=0.95), (torch.rand(3, 2, 4, 3) < 0.4).double()
    for r, f in reduce.items():
        case(f"sigmoid_focal_loss plain {r}", lambda x, t: f(focal(x, t.detach())), (x, t))
        case(f"sigmoid_focal_loss gamma {r}", lambda x, t: f(focal(x, t.detach(), alpha=-1, gamma=1.5)), (x, t))
        case(f"dice_loss plain {r}", lambda p, t: f(dice(p, t.detach())), (p, mask))
        case(f"dice_loss smooth {r}", lambda p, t: f(dice(p, t.detach(), smooth=0.01)), (p[:, 0, 0], mask[:, 0, 0]))


SHAPES = {"vector": (7,), "one": (1,), "axes": (2, 1, 5), "image": (1, 3, 5, 2), "no rows": (0, 3), "number": ()}


def odd_shapes():
    for name, module in {
        "ReLU": nn.ReLU(), "Tanh": nn.Tanh(), "Sigmoid": nn.Sigmoid(), "GELU": nn.GELU(), "SiLU": nn.SiLU(), "Softplus": nn.Softplus(threshold=1e3),
        "LeakyReLU": nn.LeakyReLU(0.2), "ELU": nn.ELU(1.5), "ReLU6": nn.ReLU6(), "Hardswish": nn.Hardswish(), "Mish": nn.Mish(),
        "SELU": nn.SELU(), "LogSigmoid": nn.LogSigmoid(), "Softsign": nn.Softsign(), "Tanhshrink": nn.Tanhshrink(), "CELU": nn.CELU(2.0),
        "Hardtanh": nn.Hardtanh(-0.7, 1.3), "Hardshrink": nn.Hardshrink(0.8), "Softshrink": nn.Softshrink(0.6), "Threshold": nn.Threshold(0.2, -1.5),
        "Hardsigmoid": lambda x: F.relu6(x + 3) / 6,
    }.items():
        for label, shape in SHAPES.items():
            case(f"{name} {label}", module, (values(*shape, low=-4, high=4),))
    for label in ("vector", "axes", "number"):
        layer(f"PReLU {label}", nn.PReLU(), values(*SHAPES[label], low=-4, high=4))
    each("GLU", {"vector": (nn.GLU(), values(8)), "axes": (nn.GLU(), values(2, 1, 6)), "image": (nn.GLU(1), values(1, 4, 3, 5)), "no rows": (nn.GLU(), values(0, 4))})
    for name, kind in {"Softmax": nn.Softmax, "Softmin": nn.Softmin, "LogSoftmax": nn.LogSoftmax}.items():
        for label in ("vector", "one", "axes", "image", "no rows"):
            layer(f"{name} {label}", kind(-1), values(*SHAPES[label], low=-4, high=4))
        layer(f"{name} channels", kind(1), values(2, 3, 5))
    for label, shape in {"batch": (2, 3, 4, 5), "unbatched": (3, 4, 1), "channel": (2, 1, 3, 3), "line": (1, 7, 1, 5), "pixel": (3, 5, 1, 1), "no rows": (0, 3, 2, 2)}.items():
        layer(f"Softmax2d {label}", nn.Softmax2d(), values(*shape))
    each("AdaptiveAvgPool1d", {k: (nn.AdaptiveAvgPool1d(n), values(*s)) for k, (n, s) in LINES.items()})
    each("AdaptiveMaxPool1d", {k: (nn.AdaptiveMaxPool1d(n), values(*s)) for k, (n, s) in LINES.items()})
    each("AdaptiveAvgPool2d", {"line": (nn.AdaptiveAvgPool2d((1, 3)), values(1, 1, 1, 7))})
    each("AdaptiveMaxPool2d", {"line": (nn.AdaptiveMaxPool2d((1, 3)), values(1, 1, 1, 7)), "global": (nn.AdaptiveMaxPool2d(1), values(2, 3, 5, 7))})


LINES = {"unbatched": (4, (3, 11)), "global": (1, (2, 3, 5)), "as it is": (6, (2, 3, 6)), "larger": (9, (1, 2, 5)), "one channel": (2, (1, 1, 7))}


def norms():
    def stats(m, x):
        return m(x), m.running_mean.clone(), m.running_var.clone()

    for name, kind, shapes in (("BatchNorm1d", nn.BatchNorm1d, ((5, 3), (2, 3, 7))), ("BatchNorm2d", nn.BatchNorm2d, ((2, 3, 5, 4), (1, 3, 7, 1)))):
        for label, options, shape, training in (
            ("plain", {}, shapes[0], True), ("odd", {}, shapes[1], True), ("eps", {"eps": 0.3, "momentum": 0.7}, shapes[0], True),
            ("not affine", {"affine": False}, shapes[1], True), ("eval", {}, shapes[1], False), ("eval not affine", {"affine": False, "eps": 0.2}, shapes[0], False),
        ):
            m = kind(3, **options)
            m.running_mean.uniform_(-1, 1), m.running_var.uniform_(0.5, 2)
            layer(f"{name} {label}", m, values(*shape), call=stats if training else lambda m, x: m.eval()(x))
    each("InstanceNorm1d", {"eps": (nn.InstanceNorm1d(2, eps=0.4), values(3, 2, 5)), "one channel": (nn.InstanceNorm1d(1, affine=True), values(2, 1, 3)), "not affine": (nn.InstanceNorm1d(4), values(4, 7))})
    each("InstanceNorm2d", {"eps": (nn.InstanceNorm2d(2, eps=0.4), values(3, 2, 1, 5)), "one channel": (nn.InstanceNorm2d(1, affine=True), values(2, 1, 3, 3)), "not affine": (nn.InstanceNorm2d(4), values(4, 3, 3))})


def moves():
    each("Flatten", {"images": (nn.Flatten(), values(2, 3, 5, 1)), "rows": (nn.Flatten(), values(4, 3)), "all": (nn.Flatten(0), values(2, 3, 1)), "last": (nn.Flatten(2), values(2, 1, 3, 5)),
                     "from the end": (nn.Flatten(-2), values(1, 5, 7)), "no rows": (nn.Flatten(), values(0, 2, 3))})
    each("Unflatten", {"first": (nn.Unflatten(0, (2, 3)), values(6, 5)), "inferred": (nn.Unflatten(1, (-1, 7)), values(1, 7)), "three": (nn.Unflatten(2, (1, 5, 1)), values(2, 3, 5)), "line": (nn.Unflatten(0, (5, 3)), values(15))})
    each("PixelShuffle", {"by one": (nn.PixelShuffle(1), values(2, 3, 1, 5)), "by three": (nn.PixelShuffle(3), values(1, 18, 1, 2)), "column": (nn.PixelShuffle(2), values(1, 4, 7, 1)), "one pixel": (nn.PixelShuffle(2), values(4, 1, 1))})
    each("PixelUnshuffle", {"by one": (nn.PixelUnshuffle(1), values(2, 3, 1, 5)), "by three": (nn.PixelUnshuffle(3), values(1, 2, 3, 9)), "unbatched": (nn.PixelUnshuffle(2), values(5, 2, 4)), "row": (nn.PixelUnshuffle(2), values(1, 3, 2, 6)),
                            "one pixel": (nn.PixelUnshuffle(5), values(1, 1, 5, 5))})
    each("Upsample", {"row": (nn.Upsample(size=(3, 1), mode="bilinear"), values(1, 2, 1, 7))})


def odd_losses():
    def signs(*shape):
        return torch.where(torch.rand(shape) < 0.5, 1.0, -1.0).double()

    for label, shape in {"one": (1,), "axes": (2, 1, 5), "image": (1, 3, 5, 2)}.items():
        a, b, p, t = values(*shape), values(*shape), values(*shape, low=0.05, high=0.95), values(*shape, low=0.05, high=0.95)
        for r in ("mean", "sum", "none"):
            case(f"l1_loss {label} {r}", lambda a, b: F.l1_loss(a, b, reduction=r), (a, b))
            case(f"mse_loss {label} {r}", lambda a, b: F.mse_loss(a, b, reduction=r), (a, b))
        for name, f, inputs in (("smooth_l1_loss", F.smooth_l1_loss, (a, b)), ("huber_loss", F.huber_loss, (a, b)), ("poisson_nll_loss", F.poisson_nll_loss, (a, t)),
                                ("binary_cross_entropy", F.binary_cross_entropy, (p, t)), ("binary_cross_entropy_with_logits", F.binary_cross_entropy_with_logits, (a, t)),
                                ("kl_div", F.kl_div, (p.log(), t)), ("hinge_embedding_loss", lambda x, y: F.hinge_embedding_loss(x, y.detach()), (a, signs(*shape))),
                                ("margin_ranking_loss", lambda a, b, y: F.margin_ranking_loss(a, b, y.detach()), (a, b, signs(*shape)))):
            case(f"{name} {label}", f, inputs)


def main():
    make_nn_vectors.ARRAYS.clear()
    torch.manual_seed(23)
    bags(), linear(), convolutions(), pools(), losses()
    odd_shapes(), norms(), moves(), odd_losses()
    path = os.path.join(HERE, "nn_layers.safetensors")
    save(path, os.path.basename(__file__))
    print(f"{path}: {len(make_nn_vectors.ARRAYS)} arrays, {os.path.getsize(path)} bytes, PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()

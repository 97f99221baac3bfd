#!/usr/bin/env python3
"""Writes ops.safetensors: values and first gradients of PyTorch's ops, for tests/autograd/torch_test.cpp.

Needs PyTorch 2.9 or later and torchvision; the versions used stand in the file's metadata. Run without arguments.
Keys of a case NAME: "NAME|in0", "NAME|in1", ...; "NAME|out0", ...; "NAME|grad0", ... for every real input, being the
gradient of sum_k (out_k . seed), seed_i = (37 i mod 101) / 50 - 1. Inputs are f32 numbers in f64, so that they serve both.
"""
import json
import os
import struct
import zlib

import numpy as np
import torch
import torch.nn.functional as F
import torchvision

INF = float("inf")


class R:  # real numbers in [low, high)
    def __init__(self, *shape, low=-2.0, high=2.0):
        self.shape, self.low, self.high = shape, low, high


def I(shape, *values):  # indices
    return np.array(values, dtype=np.int64).reshape(shape)


def B(shape, *values):  # bools
    return np.array(values, dtype=bool).reshape(shape)


CASES = {}


def case(name, inputs, f):
    assert name not in CASES
    CASES[name] = (inputs, f)


def elementwise():
    # celu and hardsigmoid are written out: the gradients of F.celu and F.hardsigmoid hold 1/alpha and 1/6 as f32.
    here = {
        "sin": torch.sin, "cos": torch.cos, "sinh": torch.sinh, "cosh": torch.cosh, "atan": torch.atan,
        "asinh": torch.asinh, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "exp": torch.exp, "expm1": torch.expm1,
        "exp2": torch.exp2, "erf": torch.erf, "erfc": torch.erfc, "abs": torch.abs, "neg": torch.neg, "sign": torch.sign,
        "square": torch.square, "floor": torch.floor, "ceil": torch.ceil, "trunc": torch.trunc, "round": torch.round,
        "frac": torch.frac, "relu": F.relu, "leaky_relu": F.leaky_relu, "elu": F.elu, "gelu": F.gelu,
        "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu, "softplus": lambda x: F.softplus(x, threshold=1e3),
        "mish": F.mish, "softsign": F.softsign, "logsigmoid": F.logsigmoid, "tanhshrink": F.tanhshrink,
        "hardtanh": F.hardtanh, "hardshrink": F.hardshrink, "softshrink": F.softshrink, "selu": F.selu,
        "celu": lambda x: torch.where(x > 0, x, 1.4 * torch.expm1(x / 1.4)), "threshold": lambda x: F.threshold(x, 0.3, -1.5),
        "clamp": lambda x: torch.clamp(x, -0.7, 1.1), "pow_number": lambda x: torch.pow(x, 3.0),
    }
    for name, f in here.items():
        case(name, [R(4, 5)], f)
    for name, f in {"tan": torch.tan, "asin": torch.asin, "acos": torch.acos, "atanh": torch.atanh}.items():
        case(name, [R(4, 5, low=-0.9, high=0.9)], f)
    for name, f in {"log": torch.log, "log2": torch.log2, "log10": torch.log10, "log1p": torch.log1p, "sqrt": torch.sqrt,
                    "rsqrt": torch.rsqrt, "reciprocal": torch.reciprocal}.items():
        case(name, [R(4, 5, low=0.3, high=4)], f)
    case("acosh", [R(4, 5, low=1.2, high=5)], torch.acosh)
    for name, f in {"relu6": F.relu6, "hardsigmoid": lambda x: torch.clamp(x + 3, 0, 6) / 6, "hardswish": F.hardswish}.items():
        case(name, [R(4, 5, low=-8, high=8)], f)
    two = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "maximum": torch.maximum,
           "minimum": torch.minimum, "atan2": torch.atan2, "logaddexp": torch.logaddexp}
    for name, f in two.items():
        case(name, [R(3, 4), R(4, low=0.4, high=2)], f)
    for name, f in {"pow": torch.pow, "hypot": torch.hypot, "xlogy": torch.xlogy}.items():
        case(name, [R(3, 4, low=0.4), R(4, low=0.4)], f)
    case("fmod", [R(3, 4, low=-6, high=6), R(4, low=0.7)], torch.fmod)
    case("remainder", [R(3, 4, low=-6, high=6), R(4, low=0.7)], torch.remainder)
    case("prelu", [R(2, 3, 4), R(3, low=0.1, high=0.5)], F.prelu)
    case("glu", [R(3, 8)], F.glu)
    case("where", [R(3, 4), R(4)], lambda a, b: torch.where(a > b, a * b, b))


def along_axes():
    case("sum", [R(2, 3, 4)], lambda x: x.sum((0, 2)))
    case("mean", [R(2, 3, 4)], lambda x: x.mean((0, 2)))
    case("var", [R(2, 3, 4)], lambda x: x.var((0, 2)))
    case("std", [R(2, 3, 4)], lambda x: x.std(1))
    case("logsumexp", [R(2, 3, 4)], lambda x: x.logsumexp((1, 2)))
    case("logsumexp of infinities", [R(2, 3)], lambda x: torch.where(torch.tensor([[True], [False]]), x, -INF).logsumexp(1)[:1])
    for p in (0, 1, 2, 3, 1.5, INF, -INF):
        case(f"norm {p}", [R(2, 3, 4)], lambda x, p=p: torch.linalg.vector_norm(x, p, (1,)))
    case("norm of zero", [R(2, 3, low=0, high=1e-30)], lambda x: torch.linalg.vector_norm(x * 0, 2, 1))
    case("cosine_similarity", [R(3, 4), R(3, 4)], lambda a, b: F.cosine_similarity(a, b))
    case("normalize", [R(3, 4)], F.normalize)
    case("prod", [R(3, 4)], lambda x: x.prod(1))
    case("prod of zeros", [R(3, 4)], lambda x: (x * torch.tensor([1.0, 0, 1, 1])).prod(1))
    case("cumsum", [R(3, 4)], lambda x: x.cumsum(0))
    case("cumprod", [R(3, 4)], lambda x: x.cumprod(1))
    case("cumprod of zeros", [R(3, 5)], lambda x: (x * torch.tensor([1.0, 0, 1, 0, 1])).cumprod(1))
    case("max", [R(3, 4)], lambda x: x.max(1).values)
    case("min", [R(3, 4)], lambda x: x.min(0).values)
    case("sort", [R(3, 5)], lambda x: x.sort(1).values)
    case("sort descending", [R(5, 3)], lambda x: x.sort(0, descending=True).values)
    case("topk", [R(3, 9)], lambda x: x.topk(2).values)
    case("kthvalue", [R(3, 5)], lambda x: x.kthvalue(2).values)
    case("median", [R(3, 4)], lambda x: x.median(1).values)
    case("softmax", [R(2, 3, 4)], lambda x: x.softmax(1))
    case("log_softmax", [R(3, 4)], lambda x: x.log_softmax(1))


def arranged():
    case("pad constant", [R(2, 3, 4)], lambda x: F.pad(x, (1, 2, 0, 3), value=1.5))
    case("pad negative", [R(3, 5)], lambda x: F.pad(x, (-1, 2, 0, -1)))
    case("pad reflect", [R(1, 2, 3, 4)], lambda x: F.pad(x, (1, 2, 2, 1), mode="reflect"))
    case("pad replicate", [R(1, 2, 3, 4)], lambda x: F.pad(x, (3, 2, 1, 4), mode="replicate"))
    case("pad circular", [R(1, 2, 3, 4)], lambda x: F.pad(x, (4, 2, 1, 3), mode="circular"))
    case("flip", [R(2, 3, 4)], lambda x: x.flip((0, 2)))
    case("roll", [R(3, 5)], lambda x: x.roll((2, -7), (0, 1)))
    case("tril", [R(2, 3, 4)], lambda x: x.tril(1))
    case("triu", [R(2, 4, 3)], lambda x: x.triu(-1))
    case("diagonal", [R(3, 2, 4)], lambda x: x.diagonal(1, 0, 2))
    case("diagonal swapped", [R(3, 2, 4)], lambda x: x.diagonal(1, 2, 0))
    case("diag_embed", [R(2, 3)], lambda x: x.diag_embed(-1))
    case("repeat", [R(2, 3)], lambda x: x.repeat(2, 1, 3))
    case("repeat_interleave", [R(2, 3)], lambda x: x.repeat_interleave(3, 1))
    case("chunk", [R(7, 2)], lambda x: x.chunk(3))
    case("unbind", [R(3, 2)], lambda x: x.unbind(1))
    case("movedim", [R(2, 3, 4)], lambda x: x.movedim(0, 2))
    case("index_select", [R(3, 4), I((5,), 2, 0, 0, 2, 1)], lambda x, i: x.index_select(0, i))
    case("index_add", [R(3, 2), I((4,), 2, 0, 0, 2), R(4, 2)], lambda x, i, s: x.index_add(0, i, s))
    case("take", [R(3, 4), I((2, 3), 11, 0, 5, 5, 7, 2)], torch.take)
    case("take_along_dim", [R(3, 4), I((1, 2), 3, 1)], lambda x, i: torch.take_along_dim(x, i, 1))
    case("gather", [R(2, 3), I((2, 4), 0, 0, 2, 1, 1, 2, 2, 2)], lambda x, i: x.gather(1, i))
    case("masked_fill", [R(2, 3), B((3,), 1, 0, 1)], lambda x, m: x.masked_fill(m, 7.0))
    case("masked_select", [R(2, 3), B((3,), 1, 0, 1)], torch.masked_select)
    case("embedding", [R(4, 3), I((2, 3), 0, 3, 3, 1, 0, 3)], lambda w, i: F.embedding(i, w))


def products():
    case("matmul", [R(2, 1, 3, 4), R(5, 4, 2)], torch.matmul)
    case("linear", [R(2, 3, 4), R(5, 4), R(5)], F.linear)
    case("outer", [R(3), R(4)], torch.outer)
    case("dot", [R(5), R(5)], torch.dot)
    for text, shapes in {"ij,jk->ik": [(3, 4), (4, 2)], "ij,jk": [(3, 4), (4, 2)], "ii->i": [(3, 3)], "ii": [(3, 3)],
                         "bqhd,bkhd->bhqk": [(2, 3, 2, 4), (2, 5, 2, 4)], "bi,oij,bj->bo": [(2, 3), (4, 3, 2), (2, 2)],
                         "abc,bd->ad": [(2, 3, 2), (3, 2)], "ji,j->i": [(3, 4), (3,)], "iij->j": [(3, 3, 2)]}.items():
        case("einsum " + text, [R(*s) for s in shapes], lambda *x, text=text: torch.einsum(text, *x))
    q, k, v = R(2, 3, 4), R(2, 5, 4), R(2, 5, 3)
    sdpa = F.scaled_dot_product_attention
    case("attention", [q, k, v], sdpa)
    case("attention causal", [q, k, v], lambda *x: sdpa(*x, is_causal=True))
    case("attention masked", [q, k, v, B((3, 5), 1, 0, 1, 1, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1)], lambda a, b, c, m: sdpa(a, b, c, attn_mask=m))
    case("attention added", [q, k, v, R(3, 5)], lambda a, b, c, m: sdpa(a, b, c, attn_mask=m))


def images():
    case("conv2d", [R(2, 4, 6, 5), R(6, 2, 3, 2), R(6)],
         lambda x, w, b: F.conv2d(x, w, b, stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2))
    case("conv1d", [R(2, 4, 9), R(6, 2, 3), R(6)], lambda x, w, b: F.conv1d(x, w, b, stride=2, padding=1, dilation=2, groups=2))
    case("conv_transpose2d", [R(1, 4, 3, 2), R(4, 3, 3, 2), R(6)],
         lambda x, w, b: F.conv_transpose2d(x, w, b, stride=(2, 3), padding=(1, 0), output_padding=(1, 2), groups=2, dilation=(2, 1)))
    case("conv_transpose1d", [R(2, 2, 4), R(2, 3, 3), R(3)], lambda x, w, b: F.conv_transpose1d(x, w, b, stride=2, padding=1, output_padding=1))
    case("max_pool2d", [R(2, 2, 5, 6)], lambda x: F.max_pool2d(x, 3, 2, 1))
    case("avg_pool2d", [R(2, 2, 5, 6)], lambda x: F.avg_pool2d(x, 3, 2, 1))
    case("adaptive_avg_pool2d", [R(2, 2, 5, 7)], lambda x: F.adaptive_avg_pool2d(x, (3, 4)))
    case("adaptive_max_pool2d", [R(2, 2, 5, 7)], lambda x: F.adaptive_max_pool2d(x, (3, 4)))
    for label, size in {"larger": (7, 6), "smaller": (2, 3)}.items():
        case(f"interpolate nearest, {label}", [R(1, 2, 3, 4)], lambda x, s=size: F.interpolate(x, size=s, mode="nearest"))
        for mode in ("bilinear", "bicubic"):
            for corners in (False, True):
                case(f"interpolate {mode}{' corners' if corners else ''}, {label}", [R(1, 2, 3, 4)],
                     lambda x, s=size, m=mode, c=corners: F.interpolate(x, size=s, mode=m, align_corners=c))


def layers():
    case("layer_norm", [R(2, 3, 4), R(3, 4), R(3, 4)], lambda x, w, b: F.layer_norm(x, (3, 4), w, b))
    case("rms_norm", [R(3, 4), R(4)], lambda x, w: F.rms_norm(x, (4,), w, 1e-6))
    case("group_norm", [R(2, 4, 2, 3), R(4), R(4)], lambda x, w, b: F.group_norm(x, 2, w, b))
    case("instance_norm", [R(2, 2, 2, 3), R(2), R(2)], lambda x, w, b: F.instance_norm(x, weight=w, bias=b))
    case("batch_norm", [R(4, 3, 2), R(3), R(3)], lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True))
    case("cross_entropy", [R(4, 3), I((4,), 2, 0, 1, 2)], F.cross_entropy)
    case("mse_loss", [R(4, 3), R(4, 3)], F.mse_loss)
    state = [R(2, 4), R(2, 3), R(2, 3)]
    weights = lambda g: [R(g * 3, 4, low=-1, high=1), R(g * 3, 3, low=-1, high=1), R(g * 3, low=-1, high=1), R(g * 3, low=-1, high=1)]
    case("lstm_cell", state + weights(4), lambda x, h, c, *w: torch.lstm_cell(x, (h, c), *w))
    case("gru_cell", state[:2] + weights(3), lambda x, h, *w: torch.gru_cell(x, h, *w))
    case("rnn_cell", state[:2] + weights(1), lambda x, h, *w: torch.rnn_tanh_cell(x, h, *w))


def linear_algebra():
    regular = lambda a: a + 6 * torch.eye(a.shape[-1])
    case("solve", [R(2, 3, 3), R(2, 3, 2)], lambda a, b: torch.linalg.solve(regular(a), b))
    case("inverse", [R(2, 3, 3)], lambda a: torch.linalg.inv(regular(a)))
    case("det", [R(2, 3, 3)], lambda a: torch.linalg.det(regular(a)))
    case("cholesky", [R(2, 3, 3)], lambda a: torch.linalg.cholesky(a @ a.mT + torch.eye(3)))
    for label, shape in {"high": (4, 2), "wide": (2, 3)}.items():
        case("svd " + label, [R(*shape)], lambda a: [t if t.dim() == 1 else t.square() for t in torch.linalg.svd(a, full_matrices=False)])
    case("lerp", [R(3, 2), R(3, 2), R(2)], torch.lerp)
    case("addmm", [R(4), R(2, 3), R(3, 4)], lambda x, a, b: torch.addmm(x, a, b, beta=0.5, alpha=2))
    case("trace", [R(3, 5)], torch.trace)
    case("cdist", [R(3, 2), R(4, 2, low=3, high=5)], torch.cdist)
    case("amax", [R(3, 4, 2)], lambda x: x.amax((0, -1)))
    case("amin", [R(3, 4)], lambda x: x.amin(1, keepdim=True))
    case("nan_to_num", [R(3, 4)], lambda x: x.nan_to_num() * x)
    case("logcumsumexp", [R(3, 5, low=-8, high=8)], lambda x: x.logcumsumexp(1))
    case("logcumsumexp of infinities", [R(4, 3)], lambda x: torch.where(torch.tensor([[True], [True], [False], [True]]), -INF, x).logcumsumexp(0)[2:])


def vision():
    options = dict(dilation=(2, 1), padding=(1, 2), stride=(1, 3))
    case("unfold", [R(2, 2, 3, 4)], lambda x: F.unfold(x, 2))
    case("unfold options", [R(1, 2, 5, 6)], lambda x: F.unfold(x, (2, 3), **options))
    case("fold", [R(2, 8, 6)], lambda x: F.fold(x, (3, 4), 2))
    case("fold options", [R(1, 12, 15)], lambda x: F.fold(x, (5, 6), (2, 3), **options))
    for mode in ("bilinear", "nearest"):
        for padding in ("zeros", "border", "reflection"):
            for corners in (False, True):
                case(f"grid_sample {mode} {padding}{' corners' if corners else ''}", [R(2, 2, 3, 4), R(2, 2, 5, 2, low=-3, high=3)],
                     lambda x, g, m=mode, p=padding, c=corners: F.grid_sample(x, g, mode=m, padding_mode=p, align_corners=c))
    for corners in (False, True):
        case(f"affine_grid{' corners' if corners else ''}", [R(2, 2, 3)], lambda t, c=corners: F.affine_grid(t, [2, 1, 3, 4], align_corners=c))
    boxes = torch.tensor([[0, 0.3, 0.2, 3.1, 2.7], [1, -1.4, 1.1, 2.2, 6.8], [1, 2.1, 2.2, 2.4, 2.9], [0, 3, 3, 1, 1], [0, 20, 20, 30, 30]])
    for label, o in {"": {}, " ratio": dict(sampling_ratio=2), " aligned": dict(sampling_ratio=2, aligned=True),
                     " scaled": dict(spatial_scale=0.5, aligned=True), " small": dict(spatial_scale=0.25, sampling_ratio=3)}.items():
        case("roi_align" + label, [R(2, 3, 5, 6)], lambda x, o=o: torchvision.ops.roi_align(x, boxes, (2, 3), **o))
    corners_of = lambda x: torch.cat([x[:, :2], x[:, :2] + x[:, 2:].abs()], 1)
    case("box_iou", [R(5, 4), R(7, 4)], lambda a, b: torchvision.ops.box_iou(corners_of(a), corners_of(b)))
    for threshold in (0.0, 0.3, 0.8):
        case(f"nms {threshold}", [R(24, 4), R(24)], lambda x, s, t=threshold: torchvision.ops.nms(corners_of(x), s, t).double())


def save_safetensors(path, arrays, metadata):
    names = {"float64": "F64", "int64": "I64", "bool": "BOOL"}
    header, data, at = {"__metadata__": metadata}, [], 0
    for name, a in sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0])):
        a = np.asarray(a, order="C")
        header[name] = {"dtype": names[str(a.dtype)], "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
        data.append(a.tobytes())
        at += a.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(data))


def main():
    torch.set_default_dtype(torch.float64)
    for family in (elementwise, along_axes, arranged, products, images, layers, linear_algebra, vision):
        family()
    arrays = {}
    for name, (specs, f) in CASES.items():
        r = np.random.default_rng(zlib.crc32(name.encode()))
        inputs, leaves = [], []
        for k, s in enumerate(specs):
            a = r.uniform(s.low, s.high, s.shape).astype(np.float32).astype(np.float64) if isinstance(s, R) else s
            arrays[f"{name}|in{k}"] = a
            inputs.append(torch.tensor(a, requires_grad=isinstance(s, R)))
            if isinstance(s, R):
                leaves.append((k, inputs[-1]))
        outputs = f(*inputs)
        outputs = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)
        total = 0
        for k, y in enumerate(outputs):
            arrays[f"{name}|out{k}"] = y.detach().numpy().copy()
            seed = torch.tensor([(37 * i % 101) / 50 - 1 for i in range(y.numel())]).reshape(y.shape)
            total = total + (y * seed).sum()
        grads = torch.autograd.grad(total, [t for _, t in leaves], allow_unused=True) if total.requires_grad else [None] * len(leaves)
        for (k, t), g in zip(leaves, grads):
            arrays[f"{name}|grad{k}"] = (torch.zeros_like(t) if g is None else g).numpy().copy()
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ops.safetensors")
    save_safetensors(path, arrays, {"torch": torch.__version__, "torchvision": torchvision.__version__})
    print(len(CASES), "cases,", os.path.getsize(path), "bytes")


main()

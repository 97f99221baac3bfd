#!/usr/bin/env python3
"""Writes nn.safetensors: what PyTorch's layers and losses return and what gradients they leave, for
tests/nn/torch_*_test.cpp; and nn_encoder_post.safetensors, nn_encoder_pre.safetensors and nn_decoder_layer.safetensors,
state_dicts as PyTorch users save them, in f32.

Needs PyTorch and safetensors; PyTorch's version stands in the metadata. Run without arguments. Everything in nn.safetensors
is f64, or i64 or bool. Keys of a case: "CASE|in0", ...; "CASE|param|NAME" for each entry of the state_dict; "CASE|out0",
...; "CASE|seed0", ...: the gradient of the outputs that backward() starts from; "CASE|grad0", ... of inputs that are not
constants; and "CASE|grad|NAME" of parameters. The cases of one layer differ in their options, which stand in the test under
the same name.
"""
import os

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import nn


HERE = os.path.dirname(os.path.abspath(__file__))
ARRAYS = {}
torch.manual_seed(11)


def values(*shape, low=-2.0, high=2.0):
    return torch.empty(shape, dtype=torch.float64).uniform_(low, high)


def labels(high, *shape):
    return torch.randint(0, high, shape)


def keep(name, tensor):
    ARRAYS[name] = tensor.detach().numpy().copy()


def case(name, call, inputs, module=None):
    """`call(*inputs)` gives a tensor or several; real inputs and the parameters of `module` get gradients."""
    if module is not None:
        module.double().train()
        for p in module.parameters():
            p.data.uniform_(-0.8, 0.8)
        for key, t in module.state_dict().items():
            keep(f"{name}|param|{key}", t)
    leaves = [t.clone().requires_grad_() if t.is_floating_point() else t for t in inputs]
    out = call(*leaves)
    outs = out if isinstance(out, tuple) else (out,)
    total = 0
    for i, t in enumerate(inputs):
        keep(f"{name}|in{i}", t)
    for i, t in enumerate(outs):
        seed = values(*t.shape, low=-1, high=1)
        total = total + (t * seed).sum()
        keep(f"{name}|out{i}", t)
        keep(f"{name}|seed{i}", seed)
    total.backward()
    for i, t in enumerate(leaves):
        if t.is_floating_point() and t.grad is not None:
            keep(f"{name}|grad{i}", t.grad)
    if module is not None:
        for key, p in module.named_parameters():
            keep(f"{name}|grad|{key}", p.grad if p.grad is not None else torch.zeros_like(p))


def layer(name, module, *inputs, call=None):
    case(name, (lambda *x: call(module, *x)) if call else module, inputs, module)


def norms():
    x = values(3, 5, 7)
    layer("LayerNorm last axis", nn.LayerNorm(7), x)
    layer("LayerNorm two axes", nn.LayerNorm((5, 7)), x)
    layer("LayerNorm no bias", nn.LayerNorm(7, bias=False), values(2, 7))
    layer("LayerNorm not affine", nn.LayerNorm(7, elementwise_affine=False), x)
    layer("LayerNorm eps", nn.LayerNorm(7, eps=0.5), x)
    layer("LayerNorm vector", nn.LayerNorm(7), values(7))
    layer("RMSNorm last axis", nn.RMSNorm(7), x)
    layer("RMSNorm two axes", nn.RMSNorm((5, 7)), x)
    layer("RMSNorm not affine", nn.RMSNorm(7, elementwise_affine=False), x)
    layer("RMSNorm eps", nn.RMSNorm(7, eps=0.25), x)
    layer("RMSNorm one feature", nn.RMSNorm(1, eps=0.5), values(3, 1))
    layer("RMSNorm vector", nn.RMSNorm(7), values(7))
    layer("GroupNorm 2 of 6", nn.GroupNorm(2, 6), values(3, 6, 5))
    layer("GroupNorm one group", nn.GroupNorm(1, 3), values(2, 3, 2, 5))
    layer("GroupNorm each channel", nn.GroupNorm(4, 4), values(2, 4, 7))
    layer("GroupNorm not affine", nn.GroupNorm(3, 6, affine=False), values(2, 6, 3))
    layer("GroupNorm eps", nn.GroupNorm(2, 4, eps=0.3), values(1, 4, 3, 3))
    layer("GroupNorm rows", nn.GroupNorm(2, 6), values(5, 6))
    layer("InstanceNorm1d plain", nn.InstanceNorm1d(3), values(2, 3, 7))
    layer("InstanceNorm1d affine", nn.InstanceNorm1d(3, affine=True), values(4, 3, 5))
    layer("InstanceNorm1d unbatched", nn.InstanceNorm1d(3, affine=True, eps=0.1), values(3, 5))
    layer("InstanceNorm2d plain", nn.InstanceNorm2d(3), values(2, 3, 5, 3))
    layer("InstanceNorm2d affine", nn.InstanceNorm2d(2, affine=True), values(1, 2, 3, 7))
    layer("InstanceNorm2d unbatched", nn.InstanceNorm2d(2, affine=True, eps=0.1), values(2, 3, 5))


def activations():
    x = values(3, 7, low=-4, high=4)
    for name, module in {
        "ReLU6": nn.ReLU6(), "Hardswish": nn.Hardswish(), "Mish": nn.Mish(),
        "SELU": nn.SELU(), "LogSigmoid": nn.LogSigmoid(), "Softsign": nn.Softsign(), "Tanhshrink": nn.Tanhshrink(),
        "CELU": nn.CELU(2.0), "Hardtanh": nn.Hardtanh(-0.7, 1.3), "Hardshrink": nn.Hardshrink(0.8),
        "Softshrink": nn.Softshrink(0.6), "Threshold": nn.Threshold(0.2, -1.5), "GELU": nn.GELU(),
        "GELU tanh": nn.GELU(approximate="tanh"), "PReLU": nn.PReLU(), "PReLU channels": nn.PReLU(7),
    }.items():
        layer(name, module, x)
    # PyTorch's kernels round 1 / 6 and CELU's 1 / alpha to f32 in the gradient: the definition, and an alpha that is exact.
    case("Hardsigmoid", lambda x: F.relu6(x + 3) / 6, (x,))
    layer("GLU", nn.GLU(), values(3, 8))
    layer("GLU axis 1", nn.GLU(1), values(2, 6, 3))
    layer("PReLU images", nn.PReLU(3), values(2, 3, 2, 5))


def shapes_and_pools():
    images, lines = values(2, 3, 7, 5), values(2, 3, 11)
    layer("Unflatten", nn.Unflatten(1, (3, -1)), values(2, 12, 5))
    layer("Unflatten last", nn.Unflatten(-1, (2, 3)), values(2, 6))
    layer("PixelShuffle", nn.PixelShuffle(2), values(2, 8, 3, 5))
    layer("PixelShuffle unbatched", nn.PixelShuffle(3), values(9, 2, 3))
    layer("PixelUnshuffle", nn.PixelUnshuffle(2), values(2, 2, 6, 4))
    layer("Upsample nearest", nn.Upsample(scale_factor=2), images)
    layer("Upsample size", nn.Upsample(size=(5, 9)), images)
    layer("Upsample bilinear", nn.Upsample(scale_factor=3, mode="bilinear"), images)
    layer("Upsample bilinear corners", nn.Upsample(size=(9, 4), mode="bilinear", align_corners=True), images)
    layer("Upsample bicubic", nn.Upsample(size=(9, 8), mode="bicubic"), images)
    layer("MaxPool1d", nn.MaxPool1d(3), lines)
    layer("MaxPool1d options", nn.MaxPool1d(3, stride=2, padding=1, dilation=2), lines)
    layer("MaxPool1d unbatched", nn.MaxPool1d(2, stride=3), values(3, 10))
    layer("AvgPool1d", nn.AvgPool1d(4), lines)
    layer("AvgPool1d options", nn.AvgPool1d(3, stride=2, padding=1), lines)
    layer("AvgPool1d unbatched", nn.AvgPool1d(2, stride=1), values(3, 7))
    layer("AdaptiveAvgPool1d", nn.AdaptiveAvgPool1d(4), lines)
    layer("AdaptiveMaxPool1d", nn.AdaptiveMaxPool1d(5), lines)
    layer("AdaptiveAvgPool2d", nn.AdaptiveAvgPool2d((3, 2)), images)
    layer("AdaptiveAvgPool2d global", nn.AdaptiveAvgPool2d(1), images)
    layer("AdaptiveMaxPool2d", nn.AdaptiveMaxPool2d((2, 3)), images)


def convolutions():
    layer("Conv1d", nn.Conv1d(3, 5, 3), values(2, 3, 11))
    layer("Conv1d options", nn.Conv1d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2), values(3, 4, 13))
    layer("Conv1d no bias", nn.Conv1d(2, 3, 1, bias=False), values(2, 2, 5))
    layer("Conv1d depthwise", nn.Conv1d(3, 3, 5, padding=2, groups=3), values(1, 3, 7))
    layer("Conv1d one sample", nn.Conv1d(1, 1, 4, stride=3), values(1, 1, 10))
    layer("Conv1d wide", nn.Conv1d(3, 2, 7, padding=3), values(2, 3, 5))
    layer("ConvTranspose1d", nn.ConvTranspose1d(3, 5, 3), values(2, 3, 7))
    options = {"stride": 3, "padding": 1, "output_padding": 2, "groups": 2, "dilation": 2}
    layer("ConvTranspose1d options", nn.ConvTranspose1d(4, 6, 3, **options), values(2, 4, 5))
    layer("ConvTranspose1d no bias", nn.ConvTranspose1d(2, 3, 2, stride=2, bias=False), values(1, 2, 5))
    layer("ConvTranspose2d", nn.ConvTranspose2d(3, 2, 3), values(2, 3, 4, 5))
    both = nn.ConvTranspose2d(4, 6, (3, 2), stride=(2, 3), padding=(1, 0), output_padding=(1, 2), groups=2)
    layer("ConvTranspose2d options", both, values(2, 4, 3, 5))
    layer("ConvTranspose2d no bias", nn.ConvTranspose2d(1, 2, 2, stride=2, bias=False), values(1, 1, 3, 3))


def embeddings():
    index = labels(7, 2, 5)
    index[0, 1] = 3
    layer("Embedding", nn.Embedding(7, 3), index)
    layer("Embedding padding", nn.Embedding(7, 3, padding_idx=3), index)
    layer("Embedding padding from the end", nn.Embedding(7, 4, padding_idx=-4), index)


def attention():
    def run(m, q, k, v, **masks):
        return m(q, k, v, need_weights=False, **masks)[0]

    def mha(name, heads, q, k, v, call=run, masks=(), batch_first=True, **options):
        m = nn.MultiheadAttention(q.shape[-1], heads, batch_first=batch_first, **options)
        layer("MultiheadAttention " + name, m, q, k, v, *masks, call=call)

    x, q, k, v = values(3, 5, 6), values(3, 4, 6), values(3, 7, 6), values(3, 7, 6)
    causal = nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64)
    padding = torch.zeros(3, 7, dtype=torch.bool)
    padding[0, 5:] = padding[2, 2:] = padding[1, 0] = True
    hidden = torch.rand(4, 7) < 0.3
    hidden[:, 3] = False
    each = torch.rand(6, 4, 7) < 0.3
    each[:, :, 2] = False
    self_call = lambda m, x: m(x, x, x, need_weights=False)[0]  # noqa: E731
    layer("MultiheadAttention self", nn.MultiheadAttention(6, 2, batch_first=True), x, call=self_call)
    layer("MultiheadAttention time first", nn.MultiheadAttention(6, 3), values(5, 2, 6), call=self_call)
    layer("MultiheadAttention unbatched", nn.MultiheadAttention(6, 2, batch_first=True), values(5, 6), call=self_call)
    layer("MultiheadAttention causal", nn.MultiheadAttention(6, 2, batch_first=True), x,
          call=lambda m, x: m(x, x, x, attn_mask=causal, is_causal=True, need_weights=False)[0])
    mha("cross", 2, q, k, v)
    mha("no bias", 1, q, k, v, bias=False)
    mha("kdim vdim", 2, q, values(3, 7, 5), values(3, 7, 4), kdim=5, vdim=4)
    mha("time first cross", 2, values(4, 3, 6), values(7, 3, 6), values(7, 3, 6), batch_first=False)
    mha("padding", 2, q, k, v, masks=(padding,), call=lambda m, q, k, v, p: run(m, q, k, v, key_padding_mask=p))
    mha("hidden", 2, q, k, v, masks=(hidden,), call=lambda m, q, k, v, a: run(m, q, k, v, attn_mask=a))
    mha("hidden for each head", 2, q, k, v, masks=(each,), call=lambda m, q, k, v, a: run(m, q, k, v, attn_mask=a))
    mha("added", 3, q, k, v, masks=(values(4, 7),), call=lambda m, q, k, v, a: run(m, q, k, v, attn_mask=a))
    mha("padding and hidden", 2, q, k, v, masks=(padding & ~padding[:, 3:4], hidden & False | (torch.arange(7) == 6)),
        call=lambda m, q, k, v, p, a: run(m, q, k, v, key_padding_mask=p, attn_mask=a))
    mha("added padding", 2, q, k, v, masks=(values(3, 7), values(4, 7)),
        call=lambda m, q, k, v, p, a: run(m, q, k, v, key_padding_mask=p, attn_mask=a))
    mha("weights", 2, q, k, v, call=lambda m, q, k, v: m(q, k, v))
    mha("weights of each head", 2, q, k, v, masks=(padding,),
        call=lambda m, q, k, v, p: m(q, k, v, key_padding_mask=p, average_attn_weights=False))
    mha("weights unbatched", 3, values(4, 6), values(5, 6), values(5, 6), call=lambda m, q, k, v: m(q, k, v))


def transformers():
    hidden = torch.ones(5, 5, dtype=torch.bool).triu(1)
    padding = torch.zeros(2, 5, dtype=torch.bool)
    padding[1, 3:] = True
    o = {"dropout": 0.0, "dim_feedforward": 10}
    E, D = nn.TransformerEncoderLayer, nn.TransformerDecoderLayer
    src, tgt, memory = values(2, 5, 6), values(2, 5, 6), values(2, 3, 6)
    layer("TransformerEncoderLayer post", E(6, 2, batch_first=True, **o), src)
    layer("TransformerEncoderLayer pre", E(6, 2, batch_first=True, norm_first=True, **o), src)
    layer("TransformerEncoderLayer gelu", E(6, 3, activation="gelu", **o), values(5, 2, 6))
    layer("TransformerEncoderLayer no bias", E(6, 1, bias=False, layer_norm_eps=1e-3, batch_first=True, **o), src)
    layer("TransformerEncoderLayer masks", E(6, 2, batch_first=True, **o), src, padding,
          call=lambda m, x, p: m(x, src_mask=hidden, src_key_padding_mask=p))
    layer("TransformerEncoderLayer unbatched", E(6, 2, batch_first=True, norm_first=True, **o), values(5, 6))
    encoder = nn.TransformerEncoder(E(6, 2, batch_first=True, **o), 2, enable_nested_tensor=False)
    layer("TransformerEncoder", encoder, src)
    encoder = nn.TransformerEncoder(E(6, 2, batch_first=True, norm_first=True, **o), 2, nn.LayerNorm(6),
                                    enable_nested_tensor=False)
    layer("TransformerEncoder norm", encoder, src, padding,
          call=lambda m, x, p: m(x, src_key_padding_mask=p))
    layer("TransformerDecoderLayer post", D(6, 2, batch_first=True, **o), tgt, memory)
    layer("TransformerDecoderLayer pre", D(6, 2, batch_first=True, norm_first=True, **o), tgt, memory)
    layer("TransformerDecoderLayer time first", D(6, 3, activation="gelu", bias=False, **o), values(5, 2, 6),
          values(4, 2, 6))
    layer("TransformerDecoderLayer masks", D(6, 2, batch_first=True, **o), tgt, values(2, 5, 6), padding,
          call=lambda m, x, y, p: m(x, y, tgt_mask=hidden, memory_key_padding_mask=p))
    layer("TransformerDecoder", nn.TransformerDecoder(D(6, 2, batch_first=True, **o), 2, nn.LayerNorm(6)), tgt, memory)


REDUCTIONS = ("mean", "sum", "none")


def losses():
    def each(name, function, *inputs, reductions=REDUCTIONS):
        for r in reductions:
            case(f"{name} {r}", lambda *x: function(*x, reduction=r), inputs)

    x, y = values(5, 7), labels(7, 5)
    w = values(7, low=0.2, high=2)
    ignored = y.clone()
    ignored[1] = ignored[3] = -100
    pixels, classes = values(2, 3, 4, 5), labels(3, 2, 4, 5)
    classes[0, 1] = -1
    soft = torch.softmax(values(5, 7), 1)
    CE, NLL = F.cross_entropy, F.nll_loss
    each("cross_entropy plain", CE, x, y)
    each("cross_entropy weight", lambda x, y, w, **o: CE(x, y, weight=w.detach(), **o), x, y, w)
    each("cross_entropy ignored", CE, x, ignored)
    each("cross_entropy smoothing", lambda x, y, **o: CE(x, y, label_smoothing=0.1, **o), x, y)
    each("cross_entropy all", lambda x, y, w, **o: CE(x, y, weight=w.detach(), label_smoothing=0.2, **o), x, ignored, w)
    each("cross_entropy pixels", lambda x, y, **o: CE(x, y, ignore_index=-1, label_smoothing=0.3, **o), pixels, classes)
    each("cross_entropy soft", CE, x, soft)
    each("cross_entropy soft all", lambda x, p, w, **o: CE(x, p, weight=w.detach(), label_smoothing=0.1, **o), x, soft, w)
    each("cross_entropy soft pixels", CE, pixels, torch.softmax(values(2, 3, 4, 5), 1))
    log_p = torch.log_softmax(x, 1)
    each("nll_loss plain", NLL, log_p, y)
    each("nll_loss all", lambda x, y, w, **o: NLL(x, y, weight=w.detach(), **o), log_p, ignored, w)
    each("nll_loss pixels", lambda x, y, **o: NLL(x, y, ignore_index=-1, **o), pixels, classes)
    case("nll_loss one", NLL, (values(4), torch.tensor(2)))
    p, t, v = values(4, 5, low=0.01, high=0.99), values(4, 5, low=0, high=1), values(4, 5, low=0.1, high=2)
    each("binary_cross_entropy plain", F.binary_cross_entropy, p, t)
    each("binary_cross_entropy weight", lambda p, t, w, **o: F.binary_cross_entropy(p, t, weight=w.detach(), **o), p, t, v)
    BL, logits = F.binary_cross_entropy_with_logits, values(4, 5, low=-6, high=6)
    each("binary_cross_entropy_with_logits plain", BL, logits, t)
    each("binary_cross_entropy_with_logits weights",
         lambda x, t, w, v, **o: BL(x, t, weight=w.detach(), pos_weight=v.detach(), **o), logits, t, v,
         values(5, low=0.2, high=3))
    a, b = values(4, 5), values(4, 5)
    each("l1_loss", F.l1_loss, a, b)
    each("smooth_l1_loss plain", F.smooth_l1_loss, a, b)
    each("smooth_l1_loss beta", lambda a, b, **o: F.smooth_l1_loss(a, b, beta=0.3, **o), a, b)
    each("smooth_l1_loss zero", lambda a, b, **o: F.smooth_l1_loss(a, b, beta=0.0, **o), a, b)
    each("huber_loss plain", F.huber_loss, a, b)
    each("huber_loss delta", lambda a, b, **o: F.huber_loss(a, b, delta=0.4, **o), a, b)
    lp, lq = torch.log_softmax(values(4, 5), 1), torch.log_softmax(values(4, 5), 1)
    each("kl_div plain", F.kl_div, lp, lq.exp(), reductions=REDUCTIONS + ("batchmean",))
    each("kl_div log_target", lambda p, q, **o: F.kl_div(p, q, log_target=True, **o), lp, lq)
    each("gaussian_nll_loss plain", F.gaussian_nll_loss, a, b, v)
    each("gaussian_nll_loss full", lambda a, b, v, **o: F.gaussian_nll_loss(a, b, v, full=True, eps=0.5, **o), a, b, v)
    each("gaussian_nll_loss rows", F.gaussian_nll_loss, a, b, values(4, 1, low=0.1, high=2))
    counts = labels(6, 4, 5).double() + 0.25
    each("poisson_nll_loss log", F.poisson_nll_loss, a, counts)
    each("poisson_nll_loss rate", lambda a, t, **o: F.poisson_nll_loss(a, t, log_input=False, full=True, **o), v, counts)
    sign = torch.where(torch.rand(4, 5) < 0.5, 1.0, -1.0).double()
    each("hinge_embedding_loss plain", lambda x, y, **o: F.hinge_embedding_loss(x, y.detach(), **o), a, sign)
    each("hinge_embedding_loss margin", lambda x, y, **o: F.hinge_embedding_loss(x, y.detach(), margin=0.3, **o), a, sign)
    each("margin_ranking_loss plain", F.margin_ranking_loss, a, b, sign)
    each("margin_ranking_loss margin", lambda a, b, y, **o: F.margin_ranking_loss(a, b, y, margin=0.7, **o), a, b, sign)
    one = torch.tensor([1.0, -1.0, -1.0, 1.0]).double()
    each("cosine_embedding_loss plain", lambda a, b, y, **o: F.cosine_embedding_loss(a, b, y.detach(), **o), a, b, one)
    each("cosine_embedding_loss margin", lambda a, b, y, **o: F.cosine_embedding_loss(a, b, y.detach(), margin=0.2, **o),
         a, a * 0.3 + b * 0.2, one)
    n = values(4, 5)
    each("triplet_margin_loss plain", F.triplet_margin_loss, a, b, n)
    each("triplet_margin_loss p", lambda a, b, n, **o: F.triplet_margin_loss(a, b, n, margin=2.5, p=3, **o), a, b, n)
    each("triplet_margin_loss swap", lambda a, b, n, **o: F.triplet_margin_loss(a, b, n, margin=3.0, p=1, swap=True, **o),
         a, b, n)
    each("multi_margin_loss plain", F.multi_margin_loss, x, y)
    each("multi_margin_loss all", lambda x, y, w, **o: F.multi_margin_loss(x, y, p=2, margin=0.6, weight=w.detach(), **o),
         x, y, w)


def files():
    """state_dicts in f32, as a user saves them; the inputs and what PyTorch predicts in eval mode are in nn.safetensors."""
    E, o = nn.TransformerEncoderLayer, {"dim_feedforward": 24, "batch_first": True}
    models = {
        "nn_encoder_post": (nn.TransformerEncoder(E(16, 4, **o), 2, enable_nested_tensor=False), (values(2, 7, 16),)),
        "nn_encoder_pre": (
            nn.TransformerEncoder(E(16, 4, norm_first=True, activation="gelu", **o), 2, nn.LayerNorm(16),
                                  enable_nested_tensor=False), (values(2, 7, 16),)),
        "nn_decoder_layer": (nn.TransformerDecoderLayer(16, 4, **o), (values(2, 5, 16), values(2, 7, 16))),
    }
    for name, (model, inputs) in models.items():
        for p in model.parameters():
            p.data.uniform_(-0.4, 0.4)
        safetensors.torch.save_file(model.state_dict(), os.path.join(HERE, name + ".safetensors"), {"format": "pt"})
        model.double().eval()
        for i, x in enumerate(inputs):
            keep(f"{name}|in{i}", x)
        keep(f"{name}|out0", model(*inputs))


def ctc():
    """The gradient of PyTorch's ctc_loss is right only behind a log_softmax, which is part of the case, therefore."""
    def each(name, logits, targets, inputs, lengths, **o):
        for r in REDUCTIONS:
            case(f"ctc_loss {name} {r}",
                 lambda x: F.ctc_loss(torch.log_softmax(x, -1), targets, inputs, lengths, reduction=r, **o), (logits,))

    t = torch.tensor
    x, y = values(7, 3, 5), t([[1, 2, 2, 4], [3, 3, 3, 0], [4, 0, 0, 0]])
    each("padded", x, y, t([7, 7, 7]), t([4, 3, 1]))
    each("lengths", x, y, t([7, 5, 2]), t([4, 3, 0]))
    each("one row", x, t([1, 2, 2, 4, 3, 3, 4]), t([7, 6, 4]), t([4, 2, 1]))
    each("blank", x, t([[0, 1, 2], [3, 0, 0], [1, 3, 1]]), t([7, 5, 6]), t([3, 2, 3]), blank=4)
    each("zero_infinity", x, y, t([5, 4, 7]), t([4, 3, 1]), zero_infinity=True)
    each("unbatched", values(6, 4), t([1, 3, 3]), t(6), t(3))


def save(path, script="make_nn_vectors.py"):
    """Reals are f64; labels i64; masks bool."""
    kinds = {"float64": torch.float64, "int64": torch.int64, "bool": torch.bool}
    tensors = {k: torch.tensor(a, dtype=kinds[str(a.dtype)]) for k, a in ARRAYS.items()}
    safetensors.torch.save_file(tensors, path, {"pytorch": torch.__version__, "written_by": script})


def main():
    norms(), activations(), shapes_and_pools(), convolutions(), embeddings(), attention(), transformers(), losses(), files(), ctc()
    path = os.path.join(HERE, "nn.safetensors")
    save(path)
    print(f"{path}: {len(ARRAYS)} arrays, {os.path.getsize(path)} bytes, PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes attention.safetensors: what PyTorch makes of attention with shared heads, fixed keys, rotary and ALiBi positions,
and of transformer layers with SwiGLU and RMSNorm, for tests/nn/torch_positions_test.cpp. Where PyTorch has no layer, one is
composed here of its functions. Keys are those of make_nn_vectors.py, whose rules hold. Run without arguments.
"""
import os

import torch
import torch.nn.functional as F
from torch import nn

from make_nn_vectors import ARRAYS, HERE, case, layer, save, values

torch.manual_seed(17)
SDPA = F.scaled_dot_product_attention


def functions():
    q, k, v = values(2, 4, 5, 6), values(2, 2, 7, 6), values(2, 2, 7, 3)
    mask = torch.rand(2, 1, 5, 7) < 0.6
    mask[..., 0] = True
    case("sdpa gqa", lambda q, k, v: SDPA(q, k, v, enable_gqa=True), (q, k, v))
    case("sdpa gqa masked", lambda q, k, v, m: SDPA(q, k, v, attn_mask=m, enable_gqa=True), (q, k, v, mask))
    case("sdpa gqa one head", lambda q, k, v: SDPA(q, k, v, enable_gqa=True),
         (values(1, 3, 4, 2), values(1, 1, 5, 2), values(1, 1, 5, 2)))
    case("sdpa lower right", lambda q, k, v: SDPA(q, k, v, attn_mask=torch.ones(5, 9, dtype=torch.bool).tril(4)),
         (values(3, 5, 4), values(3, 9, 4), values(3, 9, 2)))
    case("sdpa more queries than keys", lambda q, k, v: SDPA(q, k, v, is_causal=True),
         (values(2, 6, 3), values(2, 4, 3), values(2, 4, 3)))
    case("sdpa several blocks", lambda q, k, v: SDPA(q, k, v, is_causal=True),
         (values(1, 101, 3), values(1, 101, 3), values(1, 101, 2)))
    case("sdpa added for each sample", lambda q, k, v, m: SDPA(q, k, v, attn_mask=m),
         (values(2, 3, 4, 2), values(2, 3, 5, 2), values(2, 3, 5, 3), values(2, 1, 1, 5)))
    case("sdpa scale", lambda q, k, v: SDPA(q, k, v, scale=0.7), (values(1, 1, 1), values(1, 3, 1), values(1, 3, 1)))
    case("sdpa shared keys", lambda q, k, v: SDPA(q, k.expand(3, 5, 4), v.expand(3, 5, 4)),
         (values(3, 2, 4), values(1, 5, 4), values(1, 5, 4)))


def fixed_keys():
    def mha(name, q, k, v, masks=(), heads=2, call=None, batch_first=True, **options):
        m = nn.MultiheadAttention(q.shape[-1], heads, batch_first=batch_first, **options)
        layer("MultiheadAttention " + name, m, q, k, v, *masks,
              call=call or (lambda m, q, k, v: m(q, k, v, need_weights=False)[0]))

    q, k = values(2, 3, 6), values(2, 4, 6)
    padding = torch.tensor([[False, False, True, True], [True, False, False, False]])
    causal = torch.ones(4, 4, dtype=torch.bool).triu(1)
    mha("bias_kv", q, k, k, add_bias_kv=True)
    mha("zero_attn", q, k, k, add_zero_attn=True)
    mha("bias_kv and zero_attn, weights", q, k, k, masks=(padding,), add_bias_kv=True, add_zero_attn=True,
        call=lambda m, q, k, v, p: m(q, k, v, key_padding_mask=p))
    mha("bias_kv time first", values(3, 2, 6), values(5, 2, 6), values(5, 2, 6), heads=3, batch_first=False,
        add_bias_kv=True)
    mha("bias_kv causal", k, k, k, add_bias_kv=True,
        call=lambda m, q, k, v: m(q, k, v, attn_mask=causal, need_weights=False)[0])
    mha("bias_kv added, kdim", q, values(2, 4, 5), k, masks=(values(3, 4),), add_bias_kv=True, kdim=5,
        call=lambda m, q, k, v, a: m(q, k, v, attn_mask=a, need_weights=False)[0])


def rotate(x, base=10000.0, first=0):
    """x [N, L, heads, D], as Hugging Face's apply_rotary_pos_emb."""
    half = x.shape[-1] // 2
    angle = (first + torch.arange(x.shape[1]).double())[:, None] * base ** (-torch.arange(half).double() / half)
    cos, sin = (torch.cat([f(angle)] * 2, -1)[None, :, None] for f in (torch.cos, torch.sin))
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


def slopes(heads):
    """As the code of the paper "Train short, test long" has them."""
    power = 2 ** (heads.bit_length() - 1)
    own = [2 ** (-8 / power * (i + 1)) for i in range(power)]
    return own if power == heads else own + slopes(2 * power)[0::2][: heads - power]


class Attention(nn.Module):
    """MultiheadAttention of its functions, batch first."""

    def __init__(self, embed, heads, few=0, bias=True, positions="", base=10000.0):
        super().__init__()
        few = few or heads
        self.heads, self.few, self.d, self.positions, self.base = heads, few, embed // heads, positions, base
        rows = embed + 2 * self.d * few
        self.in_proj_weight = nn.Parameter(torch.empty(rows, embed))
        if bias:
            self.in_proj_bias = nn.Parameter(torch.empty(rows))
        self.out_proj = nn.Linear(embed, embed, bias=bias)

    def forward(self, q, k=None, causal=False, padding=None):
        k = q if k is None else k
        parts = [self.heads * self.d, self.few * self.d, self.few * self.d]
        bias = getattr(self, "in_proj_bias", torch.zeros(sum(parts), dtype=q.dtype)).split(parts)
        weights = self.in_proj_weight.split(parts)
        heads = [F.linear(x, w, b).unflatten(-1, (-1, self.d)) for x, w, b in zip((q, k, k), weights, bias)]
        if self.positions == "rotary":
            heads[:2] = [rotate(x, self.base) for x in heads[:2]]
        mask = torch.zeros(q.shape[0], self.heads, q.shape[1], k.shape[1], dtype=q.dtype)
        if self.positions == "alibi":
            distance = (torch.arange(k.shape[1])[None] - torch.arange(q.shape[1])[:, None]).abs()
            mask = mask - torch.tensor(slopes(self.heads), dtype=q.dtype)[:, None, None] * distance
        if causal:
            mask = mask.masked_fill(torch.ones(mask.shape[-2:], dtype=torch.bool).triu(1), -torch.inf)
        if padding is not None:
            mask = mask.masked_fill(padding[:, None, None], -torch.inf)
        y = SDPA(*(x.transpose(1, 2) for x in heads), attn_mask=mask, enable_gqa=True)
        return self.out_proj(y.transpose(1, 2).flatten(2))


def positions():
    x, y = values(2, 5, 12), values(2, 3, 12)
    padding = torch.tensor([[False, False, False, True, True], [False] * 5])
    case("rotary_embedding", lambda x: rotate(x, 100.0, 3), (values(2, 4, 3, 6),))
    layer("rotary", Attention(12, 2, positions="rotary"), x)
    layer("rotary time first", Attention(12, 3, positions="rotary"), values(4, 2, 12),
          call=lambda m, x: m(x.transpose(0, 1)).transpose(0, 1))
    layer("rotary cross", Attention(12, 6, positions="rotary"), y, x)
    layer("rotary shared", Attention(12, 3, few=1, positions="rotary", bias=False), x, call=lambda m, x: m(x, causal=True))
    layer("rotary base", Attention(12, 2, positions="rotary", base=50.0), x, padding, call=lambda m, x, p: m(x, padding=p))
    layer("rotary unbatched", Attention(12, 1, positions="rotary"), values(1, 12), call=lambda m, x: m(x[None])[0])
    layer("alibi", Attention(12, 4, positions="alibi"), x, call=lambda m, x: m(x, causal=True))
    layer("alibi of three heads", Attention(12, 3, positions="alibi"), x)
    layer("alibi of six heads", Attention(12, 6, few=2, positions="alibi"), x, call=lambda m, x: m(x, causal=True))
    layer("alibi cross", Attention(12, 2, positions="alibi"), y, x)
    layer("alibi padding", Attention(12, 2, positions="alibi"), x, padding, call=lambda m, x, p: m(x, padding=p))
    layer("alibi one head", Attention(12, 1, positions="alibi", bias=False), values(1, 1, 12))


class Block(nn.Module):
    """An encoder layer of its functions, batch first; a decoder layer with `cross`."""

    def __init__(self, embed, heads, hidden, act, rms=False, first=True, bias=True, cross=False, **attention):
        super().__init__()
        norm = (lambda: nn.RMSNorm(embed, eps=1e-5)) if rms else (lambda: nn.LayerNorm(embed, bias=bias))
        self.act, self.first = act, first
        self.self_attn = Attention(embed, heads, bias=bias, **attention)
        if cross:
            self.multihead_attn, self.norm3 = Attention(embed, heads, bias=bias), norm()
        self.linear1, self.linear2 = nn.Linear(embed, hidden, bias=bias), nn.Linear(hidden, embed, bias=bias)
        self.norm1, self.norm2 = norm(), norm()
        if act == "swiglu":
            self.linear3 = nn.Linear(embed, hidden, bias=bias)

    def feed(self, x):
        y = self.linear1(x)
        if self.act == "swiglu":
            return self.linear2(F.silu(y) * self.linear3(x))
        return self.linear2({"silu": F.silu, "gelu": F.gelu, "relu": F.relu}[self.act](y))

    def forward(self, x, memory=None, causal=False):
        parts = [lambda t: self.self_attn(t, causal=causal)]
        if memory is not None:
            parts.append(lambda t: self.multihead_attn(t, memory))
        parts.append(self.feed)
        for part, norm in zip(parts, (self.norm1, self.norm2, getattr(self, "norm3", None))):
            x = x + part(norm(x)) if self.first else norm(x + part(x))
        return x


def transformers():
    x, memory = values(2, 4, 8), values(2, 3, 8)
    causal = lambda m, x: m(x, causal=True)  # noqa: E731
    layer("encoder llama", Block(8, 4, 5, "swiglu", rms=True, bias=False, few=2, positions="rotary"), x, call=causal)
    layer("encoder swiglu post", Block(8, 2, 5, "swiglu", first=False), x)
    layer("encoder silu", Block(8, 2, 7, "silu"), x)
    layer("encoder rms post", Block(8, 1, 3, "gelu", rms=True, first=False), x)
    layer("encoder alibi", Block(8, 2, 5, "relu", positions="alibi"), x, call=causal)
    layer("encoder swiglu no bias", Block(8, 2, 1, "swiglu", bias=False), values(1, 1, 8))
    layer("decoder swiglu", Block(8, 2, 5, "swiglu", cross=True), x, memory)
    layer("decoder llama", Block(8, 4, 5, "swiglu", rms=True, bias=False, cross=True, few=1, positions="rotary"), x, memory,
          call=lambda m, x, y: m(x, y, causal=True))
    layer("decoder rms post", Block(8, 2, 5, "silu", rms=True, first=False, cross=True), x, memory)


def main():
    functions(), fixed_keys(), positions(), transformers()
    path = os.path.join(HERE, "attention.safetensors")
    save(path, "make_attention_vectors.py")
    print(f"{path}: {len(ARRAYS)} arrays, {os.path.getsize(path)} bytes, PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()

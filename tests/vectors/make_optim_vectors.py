#!/usr/bin/env python3
"""Writes optim.safetensors: what PyTorch's optimizers do with given gradients, for tests/optim/rules_test.cpp.

Needs PyTorch 2.9 or later (for Muon); the version used stands in the file's metadata. Run without arguments.
Keys: "start" and "gradients/KIND" (f64), and for each spec, kind of gradient and dtype "SPEC|KIND|DTYPE": the parameters
after steps 1, 2, 3, 10 and 100. L-BFGS: "SPEC|quadratic|f64", after each of ten steps on "quadratic/a", "quadratic/b".
"""
import json
import os
import struct

import numpy as np
import torch

STEPS = [1, 2, 3, 10, 100]
COUNT = 12  # numbers in the parameter: more than one AVX-512 pack of doubles, and not a multiple of it

SGD, ADAM, ADAMW = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
RMSPROP, ADAGRAD = torch.optim.RMSprop, torch.optim.Adagrad
CASES = [
    ("sgd(lr=0.1)", SGD, dict(lr=0.1)),
    ("sgd", SGD, dict()),
    ("sgd(lr=0.05, weight_decay=0.1)", SGD, dict(lr=0.05, weight_decay=0.1)),
    ("sgd(lr=0.05, momentum=0.9)", SGD, dict(lr=0.05, momentum=0.9)),
    ("sgd(lr=0.05, momentum=0.9, dampening=0.5)", SGD, dict(lr=0.05, momentum=0.9, dampening=0.5)),
    ("sgd(lr=0.05, momentum=0.9, nesterov=true)", SGD, dict(lr=0.05, momentum=0.9, nesterov=True)),
    ("sgd(lr=0.05, momentum=0.8, nesterov=true, weight_decay=0.01)", SGD,
     dict(lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.01)),
    ("sgd(lr=0.05, momentum=0.8, dampening=0.1, weight_decay=0.01, maximize=true)", SGD,
     dict(lr=0.05, momentum=0.8, dampening=0.1, weight_decay=0.01, maximize=True)),
    ("adam", ADAM, dict()),
    ("adam(lr=0.01)", ADAM, dict(lr=0.01)),
    ("adam(lr=0.01, beta1=0.8, beta2=0.95, eps=1e-6)", ADAM, dict(lr=0.01, betas=(0.8, 0.95), eps=1e-6)),
    ("adam(lr=0.01, weight_decay=0.1)", ADAM, dict(lr=0.01, weight_decay=0.1)),
    ("adam(lr=0.01, amsgrad=true)", ADAM, dict(lr=0.01, amsgrad=True)),
    ("adam(lr=0.01, amsgrad=true, weight_decay=0.1, maximize=true)", ADAM,
     dict(lr=0.01, amsgrad=True, weight_decay=0.1, maximize=True)),
    ("adamw", ADAMW, dict()),
    ("adamw(lr=0.01, weight_decay=0.1)", ADAMW, dict(lr=0.01, weight_decay=0.1)),
    ("adamw(lr=0.01, weight_decay=0)", ADAMW, dict(lr=0.01, weight_decay=0.0)),
    ("adamw(lr=0.01, beta1=0.5, beta2=0.9, amsgrad=true)", ADAMW, dict(lr=0.01, betas=(0.5, 0.9), amsgrad=True)),
    ("rmsprop", RMSPROP, dict()),
    ("rmsprop(lr=0.01, alpha=0.9, eps=1e-6)", RMSPROP, dict(lr=0.01, alpha=0.9, eps=1e-6)),
    ("rmsprop(lr=0.01, weight_decay=0.1)", RMSPROP, dict(lr=0.01, weight_decay=0.1)),
    ("rmsprop(lr=0.01, momentum=0.9)", RMSPROP, dict(lr=0.01, momentum=0.9)),
    ("rmsprop(lr=0.01, centered=true)", RMSPROP, dict(lr=0.01, centered=True)),
    ("rmsprop(lr=0.01, centered=true, momentum=0.9, weight_decay=0.1, maximize=true)", RMSPROP,
     dict(lr=0.01, centered=True, momentum=0.9, weight_decay=0.1, maximize=True)),
    ("adagrad", ADAGRAD, dict()),
    ("adagrad(lr=0.1, lr_decay=0.01)", ADAGRAD, dict(lr=0.1, lr_decay=0.01)),
    ("adagrad(lr=0.1, weight_decay=0.1)", ADAGRAD, dict(lr=0.1, weight_decay=0.1)),
    ("adagrad(lr=0.1, initial_accumulator_value=0.1, eps=1e-7, maximize=true)", ADAGRAD,
     dict(lr=0.1, initial_accumulator_value=0.1, eps=1e-7, maximize=True)),
]
DTYPES = {"f32": torch.float32, "f64": torch.float64}


def gradients():
    r = np.random.default_rng(20)
    shape = (max(STEPS), COUNT)
    dense = r.standard_normal(shape)
    return {
        "random": dense,
        "sparse": np.where(r.random(shape) < 0.8, 0.0, r.standard_normal(shape)),
        "constant": np.tile(r.standard_normal(COUNT), (max(STEPS), 1)),
        "tiny": 1e-12 * r.standard_normal(shape),
        "huge": 1e6 * r.standard_normal(shape),
    }


def trajectory(make, options, start, grads, dtype):
    w = torch.tensor(start, dtype=dtype, requires_grad=True)
    opt = make([w], **options)
    kept = []
    for t in range(1, max(STEPS) + 1):
        w.grad = torch.tensor(grads[t - 1], dtype=dtype)
        opt.step()
        if t in STEPS:
            kept.append(w.detach().numpy().copy())
    return np.stack(kept)


def lbfgs(options, a, b):
    w = torch.zeros(len(b), dtype=torch.float64, requires_grad=True)
    opt = torch.optim.LBFGS([w], **options)
    a, b = torch.tensor(a), torch.tensor(b)
    kept = []

    def closure():
        opt.zero_grad()
        loss = 0.5 * ((w - b) * (a @ (w - b))).sum()
        loss.backward()
        return loss

    for _ in range(10):
        opt.step(closure)
        kept.append(w.detach().numpy().copy())
    return np.stack(kept)


def muon(options, start, grads):
    w = torch.tensor(start, requires_grad=True)
    opt = torch.optim.Muon([w], **options)
    kept = []
    for g in grads:
        w.grad = torch.tensor(g)
        opt.step()
        kept.append(w.detach().numpy().copy())
    return np.stack(kept)


def save_safetensors(path, arrays, metadata):
    names = {"float32": "F32", "float64": "F64"}
    header, data, at = {"__metadata__": metadata}, [], 0
    for name, a in sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0])):
        a = np.ascontiguousarray(a)
        header[name] = {"dtype": names[str(a.dtype)], "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
        data.append(a.tobytes())
        at += a.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(data))


def main():
    r = np.random.default_rng(7)
    start = r.standard_normal(COUNT)
    arrays = {"start": start}
    for kind, grads in gradients().items():
        arrays["gradients/" + kind] = grads
        for spec, make, options in CASES:
            for name, dtype in DTYPES.items():
                arrays[f"{spec}|{kind}|{name}"] = trajectory(make, options, start, grads, dtype)

    q = r.standard_normal((6, 6))
    a, b = q @ q.T + np.eye(6), r.standard_normal(6)
    arrays["quadratic/a"], arrays["quadratic/b"] = a, b
    for spec, options in [
        ("lbfgs(max_iter=2)", dict(max_iter=2)),
        ("lbfgs(lr=0.5, max_iter=3, history_size=2)", dict(lr=0.5, max_iter=3, history_size=2)),
        ("lbfgs(max_iter=2, line_search_fn=strong_wolfe)", dict(max_iter=2, line_search_fn="strong_wolfe")),
    ]:
        arrays[spec + "|quadratic|f64"] = lbfgs(options, a, b)

    matrix, grads = r.standard_normal((6, 4)), r.standard_normal((5, 6, 4))
    arrays["matrix/start"], arrays["matrix/gradients"] = matrix, grads
    for spec, options in [
        ("muon(lr=0.02)", dict(lr=0.02)),
        ("muon(lr=0.02, nesterov=false, momentum=0.9, weight_decay=0, adjust_lr=match_rms_adamw)",
         dict(lr=0.02, nesterov=False, momentum=0.9, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")),
    ]:
        arrays[spec + "|matrix|f64"] = muon(options, matrix, grads)

    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "optim.safetensors")
    about = {"pytorch": torch.__version__, "written_by": "make_optim_vectors.py", "steps": str(STEPS)}
    save_safetensors(path, arrays, about)
    print(f"{path}: {len(arrays)} arrays, {os.path.getsize(path)} bytes, PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()

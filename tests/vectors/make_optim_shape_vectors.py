#!/usr/bin/env python3
"""Writes optim_shapes.safetensors: what other people's optimizers do, for tests/optim/references_test.cpp.

Needs PyTorch, optax and jax, and the authors' own packages schedulefree, prodigyopt, dadaptation, and pytorch_optimizer
(for SOAP, Sophia-H and AdaHessian); the versions used stand in the file's metadata. Run without arguments.
Keys: "start/NAME" and "gradients/NAME" (f64, one row a step) of the parameters m [5, 5], t [2, 3, 4], v [7], and
"SPEC|NAME|DTYPE": the parameter after steps 1, 2, 3, 10 and 40 (points of evaluation have "|x" behind). Losses, where a rule reads
one: "losses". Hessian diagonals, where it reads those: "hessians/NAME". Sparse: "rows", "SPEC|rows|DTYPE".
L-BFGS: "lbfgs/rosenbrock" (evaluations until 1e-10, in one step), "lbfgs/N/..." quadratics.
"""
import importlib.metadata
import json
import os

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import torch

import dadaptation
import prodigyopt
import pytorch_optimizer
import pytorch_optimizer.optimizer.soap as soap_module
import schedulefree
from make_optim_vectors import save_safetensors

jax.config.update("jax_enable_x64", True)
FACTORED = optax._src.factorized.scale_by_factored_rms  # its default schedule rounds beta2 to float32
FACTORED.__defaults__ = FACTORED.__defaults__[:-1] + (lambda i, e: 1.0 - jnp.asarray(i + 1, jnp.float64) ** -e,)
STEPS = [1, 2, 3, 10, 40]
SHAPES = {"m": (5, 5), "t": (2, 3, 4), "v": (7,)}
DTYPES = {"f32": (torch.float32, np.float32), "f64": (torch.float64, np.float64)}
R = np.random.default_rng(11)
START = {k: R.standard_normal(s) for k, s in SHAPES.items()}
GRADIENTS = {k: R.standard_normal((max(STEPS),) + s) for k, s in SHAPES.items()}
LOSSES = np.abs(R.standard_normal(max(STEPS))) * 3
HESSIANS = {k: R.standard_normal((max(STEPS),) + s) * 2 for k, s in SHAPES.items()}


class TorchInDouble:
    """torch, but float32 is float64: SOAP's QR rounds to float32 otherwise."""
    def __getattr__(self, name):
        return torch.float64 if name == "float32" else getattr(torch, name)


def with_torch(make, names, dtype, evaluated=False, extra=lambda t: {}):
    """The parameters `names` under one optimizer."""
    p = {n: torch.tensor(START[n], dtype=dtype, requires_grad=True) for n in names}
    opt = make(list(p.values()))
    if hasattr(opt, "train"):
        opt.train()
    kept, points = {n: [] for n in names}, {n: [] for n in names}
    for t in range(1, max(STEPS) + 1):
        for n in names:
            p[n].grad = torch.tensor(GRADIENTS[n][t - 1], dtype=dtype)
        opt.step(**extra(t))
        if t in STEPS:
            for n in names:
                kept[n].append(p[n].detach().numpy().copy())
            if evaluated:
                before = {n: p[n].detach().clone() for n in names}
                opt.eval()
                for n in names:
                    points[n].append(p[n].detach().numpy().copy())
                opt.train()
                for n in names:
                    p[n].data.copy_(before[n])
    return {n: np.stack(kept[n]) for n in names}, {n: np.stack(points[n]) for n in names} if evaluated else {}


def with_optax(transform, names, dtype, losses=False):
    p = {n: jnp.asarray(START[n], dtype) for n in names}
    state = transform.init(p)
    kept = {n: [] for n in names}
    for t in range(1, max(STEPS) + 1):
        g = {n: jnp.asarray(GRADIENTS[n][t - 1], dtype) for n in names}
        extra = {"value": jnp.asarray(LOSSES[t - 1], dtype)} if losses else {}
        updates, state = transform.update(g, state, p, **extra)
        p = optax.apply_updates(p, updates)
        if t in STEPS:
            for n in names:
                kept[n].append(np.asarray(p[n]))
    return {n: np.stack(kept[n]) for n in names}


ALL = ["m", "t", "v"]
ADAFACTOR = torch.optim.Adafactor
TORCH_CASES = [  # spec, names, optimizer, evaluated
    ("adafactor", ALL, lambda p: ADAFACTOR(p)),
    ("adafactor(lr=0.1, weight_decay=0.1, beta2_decay=-0.6, d=1.5)", ALL,
     lambda p: ADAFACTOR(p, lr=0.1, weight_decay=0.1, beta2_decay=-0.6, d=1.5)),
    ("adafactor(lr=0.05, eps1=1e-3, eps2=0.01, maximize=true)", ALL,
     lambda p: ADAFACTOR(p, lr=0.05, eps=(1e-3, 0.01), maximize=True)),
    ("schedule_free_sgd(lr=0.1)", ALL, lambda p: schedulefree.SGDScheduleFree(p, lr=0.1)),
    ("schedule_free_sgd(lr=0.1, momentum=0.8, weight_decay=0.1, warmup_steps=5, r=1)", ALL,
     lambda p: schedulefree.SGDScheduleFree(p, lr=0.1, momentum=0.8, weight_decay=0.1, warmup_steps=5, r=1.0)),
    ("schedule_free_adamw(lr=0.01)", ALL, lambda p: schedulefree.AdamWScheduleFree(p, lr=0.01)),
    ("schedule_free_adamw(lr=0.01, beta1=0.8, beta2=0.95, weight_decay=0.1, warmup_steps=5, r=1, weight_lr_power=1)", ALL,
     lambda p: schedulefree.AdamWScheduleFree(p, lr=0.01, betas=(0.8, 0.95), weight_decay=0.1, warmup_steps=5, r=1.0,
                                              weight_lr_power=1.0)),
    ("prodigy", ALL, lambda p: prodigyopt.Prodigy(p)),
    ("prodigy(d0=0.01, weight_decay=0.1, use_bias_correction=true, safeguard_warmup=true, d_coef=2)", ALL,
     lambda p: prodigyopt.Prodigy(p, d0=0.01, weight_decay=0.1, use_bias_correction=True, safeguard_warmup=True, d_coef=2.0)),
    ("prodigy(d0=0.01, weight_decay=0.1, decouple=false, growth_rate=1.1, beta3=0.9)", ALL,
     lambda p: prodigyopt.Prodigy(p, d0=0.01, weight_decay=0.1, decouple=False, growth_rate=1.1, beta3=0.9)),
    ("dadapt_adam", ALL, lambda p: dadaptation.DAdaptAdam(p)),
    ("dadapt_adam(d0=0.001, weight_decay=0.1, decouple=true, growth_rate=1.2)", ALL,
     lambda p: dadaptation.DAdaptAdam(p, d0=0.001, weight_decay=0.1, decouple=True, growth_rate=1.2)),
    ("dadapt_adam(d0=0.001, weight_decay=0.1, use_bias_correction=true)", ALL,
     lambda p: dadaptation.DAdaptAdam(p, d0=0.001, weight_decay=0.1, use_bias_correction=True)),
    ("soap(precondition_frequency=3)", ["m", "v"], lambda p: pytorch_optimizer.SOAP(p, precondition_frequency=3)),
    ("soap(lr=0.01, beta1=0.9, beta2=0.98, shampoo_beta=0.9, precondition_frequency=1, normalize_gradient=true, "
     "weight_decay=0.1)", ["m", "v"],
     lambda p: pytorch_optimizer.SOAP(p, lr=0.01, betas=(0.9, 0.98), shampoo_beta=0.9, precondition_frequency=1,
                                      normalize_gradient=True, weight_decay=0.1)),
]
# Given Hessian diagonals at every second step.
HESSIAN_CASES = [
    ("sophia_h(lr=0.06, beta1=0.96, beta2=0.9, gamma=1, clip=0.1, eps=1e-12, weight_decay=0.1, interval=2)",
     lambda p: pytorch_optimizer.SophiaH(p, lr=0.06, betas=(0.96, 0.9), p=0.1, weight_decay=0.1, update_period=2)),
    ("adahessian(lr=0.1, beta1=0.9, beta2=0.95, eps=1e-8, weight_decay=0.1, hessian_power=0.7, interval=2)",
     lambda p: pytorch_optimizer.AdaHessian(p, lr=0.1, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1, hessian_power=0.7,
                                            update_period=2)),
]
OPTAX_CASES = [
    ("adafactor(dialect=optax, lr=0.05, min_dim=3)",
     lambda: optax.adafactor(0.05, min_dim_size_to_factor=3), False),
    ("adafactor(dialect=optax, lr=0.05, momentum=0.9, weight_decay=0.01, beta2_decay=-0.7)",
     lambda: optax.adafactor(0.05, momentum=0.9, weight_decay_rate=0.01, decay_rate=0.7, dtype_momentum=None), False),
    ("dog(reps_rel=0.001)", lambda: optax.contrib.dog(1.0, ("heuristic", 0.001)), False),
    ("dog(lr=0.5, reps_rel=0.01, weight_decay=0.1)",
     lambda: optax.contrib.dog(0.5, ("heuristic", 0.01), weight_decay=0.1), False),
    ("polyak", lambda: optax.polyak_sgd(), True),
    ("polyak(f_min=1, max_lr=0.02, eps=0.1, positive=true)",
     lambda: optax.polyak_sgd(max_learning_rate=0.02, f_min=1.0, eps=0.1, variant="sps+"), True),
]


def keras_adafactor(lr, relative_step, weight_decay):
    """Keras's form, from its published update: eps1 inside, last two axes, decay before the step."""
    def run(name, dtype):
        w = START[name].astype(dtype)
        row = column = v = 0.0
        kept = []
        for t in range(1, max(STEPS) + 1):
            g = GRADIENTS[name][t - 1].astype(dtype)
            rho = min(lr, 1 / np.sqrt(t)) if relative_step else lr
            alpha = max(1e-3, np.sqrt(np.mean(w * w))) * rho
            w = w - w * weight_decay * lr
            b = 1 - t ** -0.8
            squares = g * g + 1e-30
            if w.ndim > 1:
                row = b * row + (1 - b) * squares.mean(-1, keepdims=True)
                column = b * column + (1 - b) * squares.mean(-2, keepdims=True)
                v_hat = row / row.mean(-2, keepdims=True) * column
            else:
                v_hat = v = b * v + (1 - b) * squares
            u = g / np.sqrt(v_hat)
            w = w - alpha * u / max(1.0, np.sqrt(np.mean(u * u)))
            if t in STEPS:
                kept.append(w.astype(dtype))
        return np.stack(kept)
    return run


def shampoo(spec_lr, momentum, weight_decay, eps, interval, exponent):
    """By another route: roots by singular values instead of eigenvalues, sides by tensordot."""
    def power(a, p):
        u, s, vt = np.linalg.svd(a)
        return (u * s ** p) @ vt
    def run(name, dtype):
        w = START[name].copy()
        shape = (w.shape[0], -1) if w.ndim > 1 else w.shape
        sides = len(w.reshape(shape).shape)
        moments = [eps * np.eye(n) for n in w.reshape(shape).shape]
        roots, m, kept = None, 0.0, []
        for t in range(1, max(STEPS) + 1):
            g = (GRADIENTS[name][t - 1] + weight_decay * w).reshape(shape)
            for i in range(sides):
                other = [j for j in range(sides) if j != i]
                moments[i] = moments[i] + np.tensordot(g, g, axes=(other, other))
            if (t - 1) % interval == 0:
                roots = [power(a, -(exponent or 1 / (2 * sides))) for a in moments]
            x = g
            for i in range(sides):
                x = np.moveaxis(np.tensordot(roots[i], x, axes=(1, i)), 0, i)
            m = momentum * m + x.reshape(w.shape)
            w = w - spec_lr * m
            if t in STEPS:
                kept.append(w.copy())
        return np.stack(kept)
    return run


NUMPY_CASES = [
    ("adafactor(dialect=keras, lr=0.3)", keras_adafactor(0.3, True, 0.0), True),
    ("adafactor(dialect=keras, lr=0.3, relative_step=false, weight_decay=0.1)", keras_adafactor(0.3, False, 0.1), True),
    ("shampoo(lr=0.1)", shampoo(0.1, 0, 0, 1e-6, 1, 0), False),
    ("shampoo(lr=0.1, momentum=0.9, weight_decay=0.1, matrix_eps=0.01, interval=3, exponent=0.3)",
     shampoo(0.1, 0.9, 0.1, 0.01, 3, 0.3), False),
]


def sparse_adam(dtype):
    """torch.optim.SparseAdam: rows named twice, and a row named whose gradient is 0."""
    w = torch.tensor(START["m"], dtype=dtype, requires_grad=True)
    opt = torch.optim.SparseAdam([w], lr=0.1, betas=(0.8, 0.95))
    kept = []
    for t in range(max(STEPS)):
        rows = torch.tensor(ROWS[t])
        opt.zero_grad()
        weights = torch.tensor(WEIGHTS[t], dtype=dtype)
        (torch.nn.functional.embedding(rows, w, sparse=True) * weights).sum().backward()
        opt.step()
        if t + 1 in STEPS:
            kept.append(w.detach().numpy().copy())
    return np.stack(kept)


ROWS = R.integers(0, 5, (max(STEPS), 3))
WEIGHTS = R.standard_normal((max(STEPS), 3, 5)) * (R.random((max(STEPS), 3, 1)) < 0.7)


def lookahead_cases(arrays):
    for spec, inner, k, alpha in [("lookahead(sgd(lr=0.1, momentum=0.9), k=3, alpha=0.7)", optax.sgd(0.1, momentum=0.9), 3, 0.7),
                                  ("lookahead(adam(lr=0.05))", optax.adam(0.05), 5, 0.5)]:
        opt = optax.lookahead(inner, sync_period=k, slow_step_size=alpha)
        p = optax.LookaheadParams.init_synced({n: jnp.asarray(START[n]) for n in ALL})
        state = opt.init(p)
        kept = {n: [] for n in ALL}
        for t in range(1, max(STEPS) + 1):
            updates, state = opt.update({n: jnp.asarray(GRADIENTS[n][t - 1]) for n in ALL}, state, p)
            p = optax.apply_updates(p, updates)
            if t in STEPS:
                for n in ALL:
                    kept[n].append(np.asarray(p.fast[n]))
        for n in ALL:
            arrays[f"{spec}|{n}|f64"] = np.stack(kept[n])


def averages(arrays):
    """torch.optim.swa_utils: an exponential and an equal average of m."""
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
    for key, options in [("averaged/ema", dict(multi_avg_fn=get_ema_multi_avg_fn(0.9))), ("averaged/equal", {})]:
        model = torch.nn.Linear(5, 5, bias=False).double()
        averaged = AveragedModel(model, **options)
        for t in range(10):
            model.weight.data = torch.tensor(GRADIENTS["m"][t])
            averaged.update_parameters(model)
        arrays[key] = averaged.module.weight.detach().numpy().copy()


def rosenbrock(w):
    return 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2


def lbfgs(arrays):
    w = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
    opt = torch.optim.LBFGS([w], max_iter=100, max_eval=1000, line_search_fn="strong_wolfe", tolerance_change=0,
                            tolerance_grad=0)
    losses = []

    def closure():
        opt.zero_grad()
        loss = rosenbrock(w)
        loss.backward()
        losses.append(loss.item())
        return loss

    opt.step(closure)
    arrays["lbfgs/rosenbrock"] = np.array([next(i + 1 for i, f in enumerate(losses) if f <= 1e-10)], dtype=np.float64)
    r = np.random.default_rng(12)
    for n in (1, 2, 5, 10):
        q = r.standard_normal((n, n))
        a, b = q @ q.T + np.eye(n), r.standard_normal(n)
        arrays[f"lbfgs/{n}/a"], arrays[f"lbfgs/{n}/b"] = a, b
        ta, tb = torch.tensor(a), torch.tensor(b)
        for search in (None, "strong_wolfe"):
            w = torch.zeros(n, dtype=torch.float64, requires_grad=True)
            opt = torch.optim.LBFGS([w], max_iter=1, max_eval=30, line_search_fn=search)
            kept, counts, count = [], [], 0

            def quadratic():
                nonlocal count
                count += 1
                opt.zero_grad()
                loss = 0.5 * ((w - tb) * (ta @ (w - tb))).sum()
                loss.backward()
                return loss

            for _ in range(20):
                opt.step(quadratic)
                kept.append(w.detach().numpy().copy())
                counts.append(float(count))
            arrays[f"lbfgs/{n}/{search or 'none'}"] = np.stack(kept)
            arrays[f"lbfgs/{n}/{search or 'none'}/evaluations"] = np.array(counts)


def main():
    arrays = {}
    for n in ALL:
        arrays["start/" + n], arrays["gradients/" + n], arrays["hessians/" + n] = START[n], GRADIENTS[n], HESSIANS[n]
    arrays["losses"] = LOSSES
    arrays["rows"], arrays["weights"] = ROWS.astype(np.float64), WEIGHTS
    for name, (torch_type, numpy_type) in DTYPES.items():
        soap_module.torch = TorchInDouble() if name == "f64" else torch
        for spec, names, make in TORCH_CASES:
            if spec.startswith("soap") and name == "f32":
                continue  # eigenvectors of near values turn by more than the tolerance
            evaluated = spec.startswith("schedule_free")
            kept, points = with_torch(make, names, torch_type, evaluated)
            for n in names:
                arrays[f"{spec}|{n}|{name}"] = kept[n]
                if evaluated:
                    arrays[f"{spec}|{n}|{name}|x"] = points[n]
        for spec, make, losses in OPTAX_CASES:
            for n, a in with_optax(make(), ALL, numpy_type, losses).items():
                arrays[f"{spec}|{n}|{name}"] = a
        arrays[f"lazy_adam(lr=0.1, beta1=0.8, beta2=0.95)|rows|{name}"] = sparse_adam(torch_type)
        for spec, run, both in NUMPY_CASES:
            for n in ALL if both or name == "f64" else []:
                arrays[f"{spec}|{n}|{name}"] = run(n, numpy_type)
    for spec, make in HESSIAN_CASES:
        names = ["m", "v"]
        kept, _ = with_torch(make, names, torch.float64, extra=lambda t: dict(
            hessian=[torch.tensor(HESSIANS[n][t - 1]) for n in names]) if t % 2 == 1 else {})
        for n in names:
            arrays[f"{spec}|{n}|f64|hessian"] = kept[n]
    lookahead_cases(arrays)
    averages(arrays)
    lbfgs(arrays)
    about = {p: importlib.metadata.version(p) for p in
             ("torch", "optax", "jax", "schedulefree", "prodigyopt", "dadaptation", "pytorch_optimizer")}
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "optim_shapes.safetensors")
    save_safetensors(path, arrays, about | {"written_by": os.path.basename(__file__), "steps": str(STEPS)})
    print(f"{path}: {len(arrays)} arrays, {os.path.getsize(path)} bytes, {about}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes elements.safetensors: trajectories of the element and layer rules and of every dialect, for
tests/optim/elements_test.cpp.

The references, as far as they go: PyTorch; Keras (on PyTorch); Optax with 64-bit numbers; the authors' own packages madgrad
and qhoptim; and for what none of them has, NumPy written from the paper: averages as sums over all past gradients, in f64
also where the test runs in f32. Versions stand in the file's metadata. Run without arguments:

    pip install torch keras optax madgrad qhoptim
    python3 make_element_vectors.py

Keys: "start", "gradients/KIND" (f64), and "SPEC|KIND|DTYPE": the parameter after steps 1, 2, 3, 10 and 100, which has the
first numbers of "start" in a shape that changes from spec to spec. In the kind "scheduled" step t has lr/t^0.5. In the kind
"tiny" (gradients of 1e-12) the parameter starts from 0, or f32 would not see it move.
"""
import os

os.environ["KERAS_BACKEND"] = "torch"
os.environ["JAX_PLATFORMS"] = "cpu"

import warnings

warnings.filterwarnings("ignore")

import jax

jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp
import keras
import madgrad
import numpy as np
import optax
import qhoptim
import qhoptim.pyt
import torch
from optax import contrib

from make_optim_vectors import COUNT, STEPS, gradients, save_safetensors

LAST = max(STEPS)
SHAPES = [(12,), (3, 4), (2, 3, 2), (2, 1, 3, 2), ()]
KINDS = ["random", "sparse", "constant", "tiny", "huge", "scheduled"]


def scheduled(lr, kind):
    return [lr / np.sqrt(t) if kind == "scheduled" else lr for t in range(1, LAST + 1)]


# ---- libraries -----------------------------------------------------------------------------------------------------------


def by_torch(make, lr, **options):
    def run(start, grads, lrs):
        kept_dtype = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64 if start.dtype == np.float64 else torch.float32)
        w = torch.tensor(start, requires_grad=True)
        opt = make([w], lr=lrs[0], **options)
        out = []
        for g, rate in zip(grads, lrs):
            opt.param_groups[0]["lr"] = rate
            w.grad = torch.tensor(g)
            opt.step()
            out.append(w.detach().numpy().copy())
        torch.set_default_dtype(kept_dtype)
        return out

    return lr, run



def asgd_average(lr, **options):
    """The state "ax" instead of the parameter."""

    def run(start, grads, lrs):
        torch.set_default_dtype(torch.float64 if start.dtype == np.float64 else torch.float32)
        w = torch.tensor(start, requires_grad=True)
        opt = torch.optim.ASGD([w], lr=lrs[0], **options)
        out = []
        for g in grads:
            w.grad = torch.tensor(g)
            opt.step()
            out.append(opt.state[w]["ax"].numpy().copy())
        torch.set_default_dtype(torch.float32)
        return out

    return lr, run


def by_keras(make, lr, **options):
    def run(start, grads, lrs):
        keras.config.set_floatx(str(start.dtype))
        w = keras.Variable(start, dtype=str(start.dtype))
        opt = make(learning_rate=lrs[0], **options)
        out = []
        for g, rate in zip(grads, lrs):
            opt.learning_rate = rate
            opt.apply([torch.tensor(g)], [w])
            out.append(w.value.detach().numpy().copy())
        return out

    return lr, run


def by_optax(make, lr, **options):
    def run(start, grads, lrs):
        table = jnp.asarray(np.asarray(lrs, dtype=start.dtype))
        opt = make(lambda count: table[count], **options)

        @jax.jit
        def walk(w, gs):
            def step(carry, g):
                w, state = carry
                updates, state = opt.update(g, state, w)
                w = optax.apply_updates(w, updates)
                return (w, state), w

            return jax.lax.scan(step, (w, opt.init(w)), gs)[1]

        return list(np.asarray(walk(jnp.asarray(start), jnp.asarray(grads))))

    return lr, run


# ---- NumPy, from the papers ------------------------------------------------------------------------------------------------


def average(past, beta):
    """The exponential average after these values, as a sum over all of them."""
    n = len(past)
    return sum((1 - beta) * beta ** (n - 1 - k) * past[k] for k in range(n))


def corrected(past, beta):
    """The same, divided by what the weights add up to."""
    weights = [beta ** (len(past) - 1 - k) for k in range(len(past))]
    return sum(a * x for a, x in zip(weights, past)) / sum(weights)


def by_numpy(rule, lr, **options):
    """rule(w, past gradients, lr, memory, **options) -> w; always in f64."""

    def run(start, grads, lrs):
        w, past, memory, out = np.float64(start), [], {}, []
        for g, rate in zip(np.float64(grads), lrs):
            past.append(g)
            w = rule(w, past, rate, memory, **options)
            out.append(np.asarray(w).astype(start.dtype))
        return out

    return lr, run


def sgd_keras_dampened(w, past, lr, memory, mu, dampening):
    terms = memory.setdefault("terms", [])  # the velocity is a sum of steps
    terms.append(lr * past[-1] * (1 if not terms else 1 - dampening))
    return w - sum(mu ** (len(terms) - 1 - k) * terms[k] for k in range(len(terms)))


def adagrad_tf1(w, past, lr, memory, start, decay=0.0):
    g = memory.setdefault("g", [])
    g.append(past[-1] + decay * w)
    return w - lr * g[-1] / np.sqrt(start + sum(x * x for x in g))


def rmsprop_tf1(w, past, lr, memory, rho, eps, mu=0.0, centered=False, decay=0.0):
    g = memory.setdefault("g", [])
    g.append(past[-1] + decay * w)
    t = len(g)
    v = rho**t + average([x * x for x in g], rho)
    if centered:
        v = np.maximum(v - average(g, rho) ** 2, 0)
    steps = memory.setdefault("steps", [])
    steps.append(lr * g[-1] / np.sqrt(v + eps))
    return w - sum(mu ** (t - 1 - k) * steps[k] for k in range(t))


def rmsprop_graves(w, past, lr, memory, rho, eps, mu):
    t = len(past)
    variance = average([g * g for g in past], rho) - average(past, rho) ** 2
    steps = memory.setdefault("steps", [])
    steps.append(lr * past[-1] / np.sqrt(np.maximum(variance, 0) + eps))
    return w - sum(mu ** (t - 1 - k) * steps[k] for k in range(t))


def adam_tf1(w, past, lr, memory, b1, b2, eps, decay=0.0):
    g = memory.setdefault("g", [])
    g.append(past[-1] + decay * w)
    t = len(g)
    rate = lr * np.sqrt(1 - b2**t) / (1 - b1**t)
    return w - rate * average(g, b1) / (np.sqrt(average([x * x for x in g], b2)) + eps)


def adamw_paper(w, past, lr, memory, b1, b2, eps, decay):
    step = lr * corrected(past, b1) / (np.sqrt(corrected([g * g for g in past], b2)) + eps)
    return w - step - decay * w


def adamax_paper(w, past, lr, memory, b1, b2, decay=0.0):
    g = memory.setdefault("g", [])
    g.append(past[-1] + decay * w)
    u = np.max([b2 ** (len(g) - 1 - k) * np.abs(g[k]) for k in range(len(g))], axis=0)
    return w - lr * np.divide(corrected(g, b1), u, out=np.zeros_like(u), where=u > 0)


def nadamw_algoperf(w, past, lr, memory, b1, b2, eps, decay):
    t = len(past)
    m = (b1 * average(past, b1) + (1 - b1) * past[-1]) / (1 - b1**t)
    return w - lr * (m / (np.sqrt(corrected([g * g for g in past], b2)) + eps) + decay * w)


def adan(w, past, lr, memory, b1=0.98, b2=0.92, b3=0.99, eps=1e-8, decay=0.0, no_prox=False):
    change = [0 * past[0]] + [b - a for a, b in zip(past, past[1:])]
    squares = [(g + b2 * d) ** 2 for g, d in zip(past, change)]
    step = lr * (corrected(past, b1) + b2 * corrected(change, b2)) / (np.sqrt(corrected(squares, b3)) + eps)
    return w * (1 - lr * decay) - step if no_prox else (w - step) / (1 + lr * decay)


def adopt(w, past, lr, memory, b1=0.9, b2=0.9999, eps=1e-6, decay=0.0, decoupled=False):
    g = memory.setdefault("g", [])
    g.append(past[-1] + (0 if decoupled else decay * w))
    w = w * (1 - lr * decay) if decoupled else w
    t = len(g) - 1  # the paper counts from 0
    if t == 0:
        return w
    v = b2 ** (t - 1) * g[0] ** 2 + sum((1 - b2) * b2 ** (t - 1 - k) * g[k] ** 2 for k in range(1, t))
    normed = memory.setdefault("normed", [])
    normed.append(np.clip(g[t] / np.maximum(np.sqrt(v), eps), -(t**0.25), t**0.25))
    return w - lr * average(normed, b1)


def signum(w, past, lr, memory, beta, decay):
    return w - lr * (np.sign(average(past, beta)) + decay * w)


def qhm(w, past, lr, memory, beta, nu):
    return w - lr * ((1 - nu) * past[-1] + nu * average(past, beta))


def qhadam(w, past, lr, memory, b1, b2, nu1, nu2, eps=1e-8):
    above = (1 - nu1) * past[-1] + nu1 * corrected(past, b1)
    below = (1 - nu2) * past[-1] ** 2 + nu2 * corrected([g * g for g in past], b2)
    return w - lr * above / (np.sqrt(below) + eps)


def ftrl_paper(w, past, lr, memory, beta, l1, l2):
    """McMahan's algorithm 1 with the weights of all steps remembered; l2 is the paper's lambda2."""
    memory.setdefault("w", []).append(w)
    n = np.cumsum([g * g for g in past], axis=0)
    root = np.sqrt(np.concatenate([0 * n[:1], n]))
    z = sum(past) - sum((root[k + 1] - root[k]) / lr * memory["w"][k] for k in range(len(past)))
    return np.where(np.abs(z) <= l1, 0, -(z - np.sign(z) * l1) / ((beta + root[-1]) / lr + l2))


def mars(w, past, lr, memory, b1=0.95, b2=0.99, gamma=0.025, eps=1e-8, decay=0.0):
    before = past[-2] if len(past) > 1 else 0 * past[-1]
    c = past[-1] + gamma * b1 / (1 - b1) * (past[-1] - before)
    cs = memory.setdefault("c", [])
    cs.append(c / max(1, np.linalg.norm(np.ravel(c))))
    return w - lr * (corrected(cs, b1) / (np.sqrt(corrected([x * x for x in cs], b2)) + eps) + decay * w)


def novograd(w, past, lr, memory, b1, b2, eps=1e-8, decay=0.0, averaging=False):
    norms = [np.sum(g * g) for g in past]
    t = len(past)
    v = b2 ** (t - 1) * norms[0] + sum((1 - b2) * b2 ** (t - 1 - k) * norms[k] for k in range(1, t))
    terms = memory.setdefault("terms", [])
    terms.append((1 - b1 if averaging else 1) * (past[-1] / (np.sqrt(v) + eps) + decay * w))
    return w - lr * sum(b1 ** (t - 1 - k) * terms[k] for k in range(t))


def lars_paper(w, past, lr, memory, eta=0.001, mu=0.9, decay=0.0, nesterov=False):
    def norm(x):
        return np.linalg.norm(np.ravel(x))

    g = past[-1]
    below = norm(g) + decay * norm(w)
    rate = lr * (eta * norm(w) / below if norm(w) * below > 0 else 1)
    steps = memory.setdefault("steps", [])
    steps.append(rate * (g + decay * w))
    t = len(steps)
    v = sum(mu ** (t - 1 - k) * steps[k] for k in range(t))
    return w - (steps[-1] + mu * v if nesterov else v)


def ademamix_warm(w, past, lr, memory, b1, b2, b3, alpha, t_alpha, t_beta, eps=1e-8):
    """With the schedules of section 3.1, equations for alpha(t) and beta3(t)."""
    t = len(past)
    a = min(t / t_beta, 1.0)
    keeps = memory.setdefault("keeps", [])
    keeps.append(min(np.exp(np.log(b1) * np.log(b3) / ((1 - a) * np.log(b3) + a * np.log(b1))), b3))
    slow = sum((1 - keeps[k]) * np.prod(keeps[k + 1:]) * past[k] for k in range(t))
    above = corrected(past, b1) + min(t * alpha / t_alpha, alpha) * slow
    return w - lr * above / (np.sqrt(corrected([g * g for g in past], b2)) + eps)


def decayed(make, decay):
    """Optax' own way to put a decoupled decay after a rule that has none."""

    def chained(lr, **options):
        return optax.chain(make(1.0, **options), optax.scale(-1.0), optax.add_decayed_weights(decay),
                           optax.scale_by_learning_rate(lr))

    return chained


# ---- the cases ---------------------------------------------------------------------------------------------------------------

T, K, O = torch.optim, keras.optimizers, optax


def maximized(case):
    lr, run = case
    return lr, lambda start, grads, lrs: run(start, -grads, lrs)


CASES = {
    # PyTorch
    "nadam": by_torch(T.NAdam, 2e-3),
    "nadam(lr=0.01, beta1=0.8, beta2=0.95, eps=1e-6, momentum_decay=0.05)":
        by_torch(T.NAdam, 0.01, betas=(0.8, 0.95), eps=1e-6, momentum_decay=0.05),
    "nadam(lr=0.01, weight_decay=0.1)": by_torch(T.NAdam, 0.01, weight_decay=0.1),
    "nadam(lr=0.01, weight_decay=0.1, decoupled_weight_decay=true, maximize=true)":
        by_torch(T.NAdam, 0.01, weight_decay=0.1, decoupled_weight_decay=True, maximize=True),
    "nadamw": by_torch(T.NAdam, 2e-3, weight_decay=0.01, decoupled_weight_decay=True),
    "nadamw(lr=0.01, beta1=0.8, beta2=0.95, eps=1e-6, momentum_decay=0.05, weight_decay=0.2)":
        by_torch(T.NAdam, 0.01, betas=(0.8, 0.95), eps=1e-6, momentum_decay=0.05, weight_decay=0.2, decoupled_weight_decay=True),
    "adadelta": by_torch(T.Adadelta, 1.0),
    "adadelta(lr=0.5, rho=0.95, eps=1e-5)": by_torch(T.Adadelta, 0.5, rho=0.95, eps=1e-5),
    "adadelta(weight_decay=0.1, maximize=true)": by_torch(T.Adadelta, 1.0, weight_decay=0.1, maximize=True),
    "adamax": by_torch(T.Adamax, 2e-3),
    "adamax(lr=0.01, beta1=0.8, beta2=0.95, eps=1e-6)": by_torch(T.Adamax, 0.01, betas=(0.8, 0.95), eps=1e-6),
    "adamax(lr=0.01, weight_decay=0.1, maximize=true)": by_torch(T.Adamax, 0.01, weight_decay=0.1, maximize=True),
    "asgd": by_torch(T.ASGD, 1e-2),
    "asgd(lr=0.05, lambd=0.01, alpha=0.6, t0=4)": by_torch(T.ASGD, 0.05, lambd=0.01, alpha=0.6, t0=4),
    "asgd(lr=0.05, weight_decay=0.1, maximize=true)": by_torch(T.ASGD, 0.05, weight_decay=0.1, maximize=True),
    "asgd(lr=0.05, lambd=0.01, t0=4)#average": asgd_average(0.05, lambd=0.01, t0=4),
    "asgd(lr=0.05)#average": asgd_average(0.05),
    "rprop": by_torch(T.Rprop, 1e-2),
    "rprop(lr=0.1, etaminus=0.3, etaplus=1.5, step_size_min=1e-3, step_size_max=0.2)":
        by_torch(T.Rprop, 0.1, etas=(0.3, 1.5), step_sizes=(1e-3, 0.2)),
    "rprop(lr=0.1, maximize=true)": by_torch(T.Rprop, 0.1, maximize=True),
    "radam": by_torch(T.RAdam, 1e-3),
    "radam(lr=0.01, beta1=0.8, beta2=0.95, eps=1e-6)": by_torch(T.RAdam, 0.01, betas=(0.8, 0.95), eps=1e-6),
    "radam(lr=0.01, weight_decay=0.1)": by_torch(T.RAdam, 0.01, weight_decay=0.1),
    "radam(lr=0.01, weight_decay=0.1, decoupled_weight_decay=true, maximize=true)":
        by_torch(T.RAdam, 0.01, weight_decay=0.1, decoupled_weight_decay=True, maximize=True),
    "amsgrad": by_torch(T.Adam, 1e-3, amsgrad=True),
    "amsgrad(lr=0.01, beta1=0.8, beta2=0.95, eps=1e-6, weight_decay=0.1)":
        by_torch(T.Adam, 0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1, amsgrad=True),
    # dialects
    "sgd(lr=0.05, momentum=0.9, dialect=keras)": by_keras(K.SGD, 0.05, momentum=0.9),
    "sgd(lr=0.05, momentum=0.9, nesterov=true, dialect=keras)": by_keras(K.SGD, 0.05, momentum=0.9, nesterov=True),
    "sgd(lr=0.05, momentum=0.9, weight_decay=0.1, dialect=keras)": by_keras(K.SGD, 0.05, momentum=0.9, weight_decay=0.1),
    "sgd(lr=0.05, weight_decay=0.1, dialect=keras)": by_keras(K.SGD, 0.05, weight_decay=0.1),
    "sgd(lr=0.05, momentum=0.9, dialect=paper)": by_keras(K.SGD, 0.05, momentum=0.9),
    "sgd(lr=0.05, momentum=0.9, dampening=0.25, dialect=paper)": by_numpy(sgd_keras_dampened, 0.05, mu=0.9, dampening=0.25),
    "sgd(lr=0.05, momentum=0.9, dialect=optax)": by_optax(O.sgd, 0.05, momentum=0.9),
    "sgd(lr=0.05, momentum=0.9, nesterov=true, dialect=optax)": by_optax(O.sgd, 0.05, momentum=0.9, nesterov=True),
    "adagrad(lr=0.1, initial_accumulator_value=0.1, eps=1e-7, dialect=keras)":
        by_keras(K.Adagrad, 0.1, initial_accumulator_value=0.1, epsilon=1e-7),
    "adagrad(lr=0.1, eps=0.01, weight_decay=0.1, dialect=keras)":
        by_keras(K.Adagrad, 0.1, initial_accumulator_value=0.0, epsilon=0.01, weight_decay=0.1),
    "adagrad(lr=0.1, initial_accumulator_value=0.1, eps=1e-7, dialect=optax)": by_optax(O.adagrad, 0.1),
    "adagrad(lr=0.1, eps=0.01, dialect=optax)": by_optax(O.adagrad, 0.1, initial_accumulator_value=0.0, eps=0.01),
    "adagrad(lr=0.1, initial_accumulator_value=0.2, weight_decay=0.1, dialect=tf1)":
        by_numpy(adagrad_tf1, 0.1, start=0.2, decay=0.1),
    "adagrad(lr=0.1, weight_decay=0.1, dialect=paper)": by_torch(T.Adagrad, 0.1, weight_decay=0.1),
    "rmsprop(alpha=0.9, eps=1e-7, dialect=keras)": by_keras(K.RMSprop, 1e-2, rho=0.9, epsilon=1e-7),
    "rmsprop(lr=0.02, eps=0.01, momentum=0.9, dialect=keras)":
        by_keras(K.RMSprop, 0.02, rho=0.99, epsilon=0.01, momentum=0.9),
    "rmsprop(lr=0.02, eps=0.01, momentum=0.9, centered=true, weight_decay=0.1, dialect=keras)":
        by_keras(K.RMSprop, 0.02, rho=0.99, epsilon=0.01, momentum=0.9, centered=True, weight_decay=0.1),
    "rmsprop(alpha=0.9, dialect=optax)": by_optax(O.rmsprop, 1e-2),
    "rmsprop(lr=0.02, alpha=0.9, eps=0.01, momentum=0.8, dialect=optax)": by_optax(O.rmsprop, 0.02, eps=0.01, momentum=0.8),
    "rmsprop(lr=0.02, alpha=0.9, eps=0.01, centered=true, dialect=optax)": by_optax(O.rmsprop, 0.02, eps=0.01, centered=True),
    "rmsprop(alpha=0.9, eps=1e-10, dialect=tf1)": by_numpy(rmsprop_tf1, 1e-2, rho=0.9, eps=1e-10),
    "rmsprop(alpha=0.9, eps=0.01, momentum=0.8, centered=true, weight_decay=0.1, dialect=tf1)":
        by_numpy(rmsprop_tf1, 1e-2, rho=0.9, eps=0.01, mu=0.8, centered=True, decay=0.1),
    "rmsprop(lr=1e-4, alpha=0.95, eps=1e-4, momentum=0.9, centered=true, dialect=paper)":
        by_numpy(rmsprop_graves, 1e-4, rho=0.95, eps=1e-4, mu=0.9),
    "adam(eps=1e-7, dialect=keras)": by_keras(K.Adam, 1e-3, epsilon=1e-7),
    "adam(lr=0.01, beta1=0.8, beta2=0.95, eps=0.01, weight_decay=0.1, dialect=keras)":
        by_keras(K.Adam, 0.01, beta_1=0.8, beta_2=0.95, epsilon=0.01, weight_decay=0.1),
    "adam(lr=0.01, eps=0.01, amsgrad=true, dialect=keras)": by_keras(K.Adam, 0.01, epsilon=0.01, amsgrad=True),
    "adam(lr=0.01, dialect=optax)": by_optax(O.adam, 0.01),
    "adam(lr=0.01, eps=0.01, amsgrad=true, dialect=optax)": by_optax(O.amsgrad, 0.01, eps=0.01),
    "adam(lr=0.01, beta1=0.8, beta2=0.95, eps=0.01, weight_decay=0.1, dialect=tf1)":
        by_numpy(adam_tf1, 0.01, b1=0.8, b2=0.95, eps=0.01, decay=0.1),
    "adam(lr=0.01, dialect=paper)": by_torch(T.Adam, 0.01),
    "adamw(weight_decay=4e-3, eps=1e-7, dialect=keras)": by_keras(K.AdamW, 1e-3, weight_decay=4e-3, epsilon=1e-7),
    "adamw(lr=0.01, beta1=0.8, beta2=0.95, eps=0.01, weight_decay=0.1, amsgrad=true, dialect=keras)":
        by_keras(K.AdamW, 0.01, beta_1=0.8, beta_2=0.95, epsilon=0.01, weight_decay=0.1, amsgrad=True),
    "adamw(weight_decay=1e-4, dialect=optax)": by_optax(O.adamw, 1e-3),
    "adamw(lr=0.01, weight_decay=0.1, amsgrad=true, dialect=optax)": by_optax(decayed(O.amsgrad, 0.1), 0.01),
    "adamw(lr=0.01, beta1=0.8, beta2=0.95, weight_decay=0.02, dialect=paper)":
        by_numpy(adamw_paper, 0.01, b1=0.8, b2=0.95, eps=1e-8, decay=0.02),
    "amsgrad(lr=0.01, eps=0.01, dialect=optax)": by_optax(O.amsgrad, 0.01, eps=0.01),
    "amsgrad(lr=0.01, dialect=paper)": by_optax(O.amsgrad, 0.01, bias_correction_mu=False, bias_correction_nu=False),
    "nadam(eps=1e-7, dialect=keras)": by_keras(K.Nadam, 2e-3, epsilon=1e-7),
    "nadam(lr=0.01, beta1=0.8, beta2=0.95, weight_decay=0.1, momentum_decay=0.5, dialect=keras)":
        by_keras(K.Nadam, 0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-8, weight_decay=0.1),
    "nadam(dialect=optax)": by_optax(O.nadam, 2e-3),
    "nadam(lr=0.01, beta1=0.8, beta2=0.95, weight_decay=0.1, decoupled_weight_decay=true, dialect=optax)":
        by_optax(O.nadamw, 0.01, b1=0.8, b2=0.95, weight_decay=0.1),
    "nadamw(weight_decay=1e-4, dialect=optax)": by_optax(O.nadamw, 2e-3),
    "nadamw(lr=0.01, beta1=0.8, beta2=0.95, weight_decay=0.1, dialect=algoperf)":
        by_numpy(nadamw_algoperf, 0.01, b1=0.8, b2=0.95, eps=1e-8, decay=0.1),
    "adadelta(lr=0.1, rho=0.95, eps=1e-7, dialect=keras)": by_keras(K.Adadelta, 0.1, rho=0.95, epsilon=1e-7),
    "adadelta(lr=0.1, weight_decay=0.1, dialect=keras)": by_keras(K.Adadelta, 0.1, rho=0.9, epsilon=1e-6, weight_decay=0.1),
    "adadelta(lr=0.5, weight_decay=0.1, dialect=optax)": by_optax(O.adadelta, 0.5, weight_decay=0.1),
    "adamax(eps=1e-7, dialect=keras)": by_keras(K.Adamax, 2e-3, epsilon=1e-7),
    "adamax(lr=0.01, beta1=0.8, beta2=0.95, eps=0.01, weight_decay=0.1, dialect=keras)":
        by_keras(K.Adamax, 0.01, beta_1=0.8, beta_2=0.95, epsilon=0.01, weight_decay=0.1),
    "adamax(lr=0.01, eps=0.01, dialect=optax)": by_optax(O.adamax, 0.01, eps=0.01),
    "adamax(lr=0.01, beta2=0.9, weight_decay=0.1, dialect=paper)": by_numpy(adamax_paper, 0.01, b1=0.9, b2=0.9, decay=0.1),
    # not in PyTorch
    "ftrl": by_keras(K.Ftrl, 1e-3),
    "ftrl(lr=0.1, l1=0.5, l2=0.2, l2_shrinkage=0.1, beta=0.3)":
        by_keras(K.Ftrl, 0.1, l1_regularization_strength=0.5, l2_regularization_strength=0.2,
                 l2_shrinkage_regularization_strength=0.1, beta=0.3),
    "ftrl(lr=0.1, lr_power=-0.7, initial_accumulator_value=0.3)":
        by_keras(K.Ftrl, 0.1, learning_rate_power=-0.7, initial_accumulator_value=0.3),
    "ftrl(lr=0.1, initial_accumulator_value=0, l1=1.0, l2=0.25, beta=0.5)#constant":
        by_numpy(ftrl_paper, 0.1, beta=0.5, l1=1.0, l2=0.5),
    "yogi": by_optax(O.yogi, 1e-2),
    "yogi(lr=0.05, beta1=0.8, beta2=0.95, eps=0.01)": by_optax(O.yogi, 0.05, b1=0.8, b2=0.95, eps=0.01),
    "yogi(initial_accumulator_value=0.5, maximize=true)":
        maximized(by_optax(lambda lr: optax.chain(optax.scale_by_yogi(initial_accumulator_value=0.5),
                                                  optax.scale_by_learning_rate(lr)), 1e-2)),
    "adabelief": by_optax(O.adabelief, 1e-3),
    "adabelief(lr=0.01, beta1=0.8, beta2=0.95, eps=1e-6)": by_optax(O.adabelief, 0.01, b1=0.8, b2=0.95, eps=1e-6, eps_root=1e-6),
    "adabelief(lr=0.01, eps=1e-6, weight_decay=0.1)": by_optax(decayed(O.adabelief, 0.1), 0.01, eps=1e-6, eps_root=1e-6),
    "adan": by_numpy(adan, 1e-3),
    "adan(lr=0.01, beta1=0.9, beta2=0.8, beta3=0.95, eps=1e-6, weight_decay=0.1)":
        by_numpy(adan, 0.01, b1=0.9, b2=0.8, b3=0.95, eps=1e-6, decay=0.1),
    "adan(lr=0.01, weight_decay=0.1, no_prox=true)": by_numpy(adan, 0.01, decay=0.1, no_prox=True),
    "ademamix": by_optax(contrib.ademamix, 1e-3),
    "ademamix(lr=0.01, beta1=0.8, beta2=0.95, beta3=0.99, alpha=3, eps=1e-6, weight_decay=0.1)":
        by_optax(contrib.ademamix, 0.01, b1=0.8, b2=0.95, b3=0.99, alpha=3.0, eps=1e-6, weight_decay=0.1),
    "ademamix(lr=0.01, alpha_warmup=20, beta3_warmup=50)":
        by_numpy(ademamix_warm, 0.01, b1=0.9, b2=0.999, b3=0.9999, alpha=5.0, t_alpha=20, t_beta=50),
    "mars": by_numpy(mars, 3e-3),
    "mars(lr=0.01, beta1=0.8, beta2=0.95, gamma=0.2, eps=1e-6, weight_decay=0.1)":
        by_numpy(mars, 0.01, b1=0.8, b2=0.95, gamma=0.2, eps=1e-6, decay=0.1),
    "adopt": by_optax(contrib.adopt, 1e-3),
    "adopt(lr=0.01, beta1=0.8, beta2=0.95, eps=0.01)": by_optax(contrib.adopt, 0.01, b1=0.8, b2=0.95, eps=0.01),
    "adopt(lr=0.01, beta2=0.99, weight_decay=0.1)": by_numpy(adopt, 0.01, b2=0.99, decay=0.1),
    "adopt(lr=0.01, beta2=0.99, weight_decay=0.1, decoupled_weight_decay=true)":
        by_numpy(adopt, 0.01, b2=0.99, decay=0.1, decoupled=True),
    "novograd": by_numpy(novograd, 1e-3, b1=0.95, b2=0.98),
    "novograd(lr=0.01, beta1=0.9, beta2=0.25, eps=1e-6)": by_optax(O.novograd, 0.01),
    "novograd(lr=0.01, beta1=0.9, beta2=0.25, eps=0.01, weight_decay=0.1)": by_optax(O.novograd, 0.01, eps=0.01, weight_decay=0.1),
    "novograd(lr=0.01, weight_decay=0.1, grad_averaging=true)":
        by_numpy(novograd, 0.01, b1=0.95, b2=0.98, decay=0.1, averaging=True),
    "madgrad": by_torch(madgrad.MADGRAD, 1e-2),
    "madgrad(lr=0.05, momentum=0.5, weight_decay=0.1, eps=1e-4)":
        by_torch(madgrad.MADGRAD, 0.05, momentum=0.5, weight_decay=0.1, eps=1e-4),
    "madgrad(momentum=0)": by_torch(madgrad.MADGRAD, 1e-2, momentum=0.0),
    "madgrad(weight_decay=0.1, decoupled_weight_decay=true)":
        by_torch(madgrad.MADGRAD, 1e-2, weight_decay=0.1, decouple_decay=True),
    "signum": by_optax(O.signum, 1e-3),
    "signum(lr=0.01, momentum=0)": by_optax(O.sign_sgd, 0.01),
    "signum(lr=0.01, momentum=0.7, weight_decay=0.1)": by_numpy(signum, 0.01, beta=0.7, decay=0.1),
    "qhm": by_numpy(qhm, 1.0, beta=0.999, nu=0.7),
    "qhm(lr=0.1, momentum=0.9, nu=0.5, weight_decay=0.1)":
        by_torch(qhoptim.pyt.QHM, 0.1, momentum=0.9, nu=0.5, weight_decay=0.1),
    "qhm(lr=0.1, momentum=0.9, weight_decay=0.1, decoupled_weight_decay=true)":
        by_torch(qhoptim.pyt.QHM, 0.1, momentum=0.9, nu=0.7, weight_decay=0.1, weight_decay_type="direct"),
    "qhadam": by_numpy(qhadam, 1e-3, b1=0.995, b2=0.999, nu1=0.7, nu2=1.0),
    "qhadam(lr=0.01, beta1=0.9, beta2=0.95, nu1=0.6, nu2=0.8, eps=1e-6, weight_decay=0.1)":
        by_torch(qhoptim.pyt.QHAdam, 0.01, betas=(0.9, 0.95), nus=(0.6, 0.8), eps=1e-6, weight_decay=0.1),
    "qhadam(lr=0.01, weight_decay=0.1, decoupled_weight_decay=true)":
        by_torch(qhoptim.pyt.QHAdam, 0.01, betas=(0.995, 0.999), nus=(0.7, 1.0), weight_decay=0.1, decouple_weight_decay=True),
    "lars": by_numpy(lars_paper, 1e-3),
    "lars(lr=0.5, momentum=0.8, weight_decay=0.1, trust_coefficient=0.01)":
        by_numpy(lars_paper, 0.5, eta=0.01, mu=0.8, decay=0.1),
    "lars(lr=0.5, weight_decay=0.1, nesterov=true)": by_numpy(lars_paper, 0.5, decay=0.1, nesterov=True),
    "lars(lr=0.5, weight_decay=0.1, eps=0.01, dialect=optax)": by_optax(O.lars, 0.5, weight_decay=0.1, eps=0.01),
    "lars(lr=0.5, trust_coefficient=0.01, nesterov=true, dialect=optax)":
        by_optax(O.lars, 0.5, trust_coefficient=0.01, nesterov=True),
    "madgrad(momentum=0.5, eps=0)": by_torch(madgrad.MADGRAD, 1e-2, momentum=0.5, eps=0.0),
    "lion": by_optax(O.lion, 1e-4, weight_decay=0),
    "lion(lr=0.01, beta1=0.8, beta2=0.95, weight_decay=0.1)": by_optax(O.lion, 0.01, b1=0.8, b2=0.95, weight_decay=0.1),
    "lamb": by_optax(O.lamb, 1e-3),
    "lamb(lr=0.02, beta1=0.8, beta2=0.95, eps=0.01, weight_decay=0.1)":
        by_optax(O.lamb, 0.02, b1=0.8, b2=0.95, eps=0.01, weight_decay=0.1),
}


def trajectories(number, key, start, all_grads):
    """The arrays of one case."""
    arrays = {}
    lr, run = CASES[key]
    shape = SHAPES[number % len(SHAPES)]
    size = int(np.prod(shape))
    spec, _, mark = key.partition("#")
    for kind in KINDS:
        if kind == "scheduled" and (spec.startswith("asgd") or mark == "constant"):
            continue  # a reference that has only one lr
        grads = all_grads["random" if kind == "scheduled" else kind]
        for name, dtype in (("f64", np.float64), ("f32", np.float32)):
            w = ((kind != "tiny") * start[:size]).astype(dtype).reshape(shape)
            g = grads[:, :size].astype(dtype).reshape((LAST,) + shape)
            out = run(w, g, scheduled(lr, kind))
            kept = np.stack([np.asarray(out[t - 1]) for t in STEPS])
            assert kept.dtype == dtype and kept.shape == (len(STEPS),) + shape, (key, kept.dtype, kept.shape)
            arrays[f"{spec}{'#average' if mark == 'average' else ''}|{kind}|{name}"] = kept
    return arrays


def main():
    start = np.random.default_rng(7).standard_normal(COUNT)
    all_grads = gradients()
    arrays = {"start": start, **{"gradients/" + kind: g for kind, g in all_grads.items()}}
    for number, key in enumerate(CASES):
        arrays.update(trajectories(number, key, start, all_grads))
        print(key, flush=True)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "elements.safetensors")
    about = {"pytorch": torch.__version__, "keras": keras.__version__, "optax": optax.__version__, "jax": jax.__version__,
             "numpy": np.__version__, "madgrad": "1.3", "qhoptim": "1.1.0", "written_by": "make_element_vectors.py"}
    save_safetensors(path, arrays, about)
    print(f"{path}: {len(arrays)} arrays, {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    main()

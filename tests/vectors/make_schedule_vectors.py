#!/usr/bin/env python3
"""Writes schedules.safetensors: the values of each of torch.optim.lr_scheduler's schedules, for tests/optim/schedule_test.cpp.

Keys: our spec, then "|" and the option if it is not lr; the value is f64[steps], the option before each step. "metrics":
what ReduceLROnPlateau was told after each step. Needs PyTorch; its version stands in the file's metadata.
"""
import math
import os
import warnings

import numpy as np
import torch
from torch.optim import lr_scheduler as S

from make_optim_vectors import save_safetensors

STEPS = 100
LR = 0.1


def values(make, base=LR, metrics=None, option="lr", steps=STEPS):
    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    opt = torch.optim.SGD([w], lr=base, momentum=0.9)
    schedule = make(opt)
    seen = []
    for k in range(steps):
        seen.append(opt.param_groups[0][option])
        opt.step()
        if metrics is not None:
            schedule.step(metrics[k])
        elif k + 1 < steps:
            schedule.step()
    return np.array(seen, dtype=np.float64)


def warm_cosine(o):
    return S.SequentialLR(o, [S.LinearLR(o, 0.25, 1.0, 10), S.CosineAnnealingLR(o, 90)], [10])


def phases(o):
    return S.SequentialLR(o, [S.ConstantLR(o, 0.5, 100), S.ExponentialLR(o, 0.9), S.StepLR(o, 7, 0.5)], [20, 50])


def chained(o):
    return S.ChainedScheduler([S.ConstantLR(o, 0.5, 4), S.ExponentialLR(o, 0.97), S.LinearLR(o, 0.2, 1.0, 30)], o)


CASES = {
    "constant(0.1, factor=0.3333333333333333, total=5)": lambda o: S.ConstantLR(o),
    "constant(0.1, factor=0.5, total=40)": lambda o: S.ConstantLR(o, 0.5, 40),
    "step(0.1, size=30)": lambda o: S.StepLR(o, 30),
    "step(0.1, size=7, gamma=0.5)": lambda o: S.StepLR(o, 7, 0.5),
    "multi_step(0.1, 30, 80)": lambda o: S.MultiStepLR(o, [30, 80]),
    "multi_step(0.1, 1, 2, 50, gamma=0.7)": lambda o: S.MultiStepLR(o, [1, 2, 50], 0.7),
    "exponential(0.1, gamma=0.95)": lambda o: S.ExponentialLR(o, 0.95),
    "polynomial(0.1, total=5)": lambda o: S.PolynomialLR(o),
    "polynomial(0.1, total=80, power=2)": lambda o: S.PolynomialLR(o, 80, 2.0),
    "polynomial(0.1, total=60, power=0.5)": lambda o: S.PolynomialLR(o, 60, 0.5),
    "linear(0.03333333333333333, total=5, end=0.1)": lambda o: S.LinearLR(o),
    "linear(0.1, total=70, end=0.01)": lambda o: S.LinearLR(o, 1.0, 0.1, 70),
    "cosine(0.1, total=100)": lambda o: S.CosineAnnealingLR(o, 100),
    "cosine(0.1, total=30, end=0.001, periodic=true)": lambda o: S.CosineAnnealingLR(o, 30, 0.001),
    "cosine_restarts(0.1, period=10)": lambda o: S.CosineAnnealingWarmRestarts(o, 10),
    "cosine_restarts(0.1, period=7, mult=2, end=0.01)": lambda o: S.CosineAnnealingWarmRestarts(o, 7, 2, 0.01),
    "one_cycle(0.1, total=100)": lambda o: S.OneCycleLR(o, 0.1, 100),
    "one_cycle(0.1, total=100, pct_start=0.45, div_factor=10, final_div_factor=100, three_phase=true)":
        lambda o: S.OneCycleLR(o, 0.1, 100, pct_start=0.45, div_factor=10, final_div_factor=100, three_phase=True),
    "one_cycle(0.1, total=100, pct_start=0.25, anneal=linear)":
        lambda o: S.OneCycleLR(o, 0.1, 100, pct_start=0.25, anneal_strategy="linear"),
    "cyclic(0.01, peak=0.1, up=20)": lambda o: S.CyclicLR(o, 0.01, 0.1, 20),
    "cyclic(0.01, peak=0.1, up=8, down=24, mode=triangular2)":
        lambda o: S.CyclicLR(o, 0.01, 0.1, 8, 24, mode="triangular2"),
    "cyclic(0.01, peak=0.1, up=15, mode=exp_range, gamma=0.99)":
        lambda o: S.CyclicLR(o, 0.01, 0.1, 15, mode="exp_range", gamma=0.99),
    "warmup(cosine(0.1, total=90), steps=10, from=0.25)": warm_cosine,
    "sequential(constant(0.05), 20, exponential(0.1, gamma=0.9), 50, step(0.1, size=7, gamma=0.5))": phases,
    "chained(constant(0.1, factor=0.5, total=4), exponential(1, gamma=0.97), linear(0.2, total=30, end=1))": chained,
    "user lambda": lambda o: S.LambdaLR(o, lambda k: 1 / (1 + 0.1 * k)),
    "user multiplicative": lambda o: S.MultiplicativeLR(o, lambda k: 0.95 if k % 3 else 1.02),
}
MOMENTUM = {
    "one_cycle(0.85, total=100, div_factor=0.8947368421052632, final_div_factor=1)|momentum":
        lambda o: S.OneCycleLR(o, 0.1, 100),
    "one_cycle(0.85, total=100, pct_start=0.4, div_factor=0.8947368421052632, final_div_factor=1, three_phase=true)|momentum":
        lambda o: S.OneCycleLR(o, 0.1, 100, pct_start=0.4, three_phase=True),
    "cyclic(0.9, peak=0.8, up=20)|momentum": lambda o: S.CyclicLR(o, 0.01, 0.1, 20),
}
PLATEAU = {
    "plateau(0.1, patience=3)": lambda o: S.ReduceLROnPlateau(o, patience=3),
    "plateau(0.1, factor=0.5, patience=2, threshold=0.05, cooldown=4, min=0.01)":
        lambda o: S.ReduceLROnPlateau(o, factor=0.5, patience=2, threshold=0.05, cooldown=4, min_lr=0.01),
    "plateau(0.1, mode=max, factor=0.5, patience=0, threshold=0.01, threshold_mode=abs)":
        lambda o: S.ReduceLROnPlateau(o, mode="max", factor=0.5, patience=0, threshold=0.01, threshold_mode="abs"),
    "plateau(0.1, mode=max, factor=0.1, patience=1)": lambda o: S.ReduceLROnPlateau(o, mode="max", patience=1),
    "plateau(0.1, factor=0.3, patience=1, threshold=0.1, threshold_mode=abs, eps=0.001)":
        lambda o: S.ReduceLROnPlateau(o, factor=0.3, patience=1, threshold=0.1, threshold_mode="abs", eps=1e-3),
}


def main():
    warnings.simplefilter("ignore")
    r = np.random.default_rng(5)
    metrics = np.exp(-np.arange(STEPS) / 25.0) + 0.05 * r.standard_normal(STEPS)
    arrays = {"metrics": metrics}
    for spec, make in CASES.items():
        arrays[spec] = values(make)
    for spec, make in MOMENTUM.items():
        arrays[spec] = values(make, option="momentum")
    for spec, make in PLATEAU.items():
        arrays[spec] = values(make, metrics=metrics)
    # Far from the start, where a recursion may have drifted: the last 100 of 20000 steps.
    arrays["far|cosine(0.1, total=20000)"] = values(lambda o: S.CosineAnnealingLR(o, 20000), steps=20000)[-100:]
    arrays["far|exponential(0.1, gamma=0.9999)"] = values(lambda o: S.ExponentialLR(o, 0.9999), steps=20000)[-100:]
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "schedules.safetensors")
    save_safetensors(path, arrays, {"pytorch": torch.__version__, "written_by": "make_schedule_vectors.py"})
    print(f"{path}: {len(arrays)} arrays, {os.path.getsize(path)} bytes, PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""PyTorch's side of the workloads of docs/benchmarks.md, at its best.

Every configuration runs in a process of its own: the three forms of its optimizers (loop, foreach, fused), plain and
channels-last layout, eager and torch.compile, glibc's malloc as it is and told to keep its memory. For each workload and
number of threads the fastest median is PyTorch's figure; all are written as JSON lines, the best of them marked.

    python3 -m venv V && V/bin/pip install torch && V/bin/python bench/peers/torch_peer.py --threads 1,2 --json torch.jsonl
"""
import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time

KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "17179869184", "MALLOC_TOP_PAD_": "268435456"}
OPTIMIZERS = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "adam": ("Adam", {}),
    "adamw": ("AdamW", {}),
    "rmsprop": ("RMSprop", {}),
    "adagrad": ("Adagrad", {}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "amsgrad": ("Adam", {"amsgrad": True}),
    "adadelta": ("Adadelta", {}),
    "adamax": ("Adamax", {}),
    "nadam": ("NAdam", {}),
    "radam": ("RAdam", {}),
    "asgd": ("ASGD", {}),
    "rprop": ("Rprop", {}),
    "adafactor": ("Adafactor", {}),
    "muon": ("Muon", {}),
}
BYTES = {"sgd": 12, "momentum": 20, "adam": 28, "adamw": 28, "rmsprop": 20, "adagrad": 20, "nesterov": 20, "amsgrad": 36,
         "adadelta": 28, "adamax": 28, "nadam": 28, "radam": 28, "asgd": 20, "rprop": 28, "adafactor": 12, "muon": 20}
SIZES = {"adamw_4k": 4096, "adamw_1M": 1000000, "adamw_50M": 50000000}
TRAINING = ["W3_lenet_adam", "W3_mnist_example_adam", "W4_resnet20_momentum", "W5_lstm_char", "W5_gru_char", "W5_lstm_rows",
            "W6_gpt_adamw"]  # torch_networks.py has them
OPS = (["W8_" + k for k in ("softmax", "layernorm", "gelu", "exp", "tanh", "add", "sum", "sum_rows", "sum_cols", "matmul512", "bmm64")]
       + ["W8_conv_%s_%s" % (k, end) for k in ("n32_3x32x32_to16", "n32_16x32x32_to16", "n32_32x16x16_to32", "n32_64x8x8_to64",
                                               "n4_64x56x56_to64") for end in ("fwd", "fwdbwd")])
WORKLOADS = (["W1_fwd_bwd", "W1_fwd_tape", "W1_add_nograd"] + ["W2_mlp_" + k for k in ("sgd", "momentum", "adam", "rmsprop")]
             + TRAINING[:3] + ["W5_lstm"] + TRAINING[3:] + ["W7_" + k for k in OPTIMIZERS] + list(SIZES) + OPS)


def optimizer(torch, kind, parameters, form):
    name, options = OPTIMIZERS[kind]
    options = dict(options, lr=1e-3)
    if form == "fused":
        options["fused"] = True
    elif name != "Muon":  # which has one form
        options["foreach"] = form == "foreach"
    return getattr(torch.optim, name)(list(parameters), **options)


def supervised(torch, model, opt, batches, compiled):
    def loss_of(x, t):
        return torch.nn.functional.cross_entropy(model(x), t)

    loss_of = torch.compile(loss_of) if compiled else loss_of
    turn = itertools.cycle(batches)

    def step():
        x, t = next(turn)
        opt.zero_grad(set_to_none=True)
        loss_of(x, t).backward()
        opt.step()
    return step


def build(torch, workload, form, layout, compiled):
    nn = torch.nn
    if workload.startswith("W1"):
        x, w, b = torch.randn(8), torch.randn(8, requires_grad=True), torch.randn(8, requires_grad=True)

        def backward():
            w.grad = b.grad = None
            (x * w + b).relu().sum().backward()

        def unrecorded():
            with torch.no_grad():
                x + w
        return {"W1_fwd_bwd": backward, "W1_fwd_tape": lambda: (x * w + b).relu().sum(), "W1_add_nograd": unrecorded}[workload]
    if workload.startswith("W2"):
        model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
        batches = [(torch.randn(64, 784), torch.randint(0, 10, (64,))) for _ in range(8)]
        return supervised(torch, model, optimizer(torch, workload[7:], model.parameters(), form), batches, compiled)
    if workload in TRAINING:
        import torch_networks
        network, kind, count, make = torch_networks.TRAINING[workload]
        model, batches = network(), [make() for _ in range(count)]
        if layout == "channels_last":
            model = model.to(memory_format=torch.channels_last)
            batches = [(x.to(memory_format=torch.channels_last), t) for x, t in batches]
        return supervised(torch, model, optimizer(torch, kind, model.parameters(), form), batches, compiled)
    if workload.startswith("W8"):
        import torch_networks
        return torch_networks.op(workload, layout)
    if workload == "W5_lstm":
        lstm, x, seed = nn.LSTM(64, 256), torch.randn(64, 32, 64, requires_grad=True), torch.randn(64, 32, 256)

        def sequence():
            lstm.zero_grad(set_to_none=True)
            x.grad = None
            (lstm(x)[0] * seed).sum().backward()
        return sequence
    shapes = [[SIZES[workload]]] if workload in SIZES else [[100, 1000]] * 100
    parameters = [torch.randn(shape, requires_grad=True) for shape in shapes]
    for p in parameters:
        p.grad = torch.randn(p.shape)
    return optimizer(torch, "adamw" if workload in SIZES else workload[3:], parameters, form).step


def measure(step, budget):
    start, calls = time.perf_counter(), 0
    while calls < 5 or time.perf_counter() - start < 0.3 * budget:
        step()
        calls += 1
    per_call = (time.perf_counter() - start) / calls
    inner = max(1, int(2e-4 / per_call))
    samples, end = [], time.perf_counter() + budget
    while time.perf_counter() < end or len(samples) < 5:
        t = time.perf_counter()
        for _ in range(inner):
            step()
        samples.append((time.perf_counter() - t) / inner)
    return samples


def configurations(workload):
    steps = workload.startswith(("W2", "W7")) or workload in TRAINING or workload in SIZES
    forms = ["loop", "foreach", "fused"] if steps else ["loop"]
    layouts = ["plain", "channels_last"] if workload.startswith(("W3", "W4", "W8_conv")) else ["plain"]
    whole = workload.startswith("W2") or workload in TRAINING
    for form in forms:
        for layout in layouts:
            for compiled in ([False, True] if whole else [False]):
                for malloc in ("default", "keep"):
                    if compiled and malloc == "default" or not (whole or workload.startswith("W8")) and malloc == "keep":
                        continue
                    yield {"form": form, "layout": layout, "compiled": compiled, "malloc": malloc}


def worker(o):
    import torch
    torch.set_num_threads(o.threads_here)
    torch.manual_seed(0)
    c = json.loads(o.worker)
    samples = measure(build(torch, c["workload"], c["form"], c["layout"], c["compiled"]), o.budget)
    scale = 1e9 if c["workload"].startswith("W1") else 1e6
    print("ROW " + json.dumps({"peer": "torch-" + torch.__version__.split("+")[0], "median": round(statistics.median(samples) * scale, 3),
                               "min": round(min(samples) * scale, 3), "n": len(samples)}))


def run(o, workload, threads, configuration):
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    environment.update({k: str(threads) for k in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")})
    if configuration["malloc"] == "keep":
        environment.update(KEEP_MEMORY)
    done = subprocess.run([sys.executable, os.path.abspath(__file__), "--worker", json.dumps(dict(configuration, workload=workload)),
                           "--threads-here", str(threads), "--budget", str(o.budget)], env=environment, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        if line.startswith("ROW "):
            return json.loads(line[4:])
    print("%s %s: %s" % (workload, configuration, (done.stderr.strip().splitlines() or ["no answer"])[-1]), file=sys.stderr)
    return None


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--threads", default="1,2")
    p.add_argument("--only", default="", help="comma-separated prefixes of workload names")
    p.add_argument("--json", default="", help="append the JSON lines to this file too")
    p.add_argument("--budget", type=float, default=0.5, help="seconds measured a configuration")
    p.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    p.add_argument("--worker-only", default="", help="one configuration as JSON, with its workload")
    p.add_argument("--worker", default="", help=argparse.SUPPRESS)
    p.add_argument("--threads-here", type=int, default=1, help=argparse.SUPPRESS)
    o = p.parse_args()
    if o.worker:
        return worker(o)
    if o.worker_only:
        configuration = json.loads(o.worker_only)
        print(json.dumps(run(o, configuration["workload"], int(o.threads), configuration)))
        return None
    prefixes = [s for s in o.only.split(",") if s]
    for workload in WORKLOADS:
        if prefixes and not any(workload.startswith(s) for s in prefixes):
            continue
        for threads in (int(t) for t in o.threads.split(",")):
            rows = []
            for c in configurations(workload):
                if c["compiled"] and o.no_compile:
                    continue
                row = run(o, workload, threads, c)
                if row:
                    rows.append(dict(workload=workload, threads=threads, metric="step_ns" if workload.startswith("W1") else "step_us", **row, **c))
            best = min(rows, key=lambda r: r["median"])
            for row in rows:
                row["best"] = row is best
                if workload.startswith("W7"):
                    row["gb_per_s"] = round(BYTES[workload[3:]] * 1e7 / row["median"] / 1e3, 2)
                line = json.dumps(row)
                print(line, flush=True)
                if o.json:
                    with open(o.json, "a") as f:
                        f.write(line + "\n")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Gradus against PyTorch, interleaved: the tables of docs/benchmarks.md.

First every configuration of torch_peer.py is timed once; then its best configuration of each workload and gradus_bench take
turns, and the tables hold the medians over the rounds and the median of the rounds' ratios.

    V/bin/python bench/peers/against.py --bench build/release/gradus_bench --rounds 5 --only W2,W3 --write docs/benchmarks.md
"""
import argparse
import datetime
import json
import math
import os
import statistics
import subprocess
import sys

import growth_plot

HERE = os.path.dirname(os.path.abspath(__file__))
BEGIN, END = "<!-- figures, %s: scripts/benchmark writes what follows -->\n", "<!-- end of figures -->\n"  # one pair an instruction set
ONLY_AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "OPENBLAS_CORETYPE": "Haswell"}
TITLES = {"W1": "Overhead of an op", "W2": "MLP", "W3": "Small CNNs", "W4": "ResNet-20", "W5": "Recurrent networks", "W6": "GPT",
          "W7": "The optimizer alone", "W8": "Single ops"}


def rows_of(command):
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    text = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit("%s: exit status %d" % (" ".join(command), os.waitstatus_to_exitcode(status)))
    peak = {"peak_mb": usage.ru_maxrss / 1024}  # of the process and of those that it waited for
    return [dict(json.loads(line), **peak) for line in text.splitlines() if line.startswith("{")]


def words_of(configuration):
    words = [configuration["form"], configuration["layout"].replace("_", "-"), "compiled" if configuration["compiled"] else "",
             "malloc keeps" if configuration["malloc"] == "keep" else ""]
    return ", ".join(w for w in words if w and w not in ("plain", "loop")) or "as it is"


def take_turns(o, peer, workload, threads, chosen):
    configuration = {k: chosen[k] for k in ("form", "layout", "compiled", "malloc")}
    theirs, ours = [], []
    for _ in range(o.rounds):
        theirs += rows_of(peer[:2] + ["--budget", str(o.budget), "--worker-only", json.dumps(dict(configuration, workload=workload)),
                                      "--threads", str(threads)])
        ours += [r for r in rows_of([o.bench, "--only", workload, "--threads", str(threads), "--budget", str(o.budget)])
                 if r["workload"] == workload]
    medians = [r["median"] for r in ours]
    return {"workload": workload, "threads": threads, "unit": chosen["metric"].split("_")[1], "configuration": configuration,
            "torch": statistics.median(r["median"] for r in theirs), "gradus": statistics.median(medians),
            "ratio": statistics.median(t["median"] / g["median"] for t, g in zip(theirs, ours)),
            "torch_mb": max(r["peak_mb"] for r in theirs), "gradus_mb": max(r["peak_mb"] for r in ours),
            "spread": max(medians) / min(medians), "gflop": ours[0].get("gflop", 0), "gb_per_s": ours[0].get("gb_per_s", 0)}


def share(row, machine):
    """Of the multiply-adds or the bytes a second that the machine reaches at best."""
    seconds = row["gradus"] * (1e-9 if row["unit"] == "ns" else 1e-6)
    limits = machine.get(row["threads"])
    if not limits:
        return ""
    if row["gflop"] * 1e3 > row["gradus"] * 1e-3:  # more than 1 GFLOP/s: it is arithmetic that counts
        return "%.0f %% of peak" % (100 * row["gflop"] / seconds / limits["gflop_per_s"])
    return "%.0f %% of memory" % (100 * row["gb_per_s"] / limits["gb_per_s"]) if row["gb_per_s"] else ""


def time_text(x, unit):
    larger = {"ns": "us", "us": "ms"}
    return "%.4g %s" % ((x / 1e3, larger[unit]) if x >= 1e4 else (x, unit))


def table(rows, machine):
    lines = ["| workload | threads | PyTorch | its configuration | Gradus | ratio | |", "|---|--:|--:|---|--:|--:|--:|"]
    for r in rows:
        lines.append("| %s | %d | %s | %s | %s | **%.2fx** | %s |" % (
            r["workload"].split("_", 1)[-1], r["threads"], time_text(r["torch"], r["unit"]), words_of(r["configuration"]),
            time_text(r["gradus"], r["unit"]), r["ratio"], share(r, machine)))
    return lines


def memory(rows):
    part = [r for r in rows if r["threads"] == 1 and r["workload"][:2] in ("W3", "W4", "W5", "W6")]
    if not part:
        return []
    lines = ["#### Peak memory of the process", "", "| workload | PyTorch | Gradus | ours / theirs |", "|---|--:|--:|--:|"]
    for r in part:
        lines.append("| %s | %.0f MB | %.0f MB | %.2f |" % (r["workload"], r["torch_mb"], r["gradus_mb"], r["gradus_mb"] / r["torch_mb"]))
    return lines + [""]


def growth(o, isa):
    """Time of a step over that of the smallest, beside the same of its multiply-adds."""
    groups = {}
    for r in rows_of([o.bench, "--growth", "--threads", o.threads, "--budget", "0.2"]):
        groups.setdefault((r["network"], r["grows"], r["threads"]), []).append(r)
    picture = "growth_%s.svg" % isa
    if o.write:
        growth_plot.draw(groups, os.path.join(os.path.dirname(o.write), picture))
    lines = ["#### Growth", "", "A training step as one size doubles: its time over the smallest one's, and behind it the same of its multiply-adds.",
             "", "![The same as curves](%s)" % picture, "", "| network | what grows | threads | smallest | x 2 | x 4 | x 8 |", "|---|---|--:|--:|--:|--:|--:|"]
    for (network, what, threads), rows in groups.items():
        steps = ["%.1f (%.1f)" % (r["median"] / rows[0]["median"], r["gflop"] / rows[0]["gflop"]) for r in rows[1:]]
        lines.append("| %s | %s | %d | %s | %s |" % (network, what, threads, time_text(rows[0]["median"], "us"), " | ".join(steps)))
    return lines + [""]


def geometric_means(rows):
    means = []
    for threads in sorted({r["threads"] for r in rows}):
        ratios = [r["ratio"] for r in rows if r["threads"] == threads and r["workload"][:2] in ("W2", "W3", "W4", "W5", "W6")]
        if ratios:
            means.append("%.2f with %d thread%s" % (math.exp(statistics.fmean(map(math.log, ratios))), threads, "s" * (threads > 1)))
    return ["Geometric mean of the ratios of W2 to W6: " + ", ".join(means) + ".", ""] if means else []


def speed_up(rows):
    times = {(r["workload"], r["threads"]): r["gradus"] for r in rows}
    ups = ["%s %.2f" % (w, times[w, 1] / t) for (w, n), t in times.items() if n == 2 and (w, 1) in times and w[:2] in ("W3", "W4", "W5", "W6")]
    return ["Two threads beside one: " + ", ".join(ups) + ".", ""] if ups else []


def page(rows, machine, peer, commit, growth_lines):
    with open("/proc/cpuinfo") as f:
        cpu = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "unknown processor")
    limits = "; ".join("%d thread%s: %.0f GFLOP/s of fused multiply-adds, %.1f GB/s read" % (n, "s" * (n > 1), m["gflop_per_s"], m["gb_per_s"])
                       for n, m in sorted(machine.items()))
    first = next(iter(machine.values()))
    spread = statistics.median(r["spread"] for r in rows)
    lines = ["%s, %d cores, %s; %s. PyTorch %s, Gradus %s, commit %s, %s. Slowest round over fastest, median of our rows: %.2f."
             % (cpu, os.cpu_count(), first["isa"], limits, peer.split("-")[1], first["gradus"], commit, datetime.date.today(), spread), ""]
    lines += geometric_means(rows) + speed_up(rows)
    for group, title in TITLES.items():
        part = [r for r in rows if r["workload"].startswith(group) or group == "W7" and r["workload"].startswith("adamw_")]
        if part:
            lines += ["#### %s: %s" % (group, title), ""] + table(part, machine) + [""]
    return "\n".join(lines + memory(rows) + growth_lines)


def write(path, isa, text):
    """Replaces the figures of this instruction set; those of the others stay."""
    with open(path) as f:
        head, rest = f.read().split(BEGIN % isa)
    with open(path, "w") as f:
        f.write(head + BEGIN % isa + "\n" + text + END + rest.split(END, 1)[1])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bench", default="build/release/gradus_bench")
    p.add_argument("--only", default="", help="comma-separated prefixes of workload names")
    p.add_argument("--threads", default="1,2")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--budget", type=float, default=0.5, help="seconds measured a round")
    p.add_argument("--no-growth", action="store_true", help="leave out how time grows with batch, width, depth and sequence")
    p.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    p.add_argument("--json", default="", help="append one line a workload and number of threads to this file")
    p.add_argument("--write", default="", help="put the tables between the marks of this page")
    p.add_argument("--avx2", action="store_true", help="PyTorch without AVX-512; --bench is of a build with GRADUS_NATIVE=OFF")
    o = p.parse_args()
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        os.environ.pop(name, None)
    os.environ.update(ONLY_AVX2 if o.avx2 else {})
    peer = [sys.executable, os.path.join(HERE, "torch_peer.py"), "--budget", str(o.budget), "--threads", o.threads, "--only", o.only]
    machine = {r["threads"]: r for r in rows_of([o.bench, "--machine", "--threads", o.threads])}
    best = {(r["workload"], r["threads"]): r for r in rows_of(peer + ["--no-compile"] * o.no_compile) if r["best"]}
    isa = next(iter(machine.values()))["isa"]
    rows = []
    for (workload, threads), chosen in best.items():
        rows.append(take_turns(o, peer, workload, threads, chosen))
        print("\n".join(table(rows[-1:], machine)[2:]), flush=True)
        if o.json:
            with open(o.json, "a") as f:
                f.write(json.dumps(rows[-1]) + "\n")
    commit = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"], stdout=subprocess.PIPE, text=True).stdout.strip()
    text = page(rows, machine, next(iter(best.values()))["peer"], commit, [] if o.no_growth else growth(o, isa))
    print("\n" + text)
    if o.write:
        write(o.write, isa, text)


if __name__ == "__main__":
    main()

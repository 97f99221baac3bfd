#!/usr/bin/env python3
"""Gradus against PyTorch, interleaved: the table of docs/benchmarks.md.

First every configuration of torch_peer.py is timed once; then its best configuration of each workload and gradus_bench take
turns, and the table holds the medians over the rounds and their ratio.

    V/bin/python bench/peers/against.py --bench build/release/gradus_bench --rounds 5 --only W2,W3 --json figures.jsonl
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def rows_of(command):
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bench", default="build/release/gradus_bench")
    p.add_argument("--only", default="", help="comma-separated prefixes of workload names")
    p.add_argument("--threads", default="1,2")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--budget", type=float, default=0.5)
    p.add_argument("--no-compile", action="store_true")
    p.add_argument("--json", default="", help="append one line a workload and number of threads to this file")
    o = p.parse_args()
    peer = [sys.executable, os.path.join(HERE, "torch_peer.py"), "--budget", str(o.budget), "--threads", o.threads, "--only", o.only]
    every = rows_of(peer + (["--no-compile"] if o.no_compile else []))
    best = {(r["workload"], r["threads"]): r for r in every if r["best"]}
    print("| workload | threads | PyTorch %s, best of its configurations | | Gradus | ratio |" % every[0]["peer"].split("-")[1])
    print("|---|--:|--:|---|--:|--:|")
    for (workload, threads), chosen in best.items():
        configuration = {k: chosen[k] for k in ("form", "layout", "compiled", "malloc")}
        theirs, ours, ratios = [], [], []
        for _ in range(o.rounds):
            theirs += rows_of(peer[:2] + ["--budget", str(o.budget), "--worker-only", json.dumps(dict(configuration, workload=workload)),
                                          "--threads", str(threads)])
            ours += [r for r in rows_of([o.bench, "--only", workload, "--threads", str(threads), "--budget", str(o.budget)])
                     if r["workload"] == workload]
            ratios.append(theirs[-1]["median"] / ours[-1]["median"])
        t, g = statistics.median(r["median"] for r in theirs), statistics.median(r["median"] for r in ours)
        unit = chosen["metric"].split("_")[1]
        words = ", ".join(w for w in (configuration["form"], configuration["layout"] if configuration["layout"] != "plain" else "",
                                      "compiled" if configuration["compiled"] else "", "malloc keeps" if configuration["malloc"] == "keep" else "") if w)
        print("| %s | %d | %.4g %s | %s | %.4g %s | **%.2fx** |" % (workload, threads, t, unit, words, g, unit, statistics.median(ratios)), flush=True)
        if o.json:
            with open(o.json, "a") as f:
                f.write(json.dumps({"workload": workload, "threads": threads, "torch": t, "gradus": g, "ratio": statistics.median(ratios),
                                    "configuration": configuration, "unit": unit}) + "\n")


if __name__ == "__main__":
    main()

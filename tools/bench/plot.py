#!/usr/bin/env python3
"""Draws reports of einjit-bench --json and tools/bench/peers.py.

    tools/bench/plot.py REPORT.json [--bars bars.svg] [--roofline roofline.svg] [--only REGEX]
    tools/bench/plot.py REPORT.json --table | --markdown

bars       share of the bound, ours and every peer's, a group of bars a case
roofline   operations a second over operations a byte, under the measured limits
markdown   a case a line: microseconds, and each peer's over ours; `self` is ours again, what it differs by is noise
table      geometric means by group: share of the bound, ours over each peer and over the best peer of each case
"""
import argparse
import json
import math
import re
import sys


def mean(values):
    return math.exp(sum(math.log(v) for v in values) / len(values)) if values else float("nan")


def table(report):
    groups = {}
    for one in report:
        groups.setdefault(one.get("group") or "cases", []).append(one)
    peers = sorted({peer for one in report for peer in one["vs_us"]})
    print(f"{'group':12} {'cases':>5} {'share':>6}  " + "".join(f"{peer:>10}" for peer in peers) + f"{'best':>10}{'worst':>8}  behind")
    for name, cases in groups.items():
        row = f"{name:12} {len(cases):5} {mean([one['share'] for one in cases]):6.2f}  "
        for peer in peers:
            ratios = [one["vs_us"][peer] / one["median_us"] for one in cases if peer in one["vs_us"]]
            row += f"{mean(ratios):10.2f}" if ratios else f"{'-':>10}"
        best = {one["name"]: min(t for peer, t in one["vs_us"].items() if peer != "self") / one["median_us"]
                for one in cases if any(peer != "self" for peer in one["vs_us"])}
        if best:
            behind = [case for case, ratio in best.items() if ratio < 0.97]
            row += f"{mean(list(best.values())):10.2f}{min(best.values()):8.2f}  {len(behind)}: {' '.join(behind[:6])}"
        print(row)


def markdown(report):
    peers = list(dict.fromkeys(peer for one in report for peer in one["vs_us"]))
    print("| case | einjit, us | " + " | ".join(peers) + " |\n|---|" + "---:|" * (len(peers) + 1))
    ratios = {peer: [] for peer in peers}
    for one in report:
        cells = []
        for peer in peers:
            taken = one["vs_us"].get(peer)
            cells.append(f"{taken / one['median_us']:.2f}" if taken else "")
            ratios[peer] += [taken / one["median_us"]] if taken else []
        print(f"| {one['name']} | {one['median_us']:.4g} | " + " | ".join(cells) + " |")
    print("| geometric mean | | " + " | ".join(f"{mean(found):.2f}" for found in ratios.values()) + " |")


def bars(report, path):
    import matplotlib
    matplotlib.use("svg")
    import matplotlib.pyplot as plot
    peers = ["einjit"] + sorted({peer for one in report for peer in one["vs_us"] if peer != "self"})
    width = 0.8 / len(peers)
    figure, axes = plot.subplots(figsize=(max(6, 0.35 * len(report) + 2), 5))
    for p, peer in enumerate(peers):
        shares = [one["share"] if peer == "einjit" else one["bound_us"] / one["vs_us"].get(peer, math.inf) for one in report]
        axes.bar([i + p * width for i in range(len(report))], shares, width, label=peer)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xticks([i + 0.4 for i in range(len(report))], [one["name"] for one in report], rotation=90, fontsize=7)
    axes.set_ylabel("share of the bound")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)


def rate(one):
    """Real operations a second: a complex multiply-add is four."""
    return one["gflops"] * (4 if one["dtype"].startswith("c") else 1)


def roofline(report, path):
    import matplotlib
    matplotlib.use("svg")
    import matplotlib.pyplot as plot
    shown = [one for one in report if one.get("gflops") and one.get("move_us") and one.get("fma_gflops")]
    if not shown:
        sys.exit("no case of the report has operations")
    figure, axes = plot.subplots(figsize=(8, 6))
    for dtype in sorted({one["dtype"] for one in shown}):
        cases = [one for one in shown if one["dtype"] == dtype]
        # operations a byte, by the time that the bytes take: where the two limits meet is 1
        x = [rate(one) * one["median_us"] / (one["fma_gflops"] * one["move_us"]) for one in cases]
        axes.scatter(x, [rate(one) / one["fma_gflops"] for one in cases], label=dtype, s=18)
    low, high = min(axes.get_xlim()[0], 0.1), max(axes.get_xlim()[1], 10)
    low = max(low, 1e-3)
    axes.plot([low, 1, high], [low, 1, 1], color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("time of the operations in registers over time of the bytes in and out of memory")
    axes.set_ylabel("share of the rate of multiply-adds")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report")
    parser.add_argument("--bars", metavar="FILE")
    parser.add_argument("--roofline", metavar="FILE")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    with open(given.report) as file:
        report = [one for one in json.load(file) if one.get("ok") and re.search(given.only, one["name"])]
    if not report:
        sys.exit("the report has no case to draw")
    if given.bars:
        bars(report, given.bars)
    if given.roofline:
        roofline(report, given.roofline)
    if given.markdown:
        markdown(report)
    if given.table or not (given.bars or given.roofline or given.markdown):
        table(report)


if __name__ == "__main__":
    main()

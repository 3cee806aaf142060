#!/usr/bin/env python3
"""Contraction paths of networks beside the best that others have found.

    tools/bench/networks.py FOLDER [--best FILE] [--strategy S] [--seconds T] [--trials N] [--seed N] [--only REGEX]
                            [--einjit build/tools/einjit] [--slack X]

FOLDER holds NETWORK.json files, FILE (FOLDER/../path_best.json) for each of them the peers' paths: {"name": {"n": operands,
"peers": {"peer": {"log10_mults": x}}}}. A line a network: operands, log10 of multiplications, of the best peer, of opt_einsum's
random-greedy, seconds. At the end how many are above the best peer, and by how much at most. Exit code 3: one is above
random-greedy, or further above the best peer than --slack (0.15).
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys

DUST = 5e-4  # peers' figures have three decimals


def search(einjit, network, options):
    command = [einjit, "path", str(network), "--json"]
    for name in ("strategy", "seconds", "trials", "seed"):
        if getattr(options, name) is not None:
            command += [f"--{name}", str(getattr(options, name))]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{network}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def figures(entry):
    peers = {peer: one["log10_mults"] for peer, one in entry.get("peers", {}).items() if one.get("log10_mults") is not None}
    greedy = [x for peer, x in peers.items() if peer.startswith("oe_random_greedy")]
    return min(peers.items(), key=lambda item: item[1]) if peers else ("-", None), min(greedy) if greedy else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--best", type=pathlib.Path)
    parser.add_argument("--einjit", default="build/tools/einjit")
    parser.add_argument("--strategy")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--trials", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--only", default="")
    parser.add_argument("--slack", type=float, default=0.15)
    options = parser.parse_args()
    best = json.loads((options.best or options.folder.parent / "path_best.json").read_text())
    above, worse, compared, worst = [], [], 0, 0.0
    print(f"{'network':38} {'n':>6} {'log10':>8} {'best':>8} {'apart':>8} {'rgreedy':>8} {'seconds':>8}  best peer")
    for file in sorted(options.folder.glob("*.json")):
        if not re.search(options.only, file.stem):
            continue
        found = search(options.einjit, file, options)
        entry = best.get(file.stem, {})
        (peer, least), greedy = figures(entry)
        mults = found["log10_mults"]
        line = f"{file.stem:38} {entry.get('n', 0):6} {mults:8.3f} "
        if least is None:
            print(f"{line}{'-':>8} {'-':>8} {'-':>8} {found['seconds']:8.3f}", flush=True)
            continue
        compared += 1
        worst = max(worst, mults - least)
        if mults > least + DUST:
            above.append(file.stem)
        if greedy is not None and mults > greedy + DUST:
            worse.append(file.stem)
        print(f"{line}{least:8.3f} {mults - least:8.3f} {'-' if greedy is None else format(greedy, '.3f'):>8} "
              f"{found['seconds']:8.3f}  {peer}{'  ABOVE' if mults > least + DUST else ''}", flush=True)
    print(f"{compared} networks: above the best peer {len(above)}, at most by {worst:.3f} ({' '.join(above) or 'none'}); "
          f"above random-greedy {len(worse)} ({' '.join(worse) or 'none'})")
    return 3 if worse or worst > options.slack else 0


if __name__ == "__main__":
    sys.exit(main())

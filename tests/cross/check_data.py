#!/usr/bin/env python3
"""The shared cases of opt_einsum and opt_einsum_fx: equations with exact results, graphs as torch.fx node lists.

Takes  the folder of a build (--build) and the folder of the data (EINJIT_SHARED, or ../shared beside the project).
Gives  0 when every result is right on every backend and target, 1 and the cases that are not; 77 where there is no data
       or no NumPy.
Keeps  the graphs as they were traced, each node a statement, among them all that opt_einsum_fx computes wrongly.
"""
import argparse
import faulthandler
import json
import os
import sys

try:
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

import einjit_lib as lib


def fill(k, shape):
    n = int(np.prod(shape, dtype=int))
    return ((7 * np.arange(n) + 3 * k + 1) % 11 - 5).reshape(shape)


# ---- torch.fx nodes as program text ----

INFIX = {"mul": "*", "truediv": "/", "add": "+", "sub": "-"}


def argument(value, known):
    """A node's argument in the program's words; known: values that are numbers (x.shape[0])."""
    if isinstance(value, dict) and "node" in value:
        return str(known.get(value["node"], value["node"]))
    if isinstance(value, dict) and "slice" in value:
        return ":".join("" if v is None else argument(v, known) for v in value["slice"])
    if isinstance(value, list):
        return ", ".join(argument(v, known) for v in value)
    return repr(value)


def statement(node, known):
    args = [argument(a, known) for a in node["args"]]
    words = [f"{k}={v!r}" for k, v in node["kwargs"].items()]
    target = node["target"]
    if target in INFIX:
        return f"{args[0]} {INFIX[target]} {args[1]}"
    if target == "getitem":
        return f"{args[0]}[{args[1]}]"
    if target == "mul_":
        return f"{args[0]} * {args[1]}"
    if target == "clone":
        return args[0]
    return f"{target}({', '.join(args + words)})"


def program_of(case):
    shapes, known, lines, parameters = iter(case["inputs"]), {}, [], []
    extents = {}
    for node in case["graph"]:
        name = node["name"]
        if node["op"] == "placeholder":
            extents[name] = next(shapes)
            parameters.append(f"{name}: f64[{', '.join(map(str, extents[name]))}]")
        elif node["target"] == "getattr":
            known[name] = extents[node["args"][0]["node"]]
        elif node["target"] == "getitem" and node["args"][0]["node"] in known:
            known[name] = known[node["args"][0]["node"]][node["args"][1]]
        elif node["op"] == "output":
            lines.append(f"return {argument(node['args'][0], known)}")
        else:
            lines.append(f"{name} = {statement(node, known)}")
    return f"def f({', '.join(parameters)}):\n    " + "\n    ".join(lines) + "\n"


# ---- the checks ----

class Checker:
    def __init__(self, build, folder):
        self.contexts = lib.every_context(lib.Library(build))
        self.folder, self.runs, self.failures = folder, 0, 0

    def read(self, name):
        with open(os.path.join(self.folder, name)) as file:
            return json.load(file)

    def compare(self, what, context, want, compute):
        self.runs += 1
        try:
            got = compute()
        except lib.EinjitError as error:
            self.failures += 1
            print(f"---- {what} on {context.name}: {error}")
            return
        want = np.asarray(want)
        size = np.abs(want[np.isfinite(want)]).max(initial=0)
        if want.shape != got.shape or not np.allclose(got, want, rtol=1e-9, atol=1e-12 * size, equal_nan=True):
            self.failures += 1
            print(f"---- {what} on {context.name}: got\n{got}\nwanted\n{want}")

    def graphs(self):
        for case in self.read("oefx_graphs.json")["cases"]:
            text = program_of(case)
            arrays = [lib.guarded_copy(np.array(d, dtype=float).reshape(s)) for d, s in zip(case["input_data"], case["inputs"])]
            want = np.array([float(x) for x in np.ravel(case["result"])]).reshape(case["result_shape"])
            for context in self.contexts:
                self.compare(f"{case['name']}\n{text}", context, want, lambda c=context: run_program(c, text, arrays))

    def equations(self):
        for case in self.read("oe_equations.json")["cases"]:
            whole = [fill(k, s) for k, s in enumerate(case["shapes"])]
            want = np.array(case["result"]).reshape(case["result_shape"])
            for context in self.contexts:
                for dtype in (np.int64, np.float64):
                    self.compare(case["eq"], context, want, lambda c=context, d=dtype: c.einsum(
                        case["eq"], [a.astype(d) for a in whole], d, want.shape))

    def random_equations(self):
        for k, case in enumerate(self.read("oe_rand_equations.json")):
            rng = np.random.default_rng(k)
            arrays = [rng.integers(-2, 3, s).astype(float) for s in case["shapes"]]
            want = np.einsum(case["eq"], *arrays, optimize="greedy")
            context = self.contexts[k % len(self.contexts)]
            self.compare(case["eq"], context, want, lambda: context.einsum(case["eq"], arrays, float, want.shape))


def run_program(context, text, arrays):
    program = context.program(text)
    try:
        return program.run(arrays)[0]
    finally:
        program.close()


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(here, "..", "..", "build"))
    options = parser.parse_args()
    shared = os.environ.get("EINJIT_SHARED", os.path.join(here, "..", "..", "..", "shared"))
    folder = os.path.join(shared, "data")
    if not os.path.exists(os.path.join(folder, "oefx_graphs.json")):
        print(f"skipped: no data in {folder}")
        return 77
    faulthandler.enable()
    checker = Checker(os.path.abspath(options.build), folder)
    checker.graphs()
    checker.equations()
    checker.random_equations()
    print(f"{checker.runs} runs, {checker.failures} failures")
    return 1 if checker.failures else 0


if __name__ == "__main__":
    sys.exit(main())

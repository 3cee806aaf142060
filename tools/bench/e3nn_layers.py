#!/usr/bin/env python3
"""Times e3nn's layers, forward and backward: as they are, as TorchScript, through torch.compile with einjit and inductor.

    taskset -c 1 tools/bench/e3nn_layers.py [--edges 1000] [--layers linear,full,uvu] [--no-inductor]

The layers are generated through einjit.fx in the place of opt_einsum_fx. All are called in turn, in one thread; the least
of the times counts. Prints milliseconds, the seconds of the first call, and the largest difference from eager's values
and gradients.
"""
import argparse
import sys
import time
import warnings

import einjit.fx
import torch

sys.modules["opt_einsum_fx"] = einjit.fx
warnings.simplefilter("ignore")
import e3nn # noqa: E402
from e3nn import o3 # noqa: E402

NODE, EDGE = "8x0e+8x1o+4x2e", "1x0e+1x1o+1x2e"


def uvu():
    """Every path to l <= 2 of more channels, a weight for each edge."""
    first, second = o3.Irreps("16x0e+16x1o+8x2e"), o3.Irreps(EDGE)
    paths = [(i, j, mul, ir) for i, (mul, a) in enumerate(first) for j, (_, b) in enumerate(second) for ir in a * b if ir.l <= 2]
    out = o3.Irreps([(mul, ir) for _, _, mul, ir in paths])
    steps = [(i, j, k, "uvu", True) for k, (i, j, _, _) in enumerate(paths)]
    return o3.TensorProduct(first, second, out, steps, shared_weights=False, internal_weights=False)


LAYERS = {"linear": lambda: o3.Linear(NODE, "4x0e+8x1o+2x2e"), "full": lambda: o3.FullyConnectedTensorProduct(NODE, EDGE, NODE), "uvu": uvu}


def layer(name, mode):
    e3nn.set_optimization_defaults(jit_mode=mode)
    torch.manual_seed(0)
    return LAYERS[name]()


def operands(made, n):
    irreps = [made.irreps_in1, made.irreps_in2] if hasattr(made, "irreps_in1") else [made.irreps_in]
    xs = [i.randn(n, -1) for i in irreps]
    if not made.internal_weights and made.weight_numel:
        xs.append(torch.randn(n, made.weight_numel))
    return [x.requires_grad_() for x in xs]


def both_ways(made, xs):
    y = made(*xs)
    return [y, *torch.autograd.grad((y * y).sum(), [*xs, *(p for p in made.parameters() if p.numel())])]


def measure(name, n, inductor):
    eager = layer(name, "eager")
    xs = operands(eager, n)
    ways = {"eager": eager, "script": layer(name, "script"), "einjit": torch.compile(layer(name, "eager"), backend="einjit")}
    if inductor:
        ways["inductor"] = torch.compile(layer(name, "eager"))
    wanted, first, error = both_ways(eager, xs), {}, {}
    for way, made in ways.items():
        start = time.perf_counter()
        got = both_ways(made, xs)
        first[way] = time.perf_counter() - start
        error[way] = max(((a - b).abs().max() / b.abs().max()).item() for a, b in zip(got, wanted))
    times = {way: [] for way in ways}
    for _ in range(20):
        for way, made in ways.items():
            start = time.perf_counter()
            both_ways(made, xs)
            times[way].append(time.perf_counter() - start)
    for way, found in times.items():
        print(f"{name:8} {way:9} {1e3 * min(found):8.2f} ms   first call {first[way]:6.2f} s   differs by {error[way]:.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, default=1000)
    parser.add_argument("--layers", default=",".join(LAYERS))
    parser.add_argument("--no-inductor", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in given.layers.split(","):
        torch._dynamo.reset()
        measure(name, given.edges, not given.no_inductor)


if __name__ == "__main__":
    main()

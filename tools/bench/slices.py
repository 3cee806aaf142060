#!/usr/bin/env python3
"""Contractions in slices: is the whole as long as one slice says, and is it right?

    tools/bench/slices.py NETWORK.json --memory-limit BYTES [--dtype c64] [--slices N] [--path S] [--rounds N]
                          [--other LIMIT | --unsliced] [--build build] [--json]

NETWORK.json is as einjit path takes it. The tensors are random, those of even rank unitary, so that nothing overflows.
A line: how long the compile took, slices, scratch, the time of one slice (the median of --rounds), what it predicts for
all of them (or the first --slices), what they really took, and the multiply-adds a second of a slice, real ones: 4 for each complex one.
With --other the same slices' sum is compared with that of another limit (all slices then), with --unsliced with that of
a run as a whole. Exit code 3: the prediction is off by more than a tenth, or results differ by more than rounding.
"""
import argparse
import ctypes as C
import json
import math
import pathlib
import statistics
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "cross"))
from einjit_lib import CODES, NUMPY, Context, Error, Library, Tensor  # noqa: E402


class CompileOptions(C.Structure):
    _fields_ = [("struct_bytes", C.c_size_t), ("open", C.c_char_p), ("path", C.c_char_p), ("flags", C.c_int32),
                ("constants", C.c_char_p), ("alpha", C.c_double), ("beta", C.c_double), ("memory_limit", C.c_uint64)]


class Cost(C.Structure):
    _fields_ = [("struct_bytes", C.c_size_t), ("naive", C.c_double), ("planned", C.c_double), ("log10_mults", C.c_double),
                ("log2_largest", C.c_double), ("scratch_bytes", C.c_uint64), ("steps", C.c_uint64),
                ("bytes_moved", C.c_uint64), ("naive_bytes", C.c_uint64), ("touched_bytes", C.c_uint64),
                ("slices", C.c_double), ("overhead", C.c_double)]


def byte_count(text):
    units = "KMGT"
    return int(text[:-1]) << 10 * (units.index(text[-1]) + 1) if text[-1] in units else int(text)


def read_network(file):
    net = json.loads(pathlib.Path(file).read_text())
    ids = {}
    sizes = net.get("size_dict") or net["sizes"]
    terms = [[ids.setdefault(label, len(ids)) for label in term] for term in net["inputs"]]
    shapes = [[sizes[label] for label in term] for term in net["inputs"]]
    out = [ids[label] for label in net["output"]]
    return terms, shapes, out, [sizes[label] for label in net["output"]]


def random_tensors(shapes, dtype):
    rng = np.random.default_rng(0)
    made = []
    for shape in shapes:
        x = rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else 0)
        half = math.prod(shape[:len(shape) // 2])
        if len(shape) and len(shape) % 2 == 0:
            x = np.linalg.qr(x.reshape(half, -1))[0] if half * half == x.size else x.reshape(half, -1) / np.linalg.norm(x)
        else:
            x = x / np.linalg.norm(x)
        made.append(np.ascontiguousarray(x.reshape(shape), dtype=dtype))
    return made


class Contraction:
    """A network's kernel within a limit (0: none)."""

    def __init__(self, library, context, network, dtype, limit, path):
        self.library, self.c = library, library.c
        terms, shapes, out, out_shape = network
        self.arrays, self.result = random_tensors(shapes, dtype), np.zeros(out_shape, dtype)
        self.ins, self.keep = self.tensors(self.arrays)
        self.outs, self.keep_out = self.tensors([self.result])
        graph, err = C.c_void_p(), Error()
        self.try_to(self.c.einjit_graph_create(C.byref(graph), context.handle, C.byref(err)), err)
        values = (C.c_int32 * len(terms))()
        for i, shape in enumerate(shapes):
            value = C.c_int32()
            self.try_to(self.c.einjit_graph_input(C.byref(value), graph, f"t{i}".encode(), -1, len(shape),
                                                  (C.c_int64 * len(shape))(*shape), None, C.byref(err)), err)
            values[i] = value
        labels = [label for term in terms for label in term]
        value = C.c_int32()
        self.try_to(self.c.einjit_graph_einsum_labels(
            C.byref(value), graph, C.c_size_t(len(terms)), values, (C.c_int32 * len(terms))(*map(len, terms)),
            (C.c_int32 * len(labels))(*labels), len(out), (C.c_int32 * len(out))(*out), C.byref(err)), err)
        self.try_to(self.c.einjit_graph_output(graph, value, C.byref(err)), err)
        options = CompileOptions(struct_bytes=C.sizeof(CompileOptions), path=path.encode() if path else None,
                                 memory_limit=limit)
        self.kernel = C.c_void_p()
        began = time.perf_counter()
        self.try_to(self.c.einjit_compile(C.byref(self.kernel), context.handle, graph, C.c_size_t(len(terms)), self.ins,
                                          C.c_size_t(1), self.outs, C.byref(options), C.byref(err)), err)
        self.compile_s = time.perf_counter() - began
        self.cost = Cost(struct_bytes=C.sizeof(Cost))
        self.try_to(self.c.einjit_plan_cost(C.byref(self.cost), context.handle, graph, C.c_size_t(len(terms)), self.ins,
                                            C.byref(options), C.byref(err)), err)
        self.slices = int(self.cost.slices)

    def try_to(self, status, err):
        self.library.check(status, err)

    @staticmethod
    def tensors(arrays):
        shapes = [(C.c_int64 * max(1, a.ndim))(*a.shape) for a in arrays]
        views = (Tensor * len(arrays))(*[Tensor(a.ctypes.data, CODES[a.dtype], a.ndim, shape, None)
                                         for a, shape in zip(arrays, shapes)])
        return views, shapes

    def run(self, first, end):
        err = Error()
        began = time.perf_counter()
        self.try_to(self.c.einjit_run_slices(self.kernel, C.c_size_t(len(self.arrays)), self.ins, C.c_size_t(1), self.outs,
                                             C.c_int64(first), C.c_int64(end), C.byref(err)), err)
        return time.perf_counter() - began


def differ(a, b):
    """By how much, as a part of the largest."""
    return float(np.max(np.abs(a - b)) / max(np.max(np.abs(b)), 1e-300))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network")
    parser.add_argument("--memory-limit", required=True, type=byte_count)
    parser.add_argument("--dtype", default="c64", choices=["f32", "f64", "c64", "c128"])
    parser.add_argument("--slices", type=int)
    parser.add_argument("--path")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--other", type=byte_count)
    parser.add_argument("--unsliced", action="store_true")
    parser.add_argument("--build", default="build")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    library = Library(options.build)
    library.c.einjit_graph_create.argtypes = None
    context = Context(library, "llvm", flags=0)
    network, dtype = read_network(options.network), NUMPY[options.dtype]
    one = Contraction(library, context, network, dtype, options.memory_limit, options.path)
    count = min(options.slices or one.slices, one.slices)
    one.run(0, 1)  # the scratch's pages are made
    slice_s = statistics.median(one.run(i % count, i % count + 1) for i in range(options.rounds))
    whole_s = one.run(0, count)
    result = one.result.copy()
    per_point = 4 if options.dtype[0] == "c" else 1
    mults = 10 ** one.cost.log10_mults / one.cost.slices
    row = {"network": pathlib.Path(options.network).stem, "limit": options.memory_limit, "compile_s": one.compile_s,
           "slices": one.slices, "overhead": one.cost.overhead, "scratch_bytes": one.cost.scratch_bytes,
           "slice_s": slice_s, "count": count, "predicted_s": slice_s * count, "whole_s": whole_s,
           "gmadds_per_s": mults * per_point / slice_s / 1e9}
    row["off"] = row["whole_s"] / row["predicted_s"] - 1
    if options.other is not None or options.unsliced:
        if count < one.slices:
            parser.error("results are compared of all slices")
        other = Contraction(library, context, network, dtype, 0 if options.unsliced else options.other, options.path)
        other.run(0, other.slices)
        row["differ"] = differ(result, other.result)
    if options.json:
        json.dump(row, sys.stdout)
        print()
    else:
        for key, value in row.items():
            print(f"{key:14} {value:.6g}" if isinstance(value, float) else f"{key:14} {value}")
    rounding = 1e-3 if options.dtype in ("f32", "c64") else 1e-9
    sys.exit(3 if abs(row["off"]) > 0.1 or row.get("differ", 0) > rounding else 0)


if __name__ == "__main__":
    main()

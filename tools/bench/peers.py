#!/usr/bin/env python3
"""Times einjit beside other Python libraries, alternating in one run, on a list of cases.

    taskset -c 1 tools/bench/peers.py CASES.json [-o OUT.json] [--peers torch,call,oefx,inductor,jax,numpy,etops,tblis,sesum,self]
                                      [--build build] [--package] [--only REGEX] [--min-time S] [--huge-pages]

CASES.json is as for einjit-bench --cases (tools/bench/cases.py makes one); of programs torch, oefx, inductor and jax
run the text as Python reads it, and `call` what torch has as one call. The report is einjit-bench's list, with vs_us a peer, to be drawn by
tools/bench/plot.py.

With --package ours is the installed Python package, called as its users do, einjit.compile(...)(*arrays, out=out); else
a compiled kernel, called in a loop in C. oefx is opt_einsum_fx's graph of torch calls, inductor torch.compile's code.

torch (with MKL), jax, NumPy, etops (LIBXSMM through einsum_ir; f32, two operands), tblis (pytblis) and sesum are asked for row-major
results of the same values as ours. torch, numpy, etops and tblis write into memory that was touched before; jax and sesum return
fresh arrays, so that malloc is told to keep memory warm before anything is imported. `self` is our kernel a second
time: what it differs by is the noise of the run. A short call comes after one that is not timed. bound_us is measured
in the same run: the longer of the operations at the rate of multiply-adds in registers and the bytes in and out of
memory.
"""
import argparse
import ctypes as C
import json
import mmap
import os
import re
import sys
import time

WARM = {"MALLOC_MMAP_THRESHOLD_": "8589934592", "MALLOC_TRIM_THRESHOLD_": "17179869184"}
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC")}
THREADS["NUMPY_MADVISE_HUGEPAGE"] = "0" # --huge-pages says where arrays lie, and nothing else
if any(os.environ.get(name) != value for name, value in {**WARM, **THREADS}.items()):
    os.environ.update(WARM)
    os.environ.update(THREADS)
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.execv(sys.executable, [sys.executable] + sys.argv)

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "cross"))
import einjit_lib

LEAST_SECONDS, LEAST, MOST, WARMED_SECONDS = 5e-4, 21, 1001, 1e-2


class Missing(Exception):
    """This peer does not compute this case."""


# ---- ours ----

class Ours:
    """One compiled kernel over preallocated arrays, called in a loop in C."""

    def __init__(self, context, loops, case, arrays, huge):
        self.c, self.loops, self.arrays = context.c, loops, arrays
        graph = context.program(text_of(case, arrays))
        ins, keep = einjit_lib.tensors(arrays)
        self.outs = [placed(shape, dtype, huge) for dtype, shape in graph.shapes(ins, len(arrays))]
        outs, keep_out = einjit_lib.tensors(self.outs)
        self.kernel, err = C.c_void_p(), einjit_lib.Error()
        options = einjit_lib.CompileOptions(struct_bytes=C.sizeof(einjit_lib.CompileOptions),
                                            open=case["open"].encode() if "open" in case else None)
        start = time.perf_counter()
        status = self.c.einjit_compile(C.byref(self.kernel), context.handle, graph.handle, C.c_size_t(len(arrays)), ins,
                                       C.c_size_t(len(self.outs)), outs, C.byref(options), C.byref(err))
        self.compile_ms = (time.perf_counter() - start) * 1e3
        context.library.check(status, err)
        del keep, keep_out
        graph.close()
        self.c.einjit_kernel_entry.restype = C.c_void_p
        self.c.einjit_kernel_scratch_bytes.restype = C.c_size_t
        self.c.einjit_kernel_release.restype = None
        self.entry = C.c_void_p(self.c.einjit_kernel_entry(self.kernel))
        self.c.einjit_kernel_open_count.restype = C.c_size_t
        self.c.einjit_kernel_open_name.restype = C.c_char_p
        names = [self.c.einjit_kernel_open_name(self.kernel, C.c_size_t(i)).decode()
                 for i in range(self.c.einjit_kernel_open_count(self.kernel))]
        self.sizes = (C.c_int64 * max(len(names), 1))(*[case["sizes"][name] for name in names])
        self.scratch = aligned(self.c.einjit_kernel_scratch_bytes(self.kernel, self.sizes))
        self.data = (C.c_void_p * (len(arrays) + len(self.outs)))(*[a.ctypes.data for a in arrays + self.outs])

    def __call__(self, n=1):
        self.loops.bench_repeat(self.entry, self.data, self.sizes, C.c_void_p(self.scratch.ctypes.data), C.c_long(n))
        return self.outs[0]

    def close(self):
        self.c.einjit_kernel_release(self.kernel)


class Packaged:
    """The Python package's function of NumPy's arrays."""

    def __init__(self, case, arrays, huge):
        import einjit
        self.function, self.arrays = einjit.compile(text_of(case, arrays)), arrays
        self.outs = [placed(shape, einjit_lib.NUMPY[dtype], huge) for dtype, shape in self.function.shapes(*arrays)]
        start = time.perf_counter()
        self()
        self.compile_ms = (time.perf_counter() - start) * 1e3

    def __call__(self, n=1):
        function, arrays, out = self.function, self.arrays, self.outs[0] if len(self.outs) == 1 else self.outs
        for _ in range(n):
            function(*arrays, out=out)
        return self.outs[0]

    def close(self):
        pass


def text_of(case, arrays):
    """The case as program text."""
    if "program" in case:
        return case["program"]
    names = [f"x{i}" for i in range(len(arrays))]
    types = [f"{name}: {einjit_lib.DTYPES[einjit_lib.CODES[a.dtype]]}[{', '.join(map(str, a.shape))}]"
             for name, a in zip(names, arrays)]
    types = [t.replace("[]", "[()]") for t in types]
    return f"def f({', '.join(types)}):\n    return einsum({json.dumps(case['equation'])}, {', '.join(names)})\n"


def placed(shape, dtype, huge):
    """Zeros in pages of their own, of 4 KiB or huge ones as far as the system gives them."""
    n = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    pages = mmap.mmap(-1, n + (1 << 22 if huge else mmap.PAGESIZE))
    pages.madvise(mmap.MADV_HUGEPAGE if huge else mmap.MADV_NOHUGEPAGE)
    raw = np.frombuffer(pages, np.uint8)
    start = -raw.ctypes.data % (1 << 21) if huge else 0
    return raw[start:start + n].view(dtype).reshape(shape)


def aligned(n, boundary=64):
    raw = np.zeros(n + boundary, np.uint8)
    start = -raw.ctypes.data % boundary
    return raw[start:start + n]


# ---- peers: each gives a call that returns the result as an array ----

def torch_program(case, text=None):
    """The program as a function of torch tensors: Python runs the text, with torch's names in scope."""
    import torch

    def index_add(n, dim, index, value):
        shape = list(value.shape)
        shape[dim] = n
        return torch.zeros(shape, dtype=value.dtype).index_add_(dim, index, value)
    return defined(text or case["program"], {**vars(torch.nn.functional), **vars(torch), **case["sizes"], "index_add": index_add})


def jax_program(case):
    """The program as a function of jax's arrays."""
    import jax
    import jax.numpy as jnp

    def index_add(n, dim, index, value):
        shape = list(value.shape)
        shape[dim] = n
        return jnp.zeros(shape, value.dtype).at[(slice(None),) * dim + (index,)].add(value)

    def layer_norm(x, shape, weight, bias, eps):
        axes = tuple(range(-len(shape), 0))
        apart = x - jnp.mean(x, axes, keepdims=True)
        return apart * jax.lax.rsqrt(jnp.mean(apart * apart, axes, keepdims=True) + eps) * weight + bias

    def einsum(equation, *operands):
        return jnp.einsum(equation, *operands, precision="highest")

    def tensor(numbers):
        return jnp.array(numbers, jnp.float32)
    here = {"index_add": index_add, "layer_norm": layer_norm, "einsum": einsum, "tensor": tensor,
            "gelu": lambda x: jax.nn.gelu(x, approximate=False)}
    return defined(case["program"], {**vars(jnp), **vars(jax.nn), **case["sizes"], **here})


def defined(text, scope):
    scope["float"] = float # not torch's dtype
    exec("from __future__ import annotations\n" + text, scope)
    return scope[re.search(r"def (\w+)", text)[1]]


def of_torch(case, arrays, out):
    import torch
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    x = [torch.from_numpy(a) for a in arrays]
    result = torch.from_numpy(out)
    if "program" in case:
        known = {"scatter": lambda: result.zero_().index_add_(0, x[1], x[0]),
                 "gather": lambda: torch.index_select(x[0], 0, x[1], out=result),
                 "gemm_cn": lambda: torch.mm(x[0].conj(), x[1], out=result)}
        for name, call in known.items():
            if case["name"].startswith(name + "_"):
                return lambda: call().numpy()
        run = torch_program(case)
        return lambda: run(*x).numpy()
    equation = case["equation"]

    def call():
        value = torch.einsum(equation, *x)
        if not value.is_contiguous():
            return result.copy_(value).numpy()
        return value.numpy()
    return call


def traced(case):
    """torch.einsum of a case as torch.fx traces it: with as many parameters as it has operands."""
    import torch
    names = ", ".join(f"x{i}" for i in range(case["equation"].count(",") + 1))
    return eval(f"lambda {names}: einsum({case['equation']!r}, {names})", {"einsum": torch.einsum}) # noqa: S307


def of_module(case, arrays, out, make):
    import torch
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    x = tuple(torch.from_numpy(a) for a in arrays)
    run, result = make(torch_program(case) if "program" in case else traced(case), x), torch.from_numpy(out)

    def call():
        value = run(*x)
        return (value if value.is_contiguous() else result.copy_(value)).numpy()
    return call


def of_oefx(case, arrays, out):
    import opt_einsum_fx
    return of_module(case, arrays, out, opt_einsum_fx.optimize_einsums_full)


def of_call(case, arrays, out):
    """What torch has as one call in the program's place."""
    if "peer" not in case:
        raise Missing
    return of_module(case, arrays, out, lambda _, x: torch_program(case, case["peer"]))


def of_inductor(case, arrays, out):
    import torch
    torch._dynamo.reset()
    return of_module(case, arrays, out, lambda function, x: torch.compile(function))


def of_jax(case, arrays, out):
    import jax
    import jax.numpy as jnp
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    x = [jnp.asarray(a) for a in arrays]
    run = jax.jit(jax_program(case) if "program" in case else lambda *given: jnp.einsum(case["equation"], *given, precision="highest"))
    return lambda: np.asarray(run(*x).block_until_ready())


def of_numpy(case, arrays, out):
    if "program" in case:
        text = case["program"]
        if "[src]" in text:
            return lambda: np.take(arrays[0], arrays[1], axis=0, out=out, mode="clip") # "raise" would go through a copy
        raise Missing
    equation = case["equation"]
    inner, result = equation.split("->")
    if "," not in inner and sorted(inner) == sorted(result): # a view, which copyto writes out
        view = np.einsum(equation, arrays[0])

        def call():
            np.copyto(out, view)
            return out
        return call
    return lambda: np.einsum(equation, *arrays, out=out, optimize=len(arrays) > 1)


def of_tblis(case, arrays, out):
    import pytblis
    if "program" in case or len(arrays) != 2:
        raise Missing
    pytblis.set_num_threads(1)
    equation = case["equation"]

    def call():
        value = pytblis.contract(equation, *arrays)
        if not value.flags.c_contiguous:
            np.copyto(out, value)
            return out
        return value
    return call


def of_sesum(case, arrays, out):
    from sesum import sr
    if "program" in case:
        raise Missing
    return lambda: np.ascontiguousarray(sr.sesum(case["equation"], *arrays))


def of_etops(case, arrays, out):
    import etops
    if "program" in case or len(arrays) != 2 or arrays[0].dtype != np.float32:
        raise Missing
    (a, b), o = case["equation"].split("->")[0].split(","), case["equation"].split("->")[1]
    x, y = arrays
    if o[-1] in b and o[-1] not in a: # the operand with the output's unit stride comes first
        x, y, a, b = y, x, b, a
    size = {label: n for term, array in ((a, x), (b, y)) for label, n in zip(term, array.shape)}
    labels = list(dict.fromkeys(o + a + b))

    def strides(term):
        found, n = {}, 1
        for label in reversed(term):
            found[label] = n
            n *= size[label]
        return found

    def kind(label):
        if label not in o:
            return etops.dim.k
        return etops.dim.c if label in a and label in b else etops.dim.m if label in a else etops.dim.n
    steps = [[strides(term).get(label, 0) for label in labels] for term in (a, b, o)]
    config = etops.TensorOperationConfig(
        data_type=etops.float32, prim_first=etops.prim.zero, prim_main=etops.prim.gemm, prim_last=etops.prim.none,
        dim_types=[kind(label) for label in labels], exec_types=[etops.exec.seq] * len(labels),
        dim_sizes=[size[label] for label in labels], strides=[steps], backend="tpp")
    operation = etops.TensorOperation(etops.optimize(config))

    def call():
        operation.execute(x, y, out)
        return out
    return call


PEERS = {"torch": of_torch, "call": of_call, "oefx": of_oefx, "inductor": of_inductor, "jax": of_jax, "numpy": of_numpy, "etops": of_etops, "tblis": of_tblis, "sesum": of_sesum}


# ---- timing ----

def repeats_of(call):
    """Calls a sample, and seconds of one call."""
    call(1)
    n = 1
    while True:
        start = time.perf_counter()
        call(n)
        passed = time.perf_counter() - start
        if passed >= LEAST_SECONDS or n > 1 << 20:
            return n, passed / n
        n = max(n + 1, min(64 * n, int(1.2 * n * LEAST_SECONDS / max(passed, 1e-9))))


def alternate(calls, min_time):
    """Seconds a call, sorted, of each; samples of all in turn."""
    counts, warmed, slow = [], [], False
    for call in calls:
        n, once = repeats_of(call)
        counts.append(n)
        warmed.append(once < WARMED_SECONDS)
        slow |= once > 2
    samples = [[] for _ in calls]
    start = time.perf_counter()
    for turn in range(MOST):
        enough = 3 if slow else LEAST
        if turn >= enough and time.perf_counter() - start > min_time * len(calls):
            break
        for i in range(len(calls)): # nobody always comes behind the same one
            at = (i + turn) % len(calls)
            if warmed[at]: # the caches hold what the one before has left
                calls[at](1)
            begin = time.perf_counter()
            calls[at](counts[at])
            samples[at].append((time.perf_counter() - begin) / counts[at])
    return [sorted(found) for found in samples]


def looped(call):
    def run(n):
        for _ in range(n):
            call()
    return run


class Bound:
    """The loops of tools/bench_bound.c over a case's own arrays."""

    class Block(C.Structure):
        _fields_ = [("data", C.c_void_p), ("bytes", C.c_size_t)]

    def __init__(self, loops, target, ins, outs):
        self.loops, self.dtype = loops, einjit_lib.CODES[outs[0].dtype]
        loops.bench_fma.restype = C.c_double
        self.bits = loops.bench_vector_bits(target.encode() if target else None)
        ins = [a for a in ins for _ in range(self.times_read(a, ins, outs))]
        self.ins = (self.Block * len(ins))(*[(a.ctypes.data, a.nbytes) for a in ins])
        self.outs = (self.Block * len(outs))(*[(a.ctypes.data, a.nbytes) for a in outs])
        self.operations = 0

    @staticmethod
    def times_read(array, ins, outs):
        """A gather of few rows into many is a copy of these: what the others index is read as often as it is written."""
        values = [a for a in ins if a.dtype.kind != "i"]
        gathers = len(values) == len(outs) == 1 and len(ins) > 1 and array is values[0]
        return max(1, outs[0].nbytes // array.nbytes) if gathers else 1

    def moves(self):
        def move(way):
            return lambda n: self.loops.bench_repeat_move(
                self.ins, C.c_size_t(len(self.ins)), self.outs, C.c_size_t(len(self.outs)), self.bits, way, C.c_long(n))
        return [move(way) for way in range(C.c_int.in_dll(self.loops, "bench_n_ways").value)]

    def fma(self, n):
        for _ in range(n):
            self.operations = self.loops.bench_fma(self.dtype, self.bits)


# ---- a case ----

def arrays_of(case, rng):
    """Random inputs; an index input takes values below the extents that the case names."""
    dtype = np.dtype(case["dtype"])

    def values(shape, of):
        if of.kind == "i":
            return rng.integers(0, case["sizes"].get("nodes", 10000), shape, dtype=of)
        made = rng.random(shape) * 2 - 1
        return (made + 1j * rng.random(shape) if of.kind == "c" else made).astype(of)
    if "program" not in case:
        terms = case["equation"].replace(" ", "").split("->")[0].split(",")
        return [values([case["sizes"][label] for label in term], dtype) for term in terms]
    arrays = []
    for name, dtype, axes in re.findall(r"(\w+): (\w+)\[([^\]]*)\]", case["program"].split("\n")[0]):
        shape = [int(n) if n.isdigit() else case["sizes"][n] for n in axes.replace(" ", "").split(",") if n != "()"]
        arrays.append(values(shape, np.dtype(einjit_lib.NUMPY[dtype])))
        if name in case.get("sorted", ()):
            arrays[-1].sort()
    return arrays


def operations_of(case):
    """Two a product and sum, over all labels of a contraction of two operands; None where another way may need fewer."""
    if "equation" not in case or case["equation"].count(",") != 1:
        return case.get("gflop", 0) * 1e9 or None
    total = 2.0
    for label in set(case["equation"]) - set(",-> "):
        total *= case["sizes"][label]
    return total


def run(case, names, context, loops, given):
    arrays = []
    for made in arrays_of(case, np.random.default_rng(1)):
        arrays.append(placed(made.shape, made.dtype, given.huge_pages))
        arrays[-1][...] = made
    ours = Packaged(case, arrays, given.huge_pages) if given.package else Ours(context, loops, case, arrays, given.huge_pages)
    expected = ours().copy()
    calls, vs, differs = [ours], [], {}
    for name in names:
        try:
            call = ours if name == "self" else PEERS[name](case, arrays, placed(expected.shape, expected.dtype, given.huge_pages))
            got = call()
        except Missing:
            continue
        except Exception as error: # a peer that breaks is a line of the report, not the end of the run
            print(f"{case['name']}: {name}: {type(error).__name__}: {str(error)[:150]}", file=sys.stderr)
            continue
        differs[name] = float(np.abs(got - expected).max() / max(np.abs(expected).max(), 1e-300))
        calls.append(ours if name == "self" else looped(call))
        vs.append(name)
    bound = Bound(loops, given.target, arrays, ours.outs)
    samples = alternate(calls + bound.moves() + [bound.fma], given.min_time)
    medians = [found[len(found) // 2] * 1e6 for found in samples]
    move, rate = min(medians[len(calls):-1]), bound.operations / medians[-1] * 1e-3
    scale = 4 if case["dtype"].startswith("complex") else 1 # a complex multiply-add is four real ones
    operations = scale * operations_of(case) if operations_of(case) else None
    bound_us = max(move, operations / rate * 1e-3 if operations and rate else 0)
    mine = samples[0]
    ours.close()
    return {"name": case["name"], "group": case.get("group"), "equation": case.get("equation", case.get("program")),
            "sizes": case["sizes"], "dtype": case["dtype"], "threads": 1, "median_us": medians[0], "min_us": mine[0] * 1e6,
            "samples": len(mine), "spread_us": (mine[len(mine) * 3 // 4] - mine[len(mine) // 4]) * 1e6,
            "gflops": operations / scale / medians[0] * 1e-3 if operations else None, "fma_gflops": rate, "move_us": move,
            "bound_us": bound_us, "share": bound_us / medians[0], "compile_ms": ours.compile_ms, "differs": differs,
            "pages": "huge" if given.huge_pages else "4k", "vs_us": dict(zip(vs, medians[1:])), "ok": True}


def line(one):
    best = min(one["vs_us"].items(), key=lambda peer: peer[1], default=None)
    text = f"{one['name']:28} {one['median_us']:12.2f} us  {one['share']:.2f} of the bound"
    if best:
        text += f"  best peer {best[0]} {best[1]:.2f} us: {best[1] / one['median_us']:.2f} times as long"
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases")
    parser.add_argument("-o", "--output")
    parser.add_argument("--peers", default="torch,jax,numpy,etops,tblis,sesum")
    parser.add_argument("--package", action="store_true", help="ours is the installed Python package")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--only", default="")
    parser.add_argument("--target", help="a row of einjit's target table")
    parser.add_argument("--min-time", type=float, default=0.3, help="seconds of samples a case and library")
    parser.add_argument("--huge-pages", action="store_true", help="arrays on huge pages")
    given = parser.parse_args()
    names = [name for name in given.peers.split(",") if name]
    unknown = [name for name in names if name not in PEERS and name != "self"]
    if unknown:
        parser.error(f"there is no peer '{unknown[0]}': self, {', '.join(PEERS)}")
    library = einjit_lib.Library(given.build)
    loops = C.CDLL(os.path.join(given.build, "tools", "libeinjit-bench-loops.so"))
    context = einjit_lib.Context(library, "llvm", given.target, flags=0)
    report, failed = [], False
    with open(given.cases) as file:
        cases = [case for case in json.load(file) if re.search(given.only, case["name"])]
    for case in cases:
        try:
            report.append(run(case, names, context, loops, given))
            print(line(report[-1]), flush=True)
        except einjit_lib.EinjitError as error:
            failed = True
            report.append({"name": case["name"], "ok": False, "error": str(error)})
            print(f"{case['name']}: {error}", file=sys.stderr)
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
            break
    if given.output:
        with open(given.output, "w") as file:
            json.dump(report, file, indent=1)
    return failed


if __name__ == "__main__":
    sys.exit(main())

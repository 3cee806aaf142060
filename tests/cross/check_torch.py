#!/usr/bin/env python3
"""Programs against torch: the same text, run by Python with torch's functions and by einjit.

Takes  the folder of a build (--build), how many random programs (half of them of rewrites.py) beside those of programs.py
       (--random), a seed.
Gives  0 when all dtypes, shapes and values agree on every backend and target, and when torch finds the same results in
       what the printer makes of the program: as written, after the passes (without and with the inputs' types), after the
       choice of paths (the best, and any). 1 and the programs that do not otherwise; 77 where torch is not installed.
Keeps  the allowed error small: a few roundings of the largest value of a result; integers, bool, NaN and Inf exactly.
"""
import argparse
import faulthandler
import os
import random
import sys
import zlib

try:
    import numpy as np
    import torch
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

import einjit_lib as lib
import programs
import rewrites
import torch_scope

SIZES = {"a": 6, "b": 4, "c": 5}


def operand(rng, dtype, shape, below):
    """Values that make all of a function's branches likely; whole numbers for whole dtypes."""
    if below is not None:
        return rng.integers(0, below, shape).astype(lib.NUMPY[dtype])
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype[0] == "i":
        return rng.integers(-5, 6, shape).astype(lib.NUMPY[dtype])
    real = rng.standard_normal(shape) * 2
    real = np.where(rng.random(shape) < 0.1, np.round(real), real)
    if dtype[0] == "c":
        real = real + 1j * rng.standard_normal(shape)
    return np.asarray(real, dtype=lib.NUMPY[dtype])


def lay_out(rng, a, how):
    """The same values: 0 row-major, 1 column-major, 2 every second, 3 backwards; the page's wall behind or in front."""
    if how == 1:
        a = a.copy(order="F")
    elif how == 2 and a.ndim:
        wide = lib.guarded(a.dtype, [2 * n + 1 for n in a.shape], rng.random() < 0.5)
        view = wide[tuple(slice(1, None, 2) for _ in a.shape)]
        view[...] = a
        return view
    elif how == 3 and a.ndim:
        a = a[tuple(slice(None, None, -1) for _ in a.shape)].copy()[tuple(slice(None, None, -1) for _ in a.shape)]
    return lib.guarded_copy(a, rng.random() < 0.5)


def parse_parameters(parameters):
    for part in parameters.replace("], ", "]|").split("|"):
        name, _, annotation = part.partition(": ")
        dtype, _, inside = annotation.partition("[")
        extents = [e.strip() for e in inside.rstrip("]").split(",") if e.strip() and e.strip() != "()"]
        yield name, dtype, tuple(int(e) if e.isdigit() else SIZES[e] for e in extents)


def program_text(parameters, body):
    body = body if "return " in body else f"return {body}"
    return f"def f({parameters}):\n    {body}\n"


def disagreement(want, got, slack=lambda: 0.0):
    """What is wrong with a result; slack() says how much rounding may do to this program beyond a few roundings."""
    if want.dtype != got.dtype:
        return f"dtype {got.dtype}, torch and NumPy say {want.dtype}"
    if want.shape != got.shape:
        return f"shape {got.shape}, torch says {want.shape}"
    if want.dtype.kind in "biu":
        return None if np.array_equal(want, got) else f"values\n{got}\ntorch\n{want}"
    odd, odd_got = ~np.isfinite(want), ~np.isfinite(got)
    same = np.array_equal(odd, odd_got)
    if same and want.dtype.kind == "f":
        same = np.array_equal(want[odd], got[odd], equal_nan=True)
    if same:
        eps, size = np.finfo(want.dtype).eps, np.abs(want)[~odd].max(initial=0)
        off, allowed = np.abs(want - got)[~odd].astype(np.float64), eps * (32 * np.abs(want)[~odd] + 16 * size)
        if (off <= allowed).all() or (off <= allowed + np.broadcast_to(slack(), want.shape)[~odd]).all():
            return None
    return f"values\n{got}\ntorch\n{want}"


def nudged(rng, a):
    """The same values but for their last bits."""
    if a.dtype.kind not in "fc":
        return a
    return np.asarray(a * (1 + 2 * np.finfo(a.dtype).eps * rng.uniform(-1, 1, a.shape)), a.dtype)


def slacks(text, arrays):
    """For each result what rounding may do to it: how far single and double precision are apart, scaled to the precision
    that the program has, and what becomes of the last bits of its inputs."""
    rng = np.random.default_rng(1)
    written, single, double = (torch_scope.run(text, arrays, p) for p in ("written", "single", "double"))
    near = [torch_scope.run(text, [nudged(rng, a) for a in arrays]) for _ in range(4)]
    scale = 1.0 if any(a.dtype in ("f4", "c8") for a in arrays) or "f32" in text or "c64" in text else 2.0 ** -29
    for k, (a, b) in enumerate(zip(single, double)):
        yield spread(scale * apart(a, b)) + spread(np.max([apart(run[k], written[k]) for run in near], axis=0))


def apart(a, b):
    off = np.abs(a.astype(np.complex128) - b)
    return np.where(np.isfinite(off), off, 0)


def spread(off):
    return 16 * off + 4 * (off.mean() if off.size else 0)


class Checker:
    def __init__(self, build, stop_at, quick):
        self.contexts = lib.every_context(lib.Library(build))
        self.failures, self.runs, self.prints, self.stop_at, self.quick = 0, 0, 0, stop_at, quick

    def fail(self, text, where, what):
        self.failures += 1
        print(f"---- {where}\n{text}{what}")
        if self.failures >= self.stop_at:
            sys.exit(1)

    def compare(self, text, arrays, want, got):
        """The first thing that is wrong with the results of a program, or None."""
        if len(want) != len(got):
            return f"{len(got)} results, torch has {len(want)}"
        found = (disagreement(w, g, lambda k=k: list(slacks(text, arrays))[k]) for k, (w, g) in enumerate(zip(want, got)))
        return next(filter(None, found), None)

    def check_prints(self, text, arrays, want):
        for stage in ("print", "passes", "opt", "path", f"path random:{zlib.crc32(text.encode()) % 1000}"):
            try:
                made = self.printed(text, arrays, stage)
            except lib.EinjitError as error:
                self.fail(text, f"print of {stage}", f"{error}\n")
                return
            for pick in range(3 if "choose(" in made else 1):
                self.prints += 1
                try:
                    problem = self.compare(text, arrays, want, torch_scope.run(made, arrays, pick=pick))
                except Exception as error:  # what was printed is no Python, or torch takes it for something else
                    problem = f"{type(error).__name__}: {error}"
                if problem:
                    self.fail(text, f"torch of what is printed: {stage}, alternative {pick}", f"{made}{problem}\n")
                    return

    def printed(self, text, arrays, stage):
        program = self.contexts[0].program(text)
        try:
            if stage == "passes":
                program.optimize()
            if stage in ("print", "passes"):
                return program.print()
            stage, _, strategy = stage.partition(" ")
            return program.explain(arrays, stage, strategy)
        finally:
            program.close()

    def check(self, parameters, body, ranges, seed):
        text = program_text(parameters, body)
        rng = np.random.default_rng(seed)
        arrays = [operand(rng, d, s, ranges.get(n)) for n, d, s in parse_parameters(parameters)]
        if os.environ.get("EINJIT_CHECK_TRACE"):
            print(text, flush=True)
        try:
            want = torch_scope.run(text, arrays)
        except Exception as error:  # the reference itself: a fault of the program
            self.fail(text, "torch", f"{type(error).__name__}: {error}\n")
            return
        self.check_prints(text, arrays, want)
        for k, context in enumerate(self.contexts):
            if self.quick and (k + seed) % len(self.contexts):
                continue
            how = (k + seed) % 4
            given = [lay_out(rng, a, how) for a in arrays]
            try:
                program = context.program(text)
                again = context.program(program.print())
                got = (again if k % 2 else program).run(given, backwards=how == 2)
                again.close()
                program.close()
            except lib.EinjitError as error:
                self.fail(text, context.name, f"{error}\n")
                break
            self.runs += 1
            problem = self.compare(text, arrays, want, got)
            if problem:
                shown = "".join(f"{n} = {a!r}\n" for (n, _, _), a in zip(parse_parameters(parameters), arrays))
                self.fail(text, f"{context.name} layout {how}", f"{problem}\n{shown}")
                break


# ---- random programs ----

UNARY = ["{}.sin()", "tanh({})", "{}.sigmoid()", "relu({})", "-{}", "{}.abs()", "square({})", "erf({})", "silu({})", "{} * 0.5", "1.5 - {}",
         "{} / 3", "softplus({})", "maximum({}, 0.25)", "where({0} > 0.1, {0}, -0.5)", "{}.to(f64)", "{0} * {0}", "gelu({})", "2 * {} * 0.25"]
REDUCE = ["{}.sum({})", "amax({}, dim={})", "{}.mean({})", "sum({}, {}, True)", "{}.logsumexp({})", "softmax({}, {})", "prod({}, {})",
          "{}.amin({}, keepdim=True)"]


def random_program(r):
    """A chain of statements over values of known shapes."""
    values, lines, extents = {}, [], [r.choice([1, 2, 3, 4, 5, 7, 8, 17, 33]) for _ in range(3)]
    parameters = []
    for k in range(r.randint(1, 3)):
        shape = tuple(r.choice(extents) for _ in range(r.randint(0, 3)))
        values[f"x{k}"] = shape
        dtype = r.choice(["f32", "f32", "f64"])
        parameters.append(f"x{k}: {dtype}[{', '.join(map(str, shape)) or '()'}]")
    for k in range(r.randint(1, 7)):
        made = random_step(r, values)
        if made:
            lines.append(f"v{k} = {made[0]}")
            values[f"v{k}"] = made[1]
    results = r.sample(sorted(values), min(len(values), r.randint(1, 3)))
    return ", ".join(parameters), "; ".join(lines + ["return " + ", ".join(results)])


def random_step(r, values):
    name = r.choice(sorted(values, key=lambda n: (n[0], int(n[1:]))))
    shape = values[name]
    kind = r.choice(["map", "map", "meet", "reduce", "layout", "index", "einsum", "einsum", "join"])
    if kind == "map":
        return r.choice(UNARY).format(name), shape
    if kind == "meet":
        return meet(r, values, name, shape)
    if kind == "einsum":
        return contract(r, values)
    if not shape:
        return f"{name}.unsqueeze(0)", (1,)
    axis = r.randrange(len(shape))
    written = axis - len(shape) * r.randint(0, 1)
    if kind == "reduce":
        form = r.choice(REDUCE)
        keeps = "softmax" in form
        ones = "True" in form
        return form.format(name, written), tuple(1 if i == axis and ones else n for i, n in enumerate(shape) if keeps or ones or i != axis)
    if kind == "layout":
        order = r.sample(range(len(shape)), len(shape))
        return r.choice([(f"{name}.permute({', '.join(map(str, order))})", tuple(shape[i] for i in order)),
                         (f"{name}.reshape(-1)", (int(np.prod(shape)),)), (f"{name}.unsqueeze({axis})", shape[:axis] + (1,) + shape[axis:]),
                         (f"{name}.expand(2, {', '.join(map(str, shape))})", (2,) + shape)])
    if kind == "join":
        return r.choice([(f"cat([{name}, {name}], {written})", tuple(2 * n if i == axis else n for i, n in enumerate(shape))),
                         (f"stack([{name}, 2 * {name}], {axis})", shape[:axis] + (2,) + shape[axis:])])
    low, step = r.randint(-3, 3), r.randint(1, 3)
    kept = len(range(shape[axis])[low::step])
    picked = ", ".join([":"] * axis + [f"{low}::{step}"])
    if not kept:
        return f"{name} + 1", shape
    return f"{name}[{picked}]", shape[:axis] + (kept,) + shape[axis + 1:]


def meet(r, values, name, shape):
    fits = []
    for other, s in values.items():
        try:
            fits.append((other, np.broadcast_shapes(shape, s)))
        except ValueError:
            pass
    other, result = r.choice(fits)
    return f"{name} {r.choice('+-*')} {other}", result


def contract(r, values):
    names = [r.choice(sorted(values)) for _ in range(r.randint(1, 3))]
    letters, terms = {}, []
    for n in names:
        term = ""
        for extent in values[n]:
            known = [c for c, e in letters.items() if e == extent]
            c = r.choice(known) if known and r.random() < 0.75 else "abcdefghijkl"[len(letters)]
            letters[c] = extent
            term += c
        terms.append(term)
    kept = [c for c in letters if r.random() < 0.5]
    r.shuffle(kept)
    shape = tuple(letters[c] for c in kept)
    if len(kept) > 4 or np.prod(list(letters.values()), dtype=float) > 3e5:
        return None
    return f"einsum('{','.join(terms)}->{''.join(kept)}', {', '.join(names)})", shape


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(here, "..", "..", "build"))
    parser.add_argument("--random", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=1, help="of the programs by hand take one in so many")
    parser.add_argument("--only", default="", help="only the programs by hand with this in their text")
    parser.add_argument("--quick", action="store_true", help="each program on one backend and target, in turn")
    parser.add_argument("--stop-at", type=int, default=20, help="failures")
    options = parser.parse_args()
    faulthandler.enable()
    torch.set_num_threads(1)
    np.seterr(all="ignore")
    np.set_printoptions(threshold=20)
    checker = Checker(os.path.abspath(options.build), options.stop_at, options.quick)
    for k, (parameters, body, ranges) in enumerate(programs.ALL):
        if k % options.every == options.seed % options.every and options.only in program_text(parameters, body):
            checker.check(parameters, body, ranges, zlib.crc32(f"{parameters} {body}".encode()) % 2**31)
    for k in range(options.random):
        r = random.Random(options.seed * 1000003 + k)
        parameters, body, ranges = rewrites.program(r) if k % 2 else random_program(r) + ({},)
        checker.check(parameters, body, ranges, k)
    print(f"{checker.runs} runs, {checker.prints} printed programs, {checker.failures} failures")
    return 1 if checker.failures else 0


if __name__ == "__main__":
    sys.exit(main())

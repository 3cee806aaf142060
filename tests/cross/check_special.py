#!/usr/bin/env python3
"""Every pointwise function that NumPy has, on zeros, infinities, NaNs and both ends of the range, against NumPy.

Takes  the folder of a build (--build), or a file (--write) for the table that tests/unit/test_nest_scalar.c reads.
Gives  0 when all values agree on every backend and target, 1 and what does not otherwise; 77 without NumPy.
Keeps  to classes: NaN, Inf and zeros (with their signs) must be the same, other numbers near each other.
NumPy multiplies complex arrays with or without fused products, as the CPU has it; what counts is the formula as it is
written, (ar br - ai bi, ar bi + ai br). It divides complex numbers by multiplying with 1 / d, which overflows where d is
subnormal; what counts is Smith's formula with a division. Where NumPy itself differs from these is counted and said.
"""
import argparse
import itertools
import os
import sys

try:
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

import einjit_lib as lib


def parts(dtype):
    """Special values of a real dtype."""
    f = np.finfo(dtype)
    big = [88.5, 177.5] if dtype == np.float32 else [709.5, 1420.0, 1e305]
    values = [0.0, 1.0, 2.0, 3.0, 0.5, 1.5, np.inf, f.max, f.tiny, f.smallest_subnormal, f.eps, 1e30, 2.0**f.nmant + 1] + big
    return np.array([s * v for v in values for s in (1, -1)] + [np.nan], dtype)


def integers(dtype):
    i = np.iinfo(dtype)
    return np.array([0, 1, -1, 2, -2, 3, 7, -7, 46341, i.max, i.max - 1, i.min, i.min + 1], dtype)


def pairs(dtype, few=False):
    """Arrays x and y in which values meet."""
    if dtype[0] == "i":
        values = integers(lib.NUMPY[dtype])
    elif dtype[0] == "f":
        values = parts(lib.NUMPY[dtype])
    else:
        real = parts("f4" if dtype == "c64" else "f8")
        values = np.array([complex(0)] * len(real) ** 2, lib.NUMPY[dtype])
        values.real, values.imag = np.repeat(real, len(real)), np.tile(real, len(real))
    rng = np.random.default_rng(1)
    if few:
        return rng.choice(values, 60), rng.choice(values, 60)
    if dtype[0] != "c":
        return np.repeat(values, len(values)), np.tile(values, len(values))
    x = np.concatenate([values, rng.choice(values, 20000)])
    return x, rng.choice(values, len(x))


# ---- what is right ----

def multiply(x, y):
    if x.dtype.kind != "c":
        return x * y
    out = np.empty_like(x)
    out.real, out.imag = x.real * y.real - x.imag * y.imag, x.real * y.imag + x.imag * y.real
    return out


def divide(x, y):
    if x.dtype.kind != "c":
        return x / y
    swap = ~(np.abs(y.real) >= np.abs(y.imag))
    large, small = np.where(swap, y.imag, y.real), np.where(swap, y.real, y.imag)
    s = small / large
    d = large + small * s
    out, zero = np.empty_like(x), (y.real == 0) & (y.imag == 0)
    out.real = np.where(swap, x.real * s + x.imag, x.real + x.imag * s) / d
    out.imag = np.where(swap, x.imag * s - x.real, x.imag - x.real * s) / d
    out.real[zero], out.imag[zero] = (x.real / np.abs(large))[zero], (x.imag / np.abs(large))[zero]
    return out


def power(x, y):
    return np.power(x, np.where(y < 0, 1, y)) if x.dtype.kind == "i" else np.power(x, y)


def remainder(x, y):
    """torch's: fmod, and y more where the signs differ; NumPy's own gives zeros the sign of y."""
    if x.dtype.kind == "i":
        return np.where(y == 0, 0, np.remainder(x, np.where(y == 0, 1, y)))
    rest = np.fmod(x, y)
    return np.where((rest != 0) & ((y < 0) != (rest < 0)), rest + y, rest)


ANY = "ifc"
FUNCTIONS = {  # name: kinds of dtypes, program text, what NumPy gives
    "neg": (ANY, "-x", lambda x, y: -x),
    "abs": (ANY, "abs(x)", lambda x, y: np.abs(x)),
    "exp": ("fc", "exp(x)", lambda x, y: np.exp(x)),
    "log": ("f", "log(x)", lambda x, y: np.log(x)),
    "log1p": ("f", "log1p(x)", lambda x, y: np.log1p(x)),
    "expm1": ("f", "expm1(x)", lambda x, y: np.expm1(x)),
    "sqrt": ("f", "sqrt(x)", lambda x, y: np.sqrt(x)),
    "rsqrt": ("f", "rsqrt(x)", lambda x, y: 1 / np.sqrt(x)),
    "sin": ("f", "sin(x)", lambda x, y: np.sin(x)),
    "cos": ("f", "cos(x)", lambda x, y: np.cos(x)),
    "tan": ("f", "tan(x)", lambda x, y: np.tan(x)),
    "tanh": ("f", "tanh(x)", lambda x, y: np.tanh(x)),
    "reciprocal": ("fc", "reciprocal(x)", lambda x, y: np.reciprocal(x)),
    "square": (ANY, "square(x)", lambda x, y: multiply(x, x)),
    "sign": ("if", "sign(x)", lambda x, y: np.sign(x)),
    "floor": ("if", "floor(x)", lambda x, y: np.floor(x)),
    "ceil": ("if", "ceil(x)", lambda x, y: np.ceil(x)),
    "round": ("if", "round(x)", lambda x, y: np.rint(x) if x.dtype.kind == "f" else x),
    "conj": (ANY, "conj(x)", lambda x, y: np.conj(x)),
    "real": (ANY, "real(x)", lambda x, y: x.real),
    "imag": (ANY, "imag(x)", lambda x, y: x.imag),
    "add": (ANY, "x + y", lambda x, y: x + y),
    "sub": (ANY, "x - y", lambda x, y: x - y),
    "mul": (ANY, "x * y", multiply),
    "mul by conj": ("c", "x * conj(x)", lambda x, y: multiply(x, np.conj(x))),
    "div": ("fc", "x / y", divide),
    "floor_divide": ("if", "x // y", lambda x, y: x // y),
    "remainder": ("if", "x % y", remainder),
    "bitwise": ("i", "(x & 12) ^ (x | ~y)", lambda x, y: (x & 12) ^ (x | ~y)),
    "trunc_divide": ("f", "div(x, y, rounding_mode='trunc')", lambda x, y: np.trunc(x / y)),
    "pow": ("if", "x ** y", power),
    "maximum": ("if", "maximum(x, y)", lambda x, y: np.maximum(x, y)),
    "minimum": ("if", "minimum(x, y)", lambda x, y: np.minimum(x, y)),
    "eq": (ANY, "x == y", lambda x, y: x == y),
    "ne": (ANY, "x != y", lambda x, y: x != y),
    "lt": ("if", "x < y", lambda x, y: x < y),
    "le": ("if", "x <= y", lambda x, y: x <= y),
    "gt": ("if", "x > y", lambda x, y: x > y),
    "ge": ("if", "x >= y", lambda x, y: x >= y),
}


def real_parts(a):
    return [a.real, a.imag] if a.dtype.kind == "c" else [a]


def disagree(name, got, want, x, y):
    """A mask of the elements that are not the same, or not near each other."""
    if want.dtype.kind in "bi":
        return got != want if name != "pow" or want.dtype.kind != "i" else (got != want) & (y >= 0)
    bad = np.zeros(want.shape, bool)
    for g, w in zip(real_parts(got), real_parts(want)):
        info = np.finfo(w.dtype)
        # The last bits of the range may fall on either side of it.
        edge = np.isfinite(g) ^ np.isfinite(w)
        edge &= ~np.isnan(g) & ~np.isnan(w) & (np.minimum(np.abs(g), np.abs(w)) > info.max * (1 - 16 * info.eps))
        near = np.abs(g - w) <= 16 * info.eps * np.abs(w) + 4 * info.smallest_subnormal
        same = (np.isnan(g) & np.isnan(w)) | (g == w) | (np.isfinite(g) & np.isfinite(w) & near) | edge
        zero = (g == 0) & (w == 0) & (np.signbit(g) != np.signbit(w)) & (name not in ("maximum", "minimum"))
        bad |= ~same | zero
    return bad


def check(context, dtype):
    """The number of values that differ, a line for the first of each function."""
    x, y = pairs(dtype)
    names = [n for n, (kinds, _, _) in FUNCTIONS.items() if dtype[0] in kinds]
    program = context.program(f"def f(x: {dtype}[n], y: {dtype}[n]):\n    return {', '.join(FUNCTIONS[n][1] for n in names)}\n")
    results, failures = program.run([x, y]), 0
    program.close()
    for name, got in zip(names, results):
        want = np.asarray(FUNCTIONS[name][2](x, y))
        bad = disagree(name, got, want, x, y)
        if bad.any():
            k = int(np.argmax(bad))
            print(f"---- {context.name}: {name} of {dtype} {x[k]!r} {y[k]!r}: {got[k]!r}, NumPy {want[k]!r} ({bad.sum()} values)")
            failures += int(bad.sum())
    return failures, len(names) * len(x)


def numpys_own():
    """How often NumPy's complex products and quotients are not what the formulas say."""
    for dtype in ("c64", "c128"):
        x, y = pairs(dtype)
        for name, own in (("mul", x * y), ("div", x / y), ("square", np.square(x))):
            n = int(disagree(name, own, FUNCTIONS[name][2](x, y), x, y).sum())
            print(f"NumPy {np.__version__}'s {name} of {dtype}: {n} of {len(x)} values are not its formula's on this machine")


# ---- the table ----

def numbers(a):
    return " ".join(repr(float(p)) for p in (a.real, a.imag))


def write(path):
    """What no C function says: complex functions, pow and floor_divide. A line a case: name, dtype, x, y, result."""
    lines = []
    for dtype, names in (("f32", ["pow", "floor_divide"]), ("f64", ["pow", "floor_divide"]),
                         ("c64", ["abs", "exp", "reciprocal", "square", "mul", "div"]),
                         ("c128", ["abs", "exp", "reciprocal", "square", "mul", "div"])):
        for name in names:
            x, y = pairs(dtype, few=True)
            want = np.asarray(FUNCTIONS[name][2](x, y))
            lines += [" ".join([name, dtype] + [numbers(a[k]) for a in (x, y, want)]) for k in range(len(x))]
    with open(path, "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
    print(f"{len(lines)} lines by NumPy {np.__version__}")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(here, "..", "..", "build"))
    parser.add_argument("--write", metavar="FILE")
    options = parser.parse_args()
    np.seterr(all="ignore")
    if options.write:
        return write(options.write)
    numpys_own()
    failures = values = 0
    contexts = lib.every_context(lib.Library(os.path.abspath(options.build)))
    for context, dtype in itertools.product(contexts, ("i32", "i64", "f32", "f64", "c64", "c128")):
        bad, n = check(context, dtype)
        failures, values = failures + bad, values + n
    print(f"{values} values, {failures} differ")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

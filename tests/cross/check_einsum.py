#!/usr/bin/env python3
"""Random einsums against NumPy: equations of every form, shapes, dtypes and memory layouts.

Takes  the folder of a build (--build), how many (--count), a seed.
Gives  0 when all values agree on every backend and target, 1 and the cases that do not otherwise; 77 without NumPy.
Keeps  values small and whole, so that bits must be equal; integers also large, so that they wrap.
"""
import argparse
import faulthandler
import os
import random
import sys

try:
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

import einjit_lib as lib

LETTERS = list("abcdefghijkxyzABCZ") + ["é", "β", "Ж", "字", "𝒳", "ß"]
DTYPES = [["f32"], ["f64"], ["f32", "f64"], ["i32"], ["i64"], ["bool"], ["c64"], ["c128"], ["i32", "f32"], ["bool", "i32", "f32"],
          ["c64", "f64"], ["i64", "c64"], ["bool", "f32"], ["i32", "i64"]]
DOTS = "..."


class Case:
    """An equation as lists of labels, and its operands' shapes."""

    def __init__(self, r):
        labels = r.sample(LETTERS, r.randint(1, 7))
        extents = {c: r.choice([0, 1, 1, 2, 3, 4, 5, 6, 8, 9, 16, 17, 33] if r.random() < 0.3 else [1, 2, 3, 4, 5, 7]) for c in labels}
        dotted, dots = r.random() < 0.35, [r.choice([1, 2, 3]) for _ in range(3)]
        self.terms, self.shapes = [], []
        for _ in range(r.randint(1, 5)):
            n = r.randint(0, 4)
            term = [r.choice(labels) for _ in range(n)] if r.random() < 0.3 else r.sample(labels, min(n, len(labels)))
            ones = {c for c in term if r.random() < 0.12}
            shape = [1 if c in ones else extents[c] for c in term]
            if dotted and r.random() < 0.7:
                at, n_dots = r.randint(0, len(term)), r.randint(0, 3)
                shape[at:at] = [1 if r.random() < 0.2 else n for n in dots[3 - n_dots:]]
                term = term[:at] + [DOTS] + term[at:]
            self.terms.append(term)
            self.shapes.append(tuple(shape))
        used = sorted({c for t in self.terms for c in t if c != DOTS})
        self.out = None
        if r.random() < 0.7:
            self.out = [c for c in used if r.random() < 0.5]
            r.shuffle(self.out)
            if r.random() < 0.8 and any(DOTS in t for t in self.terms):
                self.out.insert(r.randint(0, len(self.out)), DOTS)

    def text(self, r):
        words = [c for t in self.terms for c in t + [","]][:-1] + ([] if self.out is None else ["->"] + self.out)
        spaces = r.random() < 0.2
        return "".join(w + (" " if spaces and r.random() < 0.3 else "") for w in words)

    def numbered(self, ranks):
        """Terms and output in numbers: the axes of an ellipsis from 100 on, aligned at the right."""
        used = sorted({c for t in self.terms for c in t if c != DOTS})
        n_dots = max([rank - len(t) + 1 for t, rank in zip(self.terms, ranks) if DOTS in t], default=0)
        dots = list(range(100, 100 + n_dots))
        out = self.out
        if out is None:
            all_labels = [c for t in self.terms for c in t]
            out = ([DOTS] if DOTS in all_labels else []) + [c for c in used if all_labels.count(c) == 1]

        def numbers(term, own):
            return [n for c in term for n in (own if c == DOTS else [used.index(c)])]
        terms = [numbers(t, dots[n_dots - (rank - len(t) + 1):] if DOTS in t else []) for t, rank in zip(self.terms, ranks)]
        return terms, numbers(out, dots)


def reference(terms, out, arrays):
    """All products written out in the widest type, then summed: plain, and the same sums that wrap."""
    dtype = np.result_type(*[a.dtype for a in arrays])
    wide = {"c": np.complex128, "f": np.float64}.get(dtype.kind, np.int64)
    order = out + sorted({n for t in terms for n in t} - set(out))
    product = np.ones([1] * len(order), wide)
    extents = [1] * len(order)
    for term, a in zip(terms, arrays):
        a, term = a.astype(dtype).astype(wide), list(term)
        for n in set(term):
            while term.count(n) > 1:
                i = term.index(n)
                j = term.index(n, i + 1)
                a = np.diagonal(a, 0, i, j)
                term = [x for k, x in enumerate(term) if k not in (i, j)] + [n]
        a = a.transpose([term.index(n) for n in order if n in term])
        shape = [a.shape[sum(m in term for m in order[:k])] if n in term else 1 for k, n in enumerate(order)]
        extents = [y if x == 1 else x for x, y in zip(extents, shape)]
        product = product * a.reshape(shape)
    product = np.broadcast_to(product, extents).sum(tuple(range(len(out), len(order))))
    return np.asarray(product != 0 if dtype == bool else product).astype(dtype)


def values(r, rng, dtype, shape):
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    whole = rng.integers(-8, 9, shape)
    if dtype[0] == "i" and r.random() < 0.5:
        whole = whole * (10**9 if dtype == "i32" else 10**18)
    if dtype[0] == "c":
        whole = whole + 1j * rng.integers(-8, 9, shape)
    return np.asarray(whole).astype(lib.NUMPY[dtype])


def lay_out(r, a):
    """The same values in another order, with gaps, backwards, unaligned or repeated by a stride of 0."""
    kind = r.choice(["wall", "wall", "columns", "gaps", "backwards", "permuted", "unaligned", "repeated"]) if a.ndim else "wall"
    if kind == "gaps":
        wide = lib.guarded(a.dtype, [3 * n + 1 for n in a.shape])
        view = wide[tuple(slice(1, 3 * n + 1, 3) for n in a.shape)]
        view[...] = a
        return view
    if kind == "unaligned":
        raw = bytearray(a.nbytes + 16)
        view = np.ndarray(a.shape, a.dtype, raw, r.choice([1, 2, 3, 4, 8]))
        view[...] = a
        return view
    if kind == "repeated" and a.size:
        axis = r.randrange(a.ndim)
        return np.broadcast_to(np.take(a, [0], axis).copy(), a.shape)
    order = r.sample(range(a.ndim), a.ndim) if kind == "permuted" else list(range(a.ndim))[::-1] if kind == "columns" else range(a.ndim)
    a = a.transpose(order).copy().transpose(np.argsort(order).astype(int)) if a.ndim else a
    if kind == "backwards":
        flip = tuple(slice(None, None, r.choice([-1, 1])) for _ in a.shape)
        a = a[flip].copy()[flip]
    return lib.guarded_copy(a, r.random() < 0.5)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(here, "..", "..", "build"))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    faulthandler.enable()
    np.seterr(all="ignore")
    contexts = lib.every_context(lib.Library(os.path.abspath(options.build)))
    runs = failures = 0
    for k in range(options.count):
        r = random.Random(options.seed * 1000003 + k)
        rng = np.random.default_rng(options.seed * 1000003 + k)
        case, dtypes = Case(r), r.choice(DTYPES)
        arrays = [lay_out(r, values(r, rng, r.choice(dtypes), s)) for s in case.shapes]
        if len(arrays) > 1 and case.shapes[0] == case.shapes[1] and r.random() < 0.3:
            arrays[1] = arrays[0]
        terms, out = case.numbered([len(s) for s in case.shapes])
        extents = {n: extent for t, a in zip(terms, arrays) for n, extent in zip(t, a.shape) if extent != 1}
        if np.prod(list(extents.values()), dtype=float) > 1e6:  # all products would be written out
            continue
        want, text, context = reference(terms, out, arrays), case.text(r), contexts[k % len(contexts)]
        runs += 1
        try:
            got = context.einsum(text, arrays, want.dtype, want.shape)
        except lib.EinjitError as error:
            got = error
        size = 0 if isinstance(got, Exception) else np.abs(want).max(initial=0)
        exact = want.dtype.kind in "bi" or size < 2**20 / 64
        close = 1e-4 * size if want.dtype in (np.float32, np.complex64) else 1e-12 * size
        if isinstance(got, Exception) or not (np.array_equal(got, want) if exact else np.allclose(got, want, rtol=0, atol=close)):
            failures += 1
            print(f"---- case {k} on {context.name}: {text!r} {case.shapes} {[a.dtype.name for a in arrays]} "
                  f"strides {[a.strides for a in arrays]}\n{got}\nNumPy\n{want}")
    print(f"{runs} einsums, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Gradients against autograd: the same programs, differentiated by einjit and by torch.

Takes  the folder of a build (--build), a seed.
Gives  0 when the gradients of all programs agree on both backends, and their own gradients too, and when torch finds the
       same in what the printer makes of them; 1 and those that do not otherwise; 77 where torch is not installed.
Keeps  to points where both are differentiable, and to the ties and kinks on which torch has decided.
"""
import argparse
import ctypes as C
import random
import sys

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
from check_torch import operand, parse_parameters, program_text, random_program

# What programs.py has no use for: ties, kinks, zeros, extents of 1.
EXTRA = [
    ("x: f64[5]", "sum(maximum(x, x) + relu(x - x) + abs(x - x))", {}),
    ("x: f64[4], y: f64[4]", "amax(cat([x, x, y], 0)) + amin(x)", {}),
    ("x: f64[3, 4]", "prod(where(x > 0.0, x, 0.0), dim=1)", {}),
    ("x: f64[3, 1], y: f64[1, 4]", 'einsum("ij,ij->ij", x, y)', {}),
    ("x: f64[3, 3, 2]", 'einsum("iij->j", x)', {}),
    ("x: c128[3], y: f64[3]", "sum(abs(x * y) + real(x) * imag(x))", {}),
    ("x: c128[3, 2], y: c128[2, 4]", "real(x @ y)", {}),
    ("x: f64[6], i: i64[4]", "x[i] * x[1:5:1] + x[::2][:1]", {"i": 6}),
    ("x: f64[2, 3], w: f64[3], b: f64[3]", "square(layer_norm(x, (3,), weight=w, bias=b))", {}),
    ("x: f64[3, 4]", "square(softmax(x, dim=-1)) + logsumexp(x, dim=0)", {}),
    ("x: f64[2, 3], y: f64[3, 2]", 'einsum("ij,jk->ik", x, y, reduce="max", combine="add")', {}),
    ("x: f64[3], y: f64[3]", "abs(x) ** y + abs(x) ** 2 + abs(x) ** 0", {}),
]


# Forms of einsum, each with real and complex operands: ellipses, broadcasting, diagonals, extents of 0 and 1.
FORMS = [
    ("ij,jk->ik", "3,4", "4,5"), ("ij,jk->ki", "3,4", "4,5"), ("ij,jk", "3,4", "4,5"), ("ba,cb", "3,4", "5,3"), ("ij,jk->", "3,4", "4,5"),
    ("ij,jk->ik", "3,1", "4,5"), ("ij,jk->ijk", "3,1", "4,1"), ("ij,ij->ij", "3,1", "1,4"), ("ij,ij->i", "3,1", "1,4"), ("ij,ij->j", "1,4", "3,4"),
    ("ij,ij->", "1,1", "3,4"), ("ij,i->ij", "3,4", "1"), ("i,j->ji", "3", "4"), ("i,i->", "3", "1"), (",ij->ij", "()", "3,4"), (",->", "()", "()"),
    ("...ij,...jk->...ik", "2,3,4", "2,4,5"), ("...ij,...jk->...ik", "2,3,4", "4,5"), ("...ij,...jk->...ik", "3,1,2,4", "1,2,4,3"), ("...ij,...jk", "3,4", "1,4,2"),
    ("...,...->...", "3,1", "1,4"), ("...,...", "3,1", "4"), ("...i,...i->...", "2,3", "3"), ("i...,i...->...", "3,2", "3,1"), ("i...j,j->...i", "2,3,4", "4"),
    ("...i,...->i", "2,3", "2"), ("...ij,jk->ik", "2,3,4", "4,2"), ("i...,j->j", "2,3", "4"), ("...,i->i...", "2,3", "4"), ("...,...->", "2,1", "3"),
    ("ii,i->i", "3,3", "3"), ("ii,jj->", "3,3", "2,2"), ("ii,ij->j", "3,3", "3,2"), ("iij,jk->ik", "3,3,2", "2,4"), ("iij,ij->i", "3,3,2", "3,1"), ("iji,j->j", "3,2,3", "2"),
    ("iii,i->", "2,2,2", "2"), ("...ii,...i->...i", "2,3,3", "1,3"), ("...ii,i->...", "2,3,3", "3"), ("iijj,jj->i", "2,2,3,3", "3,3"), ("ii,ii->i", "1,1", "1,1"),
    ("ij,jk->ik", "0,4", "4,5"), ("ij,jk->ik", "3,0", "0,5"), ("ij,kl->i", "3,4", "0,2"), ("ij,k->", "3,4", "0"), ("i,i->i", "0", "0"), ("i,i->i", "0", "1"), ("ii,i->i", "0,0", "0"),
    ("...i,...i->...", "0,3", "1,3"), ("ij,k->ij", "3,4", "5"), ("ij,kj->i", "3,4", "5,4"), ("ijk,l->ki", "2,3,4", "2"), ("ij,ji->", "3,4", "4,3"), ("aB,Bc->ca", "2,3", "3,4"),
]
ONE = [
    ("ij->ji", "3,4"), ("ij->", "3,4"), ("ij->j", "3,4"), ("ij", "3,4"), ("ji", "3,4"), ("ii", "3,3"), ("ii->i", "3,3"), ("iij->j", "3,3,2"), ("iij->ij", "3,3,2"),
    ("iji->", "3,2,3"), ("iii->i", "2,2,2"), ("...ii->...i", "2,3,3"), ("...ii", "2,3,3"), ("i...i->...", "3,2,3"), ("...->...", "2,3"), ("...", "2,3"), ("...ij->...ji", "2,3,4"),
    ("...ij->ij", "2,3,4"), ("i...->...", "3,4"), ("...->", "2,3"), ("->", "()"), ("", "()"), ("...", "()"), ("ij->i", "3,0"), ("ij->j", "3,0"), ("ii->i", "0,0"), ("ii->", "1,1"), ("i->i", "1"),
]


def forms():
    for a, b in (("f64", "f64"), ("c128", "c128"), ("f64", "c128"), ("c128", "f64")):
        for equation, x, y in FORMS:
            yield f"x: {a}[{x}], y: {b}[{y}]", f'einsum("{equation}", x, y)', {}
            if x == y and a == b:
                yield f"x: {a}[{x}]", f'einsum("{equation}", x, x)', {}
        for equation, x in ONE if a == b else []:
            yield f"x: {a}[{x}]", f'einsum("{equation}", x)', {}
    for equation, x, y in FORMS:
        yield f"x: f64[{x}], y: f64[{y}]", f'square(einsum("{equation}", sin(x), y)) * 0.5', {}
        yield f"x: c128[{x}], y: f64[{y}]", f'einsum("{equation}", x, y * y) * (1 - 2j)', {}


class Refused(Exception):
    pass


class Gradients:
    """A program with one parameter more, the adjoint of its first result; its results are the gradients by all floating
    inputs, or (twice) those of the sum of all their squared magnitudes."""

    def __init__(self, context, text, twice):
        self.context, self.c, self.err = context, context.c, lib.Error()
        self.program = context.program(text)
        self.graph = self.program.handle
        self.c.einjit_graph_input_name.restype = C.c_char_p
        count = self.c.einjit_graph_input_count(self.graph)
        wrt = [self.value(i) for i in range(count - 1) if self.is_floating(i)]
        y = C.c_int32(self.c.einjit_graph_output_value(self.graph, C.c_size_t(0)))
        found = self.gradient(y, self.value(count - 1), wrt)
        if twice:
            total = self.magnitude(found)
            found = self.gradient(total, None, wrt) if total else []
        for g in found:
            self.check(self.c.einjit_graph_output(self.graph, g, C.byref(self.err)))
        self.n = len(found)

    def check(self, status):
        if status and self.c.einjit_status_name(status).decode() in ("E_UNSUPPORTED", "E_DTYPE"):
            raise Refused(self.err.text.decode())
        self.context.library.check(status, self.err)

    def value(self, i):
        return C.c_int32(self.c.einjit_graph_value(self.graph, self.c.einjit_graph_input_name(self.graph, C.c_size_t(i))))

    def is_floating(self, i):
        dtype, rank = C.c_int(), C.c_int()
        self.c.einjit_graph_input_type(self.graph, C.c_size_t(i), C.byref(dtype), C.byref(rank), None, None, C.c_size_t(0), None)
        return lib.DTYPES[dtype.value][0] in "fc"

    def gradient(self, y, seed, wrt):
        out = (C.c_int32 * max(1, len(wrt)))()
        self.check(self.c.einjit_graph_gradient(out, self.graph, C.c_size_t(1), C.byref(y), C.byref(seed) if seed else None,
                                                C.c_size_t(len(wrt)), (C.c_int32 * max(1, len(wrt)))(*[w.value for w in wrt]),
                                                C.byref(self.err)))
        return [C.c_int32(g) for g in out[: len(wrt)]]

    def map(self, name, *operands):
        out = C.c_int32()
        self.check(self.c.einjit_graph_pointwise(C.byref(out), self.graph, name, C.c_size_t(len(operands)),
                                                 (C.c_int32 * len(operands))(*[x.value for x in operands]), C.byref(self.err)))
        return out

    def magnitude(self, values):
        total = None
        for x in values:
            one = self.map(b"real", self.map(b"mul", x, self.map(b"conj", x)))
            self.check(self.c.einjit_graph_sum(C.byref(one), self.graph, one, C.c_size_t(0), None, 0, C.byref(self.err)))
            total = self.map(b"add", total, one) if total else one
        return total

    def run(self, arrays):
        return self.program.run(arrays)[-self.n:] if self.n else []

    def texts(self, arrays):
        """As written, and after the choice of paths."""
        return [self.program.print(), self.program.explain(arrays, "path")] if self.n else []

    def run_by_torch(self, text, arrays):
        return torch_scope.run(text, arrays)[-self.n:]


def agrees(want, got):
    want, got = np.asarray(want), np.asarray(got)
    if want.shape != got.shape or want.dtype != got.dtype:
        return False
    eps = np.finfo(want.dtype).eps
    known = np.isfinite(want)
    size = np.abs(want[known]).max(initial=1)
    return bool((np.abs(want - got)[known] <= 2000 * eps * size).all())


def annotation(a):
    name = next(n for n, t in lib.NUMPY.items() if np.dtype(t) == a.dtype)
    return f"{name}[{', '.join(map(str, a.shape)) or '()'}]"


class Checker:
    def __init__(self, build):
        self.contexts = lib.every_context(lib.Library(build))[:2]
        self.judged = self.failed = 0

    def report(self, where, text, wanted, found):
        for k, (want, got) in enumerate(zip(wanted, found)):
            if not agrees(want, got):
                self.failed += 1
                print(f"---- {where}, gradient {k}\n{text}{got.dtype} {got}\ntorch\n{want.dtype} {want}")

    def check(self, parameters, body, ranges, seed):
        text = program_text(parameters, body)
        rng = np.random.default_rng(seed)
        arrays = [operand(rng, d, s, ranges.get(n)) for n, d, s in parse_parameters(parameters)]
        try:
            result = torch_scope.run(text, arrays)[0]
        except (torch_scope.Refused, RuntimeError):
            return
        if result.dtype.kind not in "fc" or not arrays:
            return
        adjoint = operand(rng, annotation(result).partition("[")[0], result.shape, None)
        seeded = text.replace("):\n", f", adjoint: {annotation(result)}):\n", 1)
        for twice in (False, True):
            self.compare(text, seeded, arrays, adjoint, twice)

    def compare(self, text, seeded, arrays, adjoint, twice):
        try:
            want = torch_scope.gradients(text, arrays, adjoint, twice)
        except (torch_scope.Refused, RuntimeError):
            return
        for context in self.contexts:
            try:
                gradients = Gradients(context, seeded, twice)
            except Refused:
                return
            words = "second, " if twice else ""
            self.judged += 1
            try:
                self.report(f"{context.name}, {words}seed {adjoint}", text, want, gradients.run(arrays + [adjoint]))
                for made in gradients.texts(arrays + [adjoint]) if context is self.contexts[0] else []:
                    self.report(f"{words}printed for torch, seed {adjoint}", text + made, want,
                                gradients.run_by_torch(made, arrays + [adjoint]))
            except Exception as error:
                self.failed += 1
                print(f"---- {context.name}, {words}{type(error).__name__}: {error}\n{text}{gradients.program.print()}")
            gradients.program.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--random", type=int, default=200, help="random programs")
    parser.add_argument("--only", default="", help="only the programs with this in their text")
    arguments = parser.parse_args()
    np.seterr(all="ignore")
    torch.set_num_threads(1)
    checker = Checker(arguments.build)
    for i, (parameters, body, ranges) in enumerate(EXTRA + list(forms()) + programs.ALL):
        if arguments.only in body and "3e38" not in body:  # factors move past others: at the edge of a dtype Inf may come in
            checker.check(parameters, body, ranges, arguments.seed + i)
    for k in range(arguments.random):
        r = random.Random(arguments.seed * 1000003 + k)
        parameters, body, ranges = rewrites.program(r) if k % 2 else random_program(r) + ({},)
        wide = [text.replace("f32", "f64").replace("c64", "c128") for text in (parameters, body)]
        checker.check(*wide, ranges, arguments.seed + k)
    print(f"{checker.judged} gradients agree or not, {checker.failed} results do not")
    return 1 if checker.failed or not checker.judged else 0


if __name__ == "__main__":
    sys.exit(main())

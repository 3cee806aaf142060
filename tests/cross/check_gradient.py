#!/usr/bin/env python3
"""Gradients against autograd: the same programs, differentiated by einjit and by torch.

Takes  the folder of a build (--build), a seed.
Gives  0 when the gradients of all programs agree on every backend, 1 and those that do not otherwise; 77 where torch is
       not installed.
Keeps  to points where both are differentiable, and to the ties and kinks on which torch has decided.
"""
import argparse
import ctypes as C
import sys

try:
    import numpy as np
    import torch  # noqa: F401
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

import einjit_lib as lib
import programs
import torch_scope
from check_torch import operand, parse_parameters, program_text

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


class Refused(Exception):
    pass


def gradient_program(context, text):
    """The program with the gradients of re(sum(first result)) by all floating inputs as further results."""
    program = context.program(text)
    c, err = context.c, lib.Error()
    c.einjit_graph_input_name.restype = C.c_char_p
    count = c.einjit_graph_input_count(program.handle)
    wrt = []
    for i in range(count):
        dtype, rank = C.c_int(), C.c_int()
        c.einjit_graph_input_type(program.handle, C.c_size_t(i), C.byref(dtype), C.byref(rank), None, None, C.c_size_t(0), None)
        if lib.DTYPES[dtype.value][0] in "fc":
            wrt.append(c.einjit_graph_value(program.handle, c.einjit_graph_input_name(program.handle, C.c_size_t(i))))
    y, out = C.c_int32(c.einjit_graph_output_value(program.handle, C.c_size_t(0))), (C.c_int32 * max(1, len(wrt)))()
    total = C.c_int32()
    for status in (
            c.einjit_graph_pointwise(C.byref(total), program.handle, b"real", C.c_size_t(1), C.byref(y), C.byref(err)),
            c.einjit_graph_sum(C.byref(total), program.handle, total, C.c_size_t(0), None, 0, C.byref(err)),
            c.einjit_graph_gradient(out, program.handle, C.c_size_t(1), C.byref(total), None, C.c_size_t(len(wrt)),
                                    (C.c_int32 * max(1, len(wrt)))(*wrt), C.byref(err))):
        if status:
            name = c.einjit_status_name(status).decode()
            if name in ("E_UNSUPPORTED", "E_DTYPE"):
                raise Refused(err.text.decode())
            context.library.check(status, err)
    for k in range(len(wrt)):
        context.library.check(c.einjit_graph_output(program.handle, C.c_int32(out[k]), C.byref(err)), err)
    return program, len(wrt)


def agrees(want, got):
    want, got = np.asarray(want), np.asarray(got)
    if want.shape != got.shape or want.dtype != got.dtype:
        return False
    eps = np.finfo(want.dtype).eps
    known = np.isfinite(want)
    size = np.abs(want[known]).max(initial=1)
    return bool((np.abs(want - got)[known] <= 2000 * eps * size).all())


def check(context, parameters, body, ranges, seed):
    text = program_text(parameters, body)
    rng = np.random.default_rng(seed)
    arrays = [operand(rng, d, s, ranges.get(n)) for n, d, s in parse_parameters(parameters)]
    try:
        want = torch_scope.gradients(text, arrays)
    except (torch_scope.Refused, RuntimeError):
        return None
    try:
        program, n = gradient_program(context, text)
    except Refused:
        return None
    got = program.run(arrays)[-n:] if n else []
    program.close()
    bad = [k for k, (a, b) in enumerate(zip(want, got)) if not agrees(np.zeros_like(b) if a is None else a, b)]
    for k in bad:
        print(f"---- {context.name}, gradient {k}\n{text}{got[k]}\ntorch\n{want[k]}")
    return not bad


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    contexts = lib.every_context(lib.Library(arguments.build))
    failed = judged = 0
    for i, (parameters, body, ranges) in enumerate(EXTRA + [p for p in programs.ALL]):
        for context in contexts[:2]:
            verdict = check(context, parameters, body, ranges, arguments.seed + i)
            judged += verdict is not None
            failed += verdict is False
    print(f"{judged} gradients agree or not, {failed} do not")
    return 1 if failed or not judged else 0


if __name__ == "__main__":
    sys.exit(main())

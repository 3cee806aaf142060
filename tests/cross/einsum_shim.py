"""np.einsum's arguments, for the C library: what NumPy's and opt_einsum's own tests call instead of theirs.

Takes  what np.einsum takes: subscripts as text or interleaved, out, dtype, order, casting, optimize.
Gives  what np.einsum gives, computed by libeinjit; its refusals as ValueError.
Keeps  to converting arguments. Integers narrower than i32 and unsigned ones are computed in a signed type that wraps alike,
       f16 in f32, long doubles in doubles; a path that is written out is gone through pair by pair.
Not here: views of operands (results are always new), the layout that `order` asks for, arrays of Python objects.
"""
import ctypes as C

import numpy as np

import einjit_lib as lib

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # of the numbers 0 to 51, in NumPy's order
WIDER = {"i": np.int32, "u": np.int64, "e": np.float32, "f": np.float64, "c": np.complex128}
STRATEGIES = {"optimal": b"optimal", "dp": b"optimal", "branch-all": b"optimal", "greedy": b"greedy", "random-greedy": b"greedy"}
numpy_einsum_path = np.einsum_path


class Shim:
    """A context, the programs of the equations that were met, and how many calls went which way."""

    def __init__(self, library, backend, target=None):
        self.context, self.programs = lib.Context(library, backend, target, flags=0), {}
        self.calls = {"einjit_einsum": 0, "einjit_run with a strategy": 0, "in a wider dtype": 0, "pair by pair": 0}

    def program(self, equation, n):
        if (equation, n) not in self.programs:
            names = [f"x{i}" for i in range(n)]
            text = equation.replace("\\", "\\\\").replace("'", "\\'").replace("\n", " ")
            self.programs[equation, n] = self.context.program(
                f"def f({', '.join(names)}):\n    return einsum('{text}'{''.join(', ' + x for x in names)})\n")
        return self.programs[equation, n]

    def run(self, equation, arrays, out, strategy):
        """Into `out`, or a new array if it is None, has another dtype, or shares memory with an operand."""
        ins, keep = lib.tensors(arrays)
        (dtype, shape), = self.program(equation, len(arrays)).shapes(ins, len(arrays))
        direct = out is not None and out.dtype == dtype and not any(np.may_share_memory(out, a) for a in arrays)
        result = out if direct else lib.guarded(dtype, shape if out is None else out.shape)
        outs, keep_out = lib.tensors([result])
        if strategy:
            self.run_with(strategy, equation, len(arrays), ins, outs)
        else:
            err = lib.Error()
            self.calls["einjit_einsum"] += 1
            status = self.context.c.einjit_einsum(self.context.handle, equation.encode(), C.c_size_t(len(arrays)), ins, outs,
                                                  C.byref(err))
            self.context.library.check(status, err)
        del keep, keep_out
        return result

    def run_with(self, strategy, equation, n, ins, outs):
        options = lib.CompileOptions(struct_bytes=C.sizeof(lib.CompileOptions), path=strategy)
        kernel, err, c = C.c_void_p(), lib.Error(), self.context.c
        self.calls["einjit_run with a strategy"] += 1
        status = c.einjit_compile(C.byref(kernel), self.context.handle, self.program(equation, n).handle, C.c_size_t(n), ins,
                                  C.c_size_t(1), outs, C.byref(options), C.byref(err))
        self.context.library.check(status, err)
        status = c.einjit_run(kernel, C.c_size_t(n), ins, C.c_size_t(1), outs, C.byref(err))
        c.einjit_kernel_release(kernel)
        self.context.library.check(status, err)

    # ---- NumPy's arguments ----

    def compute(self, equation, operands, out=None, dtype=None, casting="safe", strategy=None):
        if not operands:
            raise ValueError("an einsum needs operands")
        if out is not None and not isinstance(out, np.ndarray):
            raise TypeError("out is not an array")
        arrays = [np.asanyarray(x) for x in operands]
        wanted = np.dtype(dtype) if dtype is not None else np.result_type(*arrays)
        if casting not in ("no", "equiv", "safe", "same_kind", "unsafe"):
            raise ValueError(f"casting '{casting}'")
        if not all(np.can_cast(a.dtype, wanted, casting) for a in arrays):
            raise TypeError(f"no cast by the rule '{casting}'")
        if wanted == object:
            raise NotImplementedError("arrays of Python objects")
        computed = wanted if wanted in lib.CODES else np.dtype(WIDER["e" if wanted.char == "e" else wanted.kind])
        self.calls["in a wider dtype"] += computed != wanted
        promotes = dtype is None and computed == wanted  # the library does: what it has dtypes for is passed as it is
        arrays = [a if promotes and a.dtype in lib.CODES else a.astype(computed, copy=False) for a in arrays]
        try:
            result = self.run(equation, arrays, out, strategy)
        except lib.EinjitError as refused:
            raise ValueError(str(refused)) from refused
        if out is None:
            return result.astype(wanted, copy=False)[()]
        if result is not out:
            out[...] = result.astype(wanted).astype(out.dtype)
        return out

    def einsum(self, *operands, out=None, optimize=False, dtype=None, order="K", casting="safe"):
        if not operands:
            raise ValueError("an einsum needs subscripts and operands")
        if str(order).upper() not in "KACF":
            raise ValueError(f"order '{order}'")
        equation, arrays = operands[0], list(operands[1:])
        if not isinstance(equation, str):
            equation, arrays = interleaved(operands, numbered)
        rest = {"dtype": dtype, "casting": casting}
        if isinstance(out, np.ndarray) and optimize is False:  # where NumPy optimizes it does not look
            wanted = np.result_type(*map(np.asanyarray, arrays)) if dtype is None else np.dtype(dtype)
            if not np.can_cast(wanted, out.dtype, casting):
                raise TypeError(f"{wanted} does not go into {out.dtype} by the rule '{casting}'")
        if isinstance(optimize, (list, tuple)) and optimize and optimize[0] == "einsum_path":
            return self.pair_by_pair(equation, arrays, optimize, out, rest)
        name = optimize[0] if isinstance(optimize, (list, tuple)) else optimize
        return self.compute(equation, arrays, out, strategy=STRATEGIES.get(name) if isinstance(name, str) else None, **rest)

    def pair_by_pair(self, equation, arrays, path, out, rest):
        """NumPy checks the path and writes the subscripts of each step."""
        arrays, steps = numpy_einsum_path(equation, *arrays, optimize=path, einsum_call=True)
        for k, (ids, *what) in enumerate(steps):
            step = next(x for x in what if isinstance(x, str) and "->" in x)
            self.calls["pair by pair"] += 1
            arrays.append(self.compute(step, [arrays.pop(i) for i in ids], out if k + 1 == len(steps) else None, **rest))
        return arrays[0]

    def tensordot(self, a, b, axes=2):
        """As opt_einsum calls it: lists of axes."""
        a, b = np.asanyarray(a), np.asanyarray(b)
        left, right = [list(x) for x in axes]
        terms = [list(LETTERS[: a.ndim]), list(LETTERS[a.ndim: a.ndim + b.ndim])]
        for i, k in zip(left, right):
            terms[1][k] = terms[0][i]
        kept = [c for i, c in enumerate(terms[0]) if i not in left] + [c for k, c in enumerate(terms[1]) if k not in right]
        return np.asarray(self.compute(f"{''.join(terms[0])},{''.join(terms[1])}->{''.join(kept)}", [a, b]))


def numbered(label):
    """NumPy's letter of a number."""
    try:
        number = label.__index__()
    except AttributeError:
        raise TypeError(f"{label!r} is no label") from None
    if not 0 <= number < len(LETTERS):
        raise ValueError(f"the label {number} is not one of 0 to {len(LETTERS) - 1}")
    return LETTERS[number]


def interleaved(operands, letter):
    """x, [0, 1], y, [1, 2], [0, 2] as text and operands."""
    def term(labels):
        if isinstance(labels, (str, bytes)) or not hasattr(labels, "__iter__"):
            raise TypeError(f"{labels!r} is no list of labels")
        return "".join("..." if x is Ellipsis else letter(x) for x in labels)
    n = len(operands) // 2
    if n == 0:
        raise TypeError("subscripts are text, or a list behind each operand")
    equation = ",".join(term(x) for x in operands[1: 2 * n: 2])
    if len(operands) % 2:
        equation += "->" + term(operands[-1])
    return equation, list(operands[: 2 * n: 2])

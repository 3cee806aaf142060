"""einsum inside of jax's graphs: under jit, grad (of any order, either way), vmap.

    y = jax.jit(lambda a, b: einjit.jax.einsum("ij,jk->ik", a, b))(a, b)

Takes  jax arrays or tracers on the CPU, in every form that einjit.einsum takes.
Gives  a jax array: one call of XLA to a kernel of einjit's, compiled when it first runs.
Here   only what jax asks of an operation: its type, its derivative, its transpose, its batched form. Each of them is an
       einsum again; diagonals, extents of 1 and new axes are jax's own layout operations around it.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from . import _einjit
from .arrays import DTYPE_NAMES, SIGNED, Array
from .equations import expanded, normal, sizes_of, symbol
from .errors import BY_CODE

_TARGET = "einjit_program"
jax.ffi.register_ffi_target(_TARGET, _einjit.xla_handler(), platform="cpu")

# The operation itself: terms of different labels, each extent that of its label; params: terms, output.
_einsum_p = Primitive("einjit_einsum")


def _bind(terms: Sequence[str], output: str, operands: Sequence[Any]) -> Any:
    return _einsum_p.bind(*operands, terms=tuple(terms), output=output)  # type: ignore[no-untyped-call]


def _text(terms: tuple[str, ...], output: str) -> str:
    names = ", ".join(f"x{i}" for i in range(len(terms)))
    return f'def f({names}):\n    return einsum("{",".join(terms)}->{output}", {names})\n'


def _abstract(*operands: Any, terms: tuple[str, ...], output: str) -> Any:
    sizes = sizes_of(terms, [x.shape for x in operands])
    return jax.core.ShapedArray(tuple(sizes[c] for c in output), operands[0].dtype)


def _lower(ctx: Any, *operands: Any, terms: tuple[str, ...], output: str) -> Any:
    return jax.ffi.ffi_lowering(_TARGET)(ctx, *operands, program=_text(terms, output))


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], *, terms: tuple[str, ...], output: str) -> Any:
    parts = [
        _bind(terms, output, [*primals[:k], tangent, *primals[k + 1 :]])
        for k, tangent in enumerate(tangents)
        if type(tangent) is not ad.Zero
    ]
    return _bind(terms, output, primals), functools.reduce(operator.add, parts)


def _transpose(cotangent: Any, *operands: Any, terms: tuple[str, ...], output: str) -> Any:
    if type(cotangent) is ad.Zero:
        return [None] * len(operands)
    (k,) = (i for i, x in enumerate(operands) if isinstance(x, ad.UndefinedPrimal))
    others = [*terms[:k], *terms[k + 1 :]]
    known = "".join(c for c in terms[k] if c in output or any(c in t for t in others))
    made = _bind([output, *others], known, [cotangent, *operands[:k], *operands[k + 1 :]])
    places = [i for i, c in enumerate(terms[k]) if c in known]  # labels that are summed there alone: a copy for each
    made = jax.lax.broadcast_in_dim(made, operands[k].aval.shape, places)
    return [made if i == k else None for i in range(len(operands))]


def _batch(operands: Sequence[Any], axes: Sequence[Any], *, terms: tuple[str, ...], output: str) -> Any:
    used = set("".join(terms))
    new = next(c for c in map(symbol, range(len(used) + 1)) if c not in used)
    written = [
        t if axis is None else t[:axis] + new + t[axis:] for t, axis in zip(terms, axes)
    ]
    return _bind(written, new + output, operands), 0


_einsum_p.def_abstract_eval(_abstract)  # type: ignore[no-untyped-call]
_einsum_p.def_impl(jax.jit(_einsum_p.bind, static_argnames=("terms", "output")))  # type: ignore[no-untyped-call]
mlir.register_lowering(_einsum_p, _lower, platform="cpu")
ad.primitive_jvps[_einsum_p] = _jvp
ad.primitive_transposes[_einsum_p] = _transpose
batching.primitive_batchers[_einsum_p] = _batch


# ---- einsum ----


def _plain(term: str, x: Any, sizes: dict[str, int]) -> tuple[str, Any]:
    """An operand without repeated labels, and without axes of extent 1 whose label has another extent."""
    for c in dict.fromkeys(term):
        while term.count(c) > 1:
            first, second = term.index(c), term.rindex(c)
            x = jnp.diagonal(x, axis1=first, axis2=second)
            term = "".join(d for i, d in enumerate(term) if i not in (first, second)) + c
    ones = [i for i, c in enumerate(term) if x.shape[i] == 1 and sizes[c] != 1]
    return "".join(c for i, c in enumerate(term) if i not in ones), jnp.squeeze(x, ones)


def einsum(*operands: Any) -> Array:
    """einjit.einsum for jax's arrays and tracers: under jax.jit, grad, jvp, vmap.

    operands: as of einjit.einsum. Mixed dtypes promote as jax's do; narrow and unsigned integers are computed in signed
    ones of 32 bits or more. Raises einjit's errors of equations and shapes, while it is traced; DtypeError for dtypes
    such as float8's.
    """
    equation, arrays = normal(operands)
    if not arrays:
        raise BY_CODE["E_NO_OPERANDS"]("an einsum without operands")
    arrays = [jnp.asarray(x) for x in arrays]
    dtype = jnp.result_type(*arrays)
    computed = SIGNED.get(str(dtype), str(dtype))
    if computed not in DTYPE_NAMES:
        raise BY_CODE["E_DTYPE"](f"arrays of dtype {dtype}")
    terms, output = expanded(equation, [x.ndim for x in arrays])
    for term, x in zip(terms, arrays):
        for c in set(term):
            extents = {x.shape[i] for i, d in enumerate(term) if d == c}
            if len(extents) > 1:
                raise BY_CODE["E_DIM_DIAG"](f"the label '{c}' has the extents {sorted(extents)} in one operand")
    sizes = sizes_of(terms, [x.shape for x in arrays])
    plain = [_plain(term, x.astype(computed), sizes) for term, x in zip(terms, arrays)]
    held = {c for t, _ in plain for c in t}
    made = _bind([t for t, _ in plain], "".join(c for c in output if c in held), [x for _, x in plain])
    return made.astype(dtype)


__all__ = ["einsum"]

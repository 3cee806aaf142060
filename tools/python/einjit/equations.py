"""einsum in every form that NumPy, torch and opt_einsum accept, brought to one: text, operands, options.

The equation itself is the library's: here only lists of labels become text, and paths that are written out become
statements.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from . import _einjit
from .arrays import DTYPE_NAMES, Array, overridden, rank_of, shape_of, widened
from .errors import BY_CODE

NO_OPTIMIZE, STRICT = 1, 4
_CACHE_LIMIT = 4096
_NUMPY_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_STRATEGIES = {
    "optimal": "optimal",
    "dp": "optimal",
    "dynamic-programming": "optimal",
    "branch-all": "optimal",
    "branch-2": "optimal",
    "branch-1": "greedy",
    "greedy": "greedy",
    "eager": "greedy",
    "opportunistic": "greedy",
    "random-greedy": "auto",
    "random-greedy-128": "auto",
    "auto": None,
    "auto-hq": None,
    "optimal-auto": None,
}

functions: dict[Hashable, _einjit.Function] = {}
"""Functions by equation (einsum's fast way looks here), or by (equation, strategy or steps)."""


def symbol(number: int) -> str:
    """The letter of a number: ABC...Zabc...z as NumPy has it, then letters of other scripts, rising by code point."""
    return (
        _NUMPY_LETTERS[number]
        if number < 52
        else chr(0x4E00 + number - 52)
        if number < 20000
        else chr(0x20000 + number - 20000)
    )


def _function(key: Hashable, make: Callable[[], _einjit.Function]) -> _einjit.Function:
    found = functions.get(key)
    if found is None:
        if len(functions) >= _CACHE_LIMIT:
            functions.clear()
        found = functions[key] = make()
    return found


# ---- forms ----


def _labels(groups: Sequence[Sequence[Hashable]]) -> dict[Hashable, str]:
    used = {x for group in groups for x in group if x is not Ellipsis}
    numbers: dict[int, Hashable] = {}
    for x in used:
        if isinstance(x, (str, bytes)) or not hasattr(x, "__index__"):
            break
        number = x.__index__()
        if number < 0:
            raise ValueError(f"the label {number} is negative")
        numbers[number] = x
    else:
        if all(n < 20000 for n in numbers):
            return {x: symbol(n) for n, x in numbers.items()}
    try:
        order: Iterable[Hashable] = sorted(used)  # type: ignore[type-var]
    except TypeError:
        order = sorted(used, key=repr)
    return {x: symbol(n) for n, x in enumerate(order)}


def _interleaved(operands: Sequence[Any]) -> tuple[str, list[Any]]:
    """x, [0, 1], y, [1, 2], [0, 2] as text and operands."""
    n = len(operands) // 2
    groups = [*operands[1 : 2 * n : 2], *operands[2 * n :]]
    if not n or any(isinstance(g, (str, bytes)) or not hasattr(g, "__iter__") for g in groups):
        raise TypeError("subscripts are text, or a list of labels behind each operand")
    groups = [list(g) for g in groups]
    letters = _labels(groups)
    terms = ["".join("..." if x is Ellipsis else letters[x] for x in g) for g in groups]
    return ",".join(terms[:n]) + ("->" + terms[n] if len(operands) % 2 else ""), list(operands[: 2 * n : 2])


def normal(operands: Sequence[Any]) -> tuple[str, list[Any]]:
    """Text and operands of any form."""
    if not operands:
        raise ValueError("an einsum needs subscripts and operands")
    if not isinstance(operands[0], str):
        return _interleaved(operands)
    equation, rest = operands[0], list(operands[1:])
    if (
        len(rest) == 1
        and isinstance(rest[0], (list, tuple))
        and len(rest[0]) == equation.partition("->")[0].count(",") + 1
        and all(getattr(x, "ndim", 0) or getattr(x, "shape", None) == () for x in rest[0])
    ):
        rest = list(rest[0])  # torch.einsum(equation, [a, b])
    return equation, rest


def expanded(equation: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """Terms and output without ellipsis: its axes get letters that the equation does not have."""
    text = equation.replace(" ", "")
    left, arrow, output = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise BY_CODE["E_OPERAND_COUNT"](f"{len(ranks)} operands given, the equation has {len(terms)} terms")
    _einjit.Program(equation=equation)  # its errors are the library's
    width = max([rank - (len(t) - 3) for t, rank in zip(terms, ranks) if "..." in t], default=0)
    fresh = [c for c in map(symbol, range(52 + len(text) + max(width, 0))) if c not in text]
    dots = "".join(fresh[: max(width, 0)])

    def spread(term: str, n: int) -> str:
        return term.replace("...", dots[len(dots) - n :] if n > 0 else "")

    spelled = [spread(t, rank - (len(t) - 3)) for t, rank in zip(terms, ranks)]
    for t, rank in zip(spelled, ranks):
        if len(t) != rank:
            raise BY_CODE["E_RANK"](f"the term '{t}' has {len(t)} labels, its operand {rank} axes")
    if not arrow:
        letters = [c for t in terms for c in t if c != "."]
        output = ("..." if "." in left else "") + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    return spelled, spread(output, width)


def sizes_of(terms: Sequence[str], shapes: Sequence[Sequence[int]]) -> dict[str, int]:
    """Extents by label; 1 broadcasts."""
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes):
        if len(term) != len(shape):
            raise BY_CODE["E_RANK"](f"the term '{term}' has {len(term)} labels, its operand {len(shape)} axes")
        for label, extent in zip(term, shape):
            known = sizes.setdefault(label, int(extent))
            if known != extent and known != 1 and extent != 1:
                raise BY_CODE["E_DIM"](f"the label '{label}' has the extents {known} and {extent}")
            sizes[label] = int(extent) if known == 1 else known
    return sizes


# ---- paths that are written out ----


def check_path(path: Any, n: int) -> list[tuple[int, ...]]:
    """The steps of a path: positions among what is left, as opt_einsum and NumPy count."""
    steps = [tuple(int(i) for i in step) for step in path]
    left = n
    for step in steps:
        if not step or len(set(step)) != len(step) or not all(-left <= i < left for i in step):
            raise BY_CODE["E_VALUE"](f"the path's step {step} does not fit {left} operands")
        left -= len(step) - 1
    return steps + ([tuple(range(left))] if left > 1 else [])


def walk(
    terms: Sequence[str], output: str, path: Sequence[tuple[int, ...]]
) -> list[tuple[tuple[int, ...], list[str], str, list[str]]]:
    """(positions, operand terms, result, what is left) of each step."""
    left, made = list(terms), []
    for k, step in enumerate(path):
        positions = tuple(sorted((i % len(left) for i in step), reverse=True))
        taken = [left.pop(i) for i in positions]
        needed = set(output).union(*left)
        found = dict.fromkeys(c for t in taken for c in t)
        result = output if k + 1 == len(path) else "".join(c for c in found if c in needed)
        left.append(result)
        made.append((positions, taken, result, list(left)))
    return made


def as_written(terms: Sequence[str], output: str, path: Sequence[tuple[int, ...]]) -> _einjit.Function:
    """A function of the path's steps, each its own statement, computed as they stand."""
    names, lines = [f"x{i}" for i in range(len(terms))], []
    for k, (positions, taken, result, _) in enumerate(walk(terms, output, path)):
        operands = [names.pop(i) for i in positions]
        lines.append(f'v{k} = einsum("{",".join(taken)}->{result}", {", ".join(operands)})')
        names.append(f"v{k}")
    body = "".join(f"    {line}\n" for line in lines)
    text = f"def f({', '.join(f'x{i}' for i in range(len(terms)))}):\n{body}    return {names[-1]}\n"
    return _einjit.Function(_einjit.Program(text), flags=NO_OPTIMIZE)


def function_of(equation: str, ranks: Callable[[], list[int]], optimize: Any) -> _einjit.Function:
    """The function of an equation; `ranks` is asked for paths that are written out."""
    if isinstance(optimize, (list, tuple)) and optimize and isinstance(optimize[0], str):
        if optimize[0] == "einsum_path":
            optimize = list(optimize[1:])
            if sum(len(step) - 1 for step in optimize) != len(ranks()) - 1:
                raise RuntimeError(f"the path {optimize} does not contract {len(ranks())} operands to one")
        else:  # NumPy's ("greedy", memory limit)
            optimize = optimize[0]
    if isinstance(optimize, (list, tuple)):
        known = ranks()
        path = tuple(check_path(optimize, len(known)))

        def written() -> _einjit.Function:
            return as_written(*expanded(equation, known), path)

        return _function((equation, path, tuple(known)), written) if path else function_of(equation, ranks, None)
    if isinstance(optimize, str) and optimize not in _STRATEGIES:
        raise BY_CODE["E_VALUE"](f"there is no path strategy '{optimize}'")
    strategy = _STRATEGIES[optimize] if isinstance(optimize, str) else None

    def made() -> _einjit.Function:
        return _einjit.Function(_einjit.Program(equation=equation), path=strategy)

    return _function((equation, strategy) if strategy else equation, made)


# ---- einsum ----


def einsum(
    *operands: Any,
    out: Array | None = None,
    optimize: Any = None,
    dtype: Any = None,
    order: str = "K",
    casting: str = "safe",
    memory_limit: Any = None,
    use_blas: bool = True,
    backend: str = "auto",
    alpha: float = 1.0,
    beta: float = 0.0,
) -> Array:
    """The general way of einjit.einsum, which documents it: any form, any dtype, any option."""
    if str(order).upper() not in ("K", "A", "C", "F"):
        raise ValueError(f"order '{order}'")
    equation, arrays = normal(operands)
    traced = next((x for x in arrays if "_einjit_trace" in getattr(x, "__dict__", ())), None)
    if traced is not None:
        return traced._einjit_trace.einsum(equation, arrays)
    if not arrays:
        raise BY_CODE["E_NO_OPERANDS"]("an einsum without operands")
    options = {"out": out, "optimize": optimize, "alpha": alpha, "beta": beta}
    defaults = {"out": None, "optimize": None, "alpha": 1.0, "beta": 0.0}
    made = overridden(_einjit.einsum, arrays, operands, {k: v for k, v in options.items() if v is not defaults[k]})
    if made is not NotImplemented:
        return made
    plain = out is None and dtype is None and casting == "safe"
    checked = None if plain else _check_casts(arrays, out, dtype, casting, optimize)
    read, restore = widened(arrays, checked)
    if alpha != 1 or beta != 0:
        return _scaled(equation, arrays, read, out, optimize, alpha, beta)
    function = function_of(equation, lambda: [rank_of(x) for x in read], optimize)
    if out is None:
        return restore(function(*read))
    if function.shapes(*read)[0][0] == DTYPE_NAMES.get(
        str(getattr(out, "dtype", None)).rpartition(".")[2]
    ) and not _may_overlap(out, read):
        return function(*read, out=out)
    return _into(out, restore(function(*read)))


def _scaled(
    equation: str, arrays: list[Any], read: list[Any], out: Any, optimize: Any, alpha: float, beta: float
) -> Array:
    """alpha * einsum + beta * out, in dtypes that are computed as they are."""
    if any(getattr(a, "dtype", None) != getattr(b, "dtype", None) for a, b in zip(arrays, read)):
        raise BY_CODE["E_DTYPE"]("alpha and beta are for operands of dtypes that einjit computes with")
    plain = function_of(equation, lambda: [rank_of(x) for x in read], optimize)
    key = plain, alpha, beta
    function = _function(
        key,
        lambda: _einjit.Function(plain.program, path=plain.path, flags=plain.flags, alpha=alpha, beta=beta),
    )
    return function(*read) if out is None else function(*read, out=out)


def _may_overlap(out: Any, arrays: Sequence[Any]) -> bool:
    """NumPy computes into a copy where they may; torch refuses, and so does the library."""
    import sys

    numpy = sys.modules.get("numpy")
    return (
        numpy is not None
        and isinstance(out, numpy.ndarray)
        and any(isinstance(a, numpy.ndarray) and numpy.may_share_memory(out, a) for a in arrays)
    )


def _into(out: Any, result: Any) -> Array:
    if hasattr(out, "copy_"):
        return out.copy_(result)
    if tuple(out.shape) != tuple(getattr(result, "shape", ())):
        raise BY_CODE["E_SHAPE"](
            f"the output has the shape {tuple(out.shape)}, the result {tuple(getattr(result, 'shape', ()))}"
        )
    out[...] = result.astype(out.dtype) if hasattr(result, "astype") else result
    return out


def _check_casts(arrays: Sequence[Any], out: Any, dtype: Any, casting: Any, optimize: Any) -> Any:
    """NumPy's dtype= and casting=: the dtype to compute in, or None."""
    if casting not in ("no", "equiv", "safe", "same_kind", "unsafe"):
        raise ValueError(f"casting '{casting}'")
    if out is not None and not hasattr(out, "__dlpack__") and not hasattr(out, "__array_interface__"):
        raise TypeError("out is not an array")
    if any(hasattr(x, "requires_grad") for x in arrays) or (
        out is not None and not hasattr(out, "__array_interface__")
    ):
        return None
    import numpy

    given = [numpy.asanyarray(x) for x in arrays]
    wanted = numpy.dtype(dtype) if dtype is not None else numpy.result_type(*given)
    if not all(numpy.can_cast(a.dtype, wanted, casting) for a in given):
        raise TypeError(f"no cast by the rule '{casting}'")
    if out is not None and not optimize and not numpy.can_cast(wanted, out.dtype, casting):
        raise TypeError(f"{wanted} does not go into {out.dtype} by the rule '{casting}'")
    return wanted if dtype is not None else None


def tensordot(a: Array, b: Array, axes: int | Sequence[Any] = 2, *, dims: int | Sequence[Any] | None = None) -> Array:
    """Sum products of `a` and `b` over pairs of axes, as numpy.tensordot and torch.tensordot do.

    axes (dims): how many last axes of `a` meet as many first ones of `b`, or two lists of axes. The result has the
    other axes of `a`, then those of `b`, and is new. Raises RankError, DimError, ValueError.
    """
    axes = axes if dims is None else dims
    n, m = rank_of(a), rank_of(b)
    if hasattr(axes, "__iter__"):
        left, right = ([x] if isinstance(x, int) else [int(i) for i in x] for x in axes)
    else:
        left, right = list(range(n - int(axes), n)), list(range(int(axes)))
    if len(left) != len(right) or any(not -n <= i < n for i in left) or any(not -m <= i < m for i in right):
        raise BY_CODE["E_RANK"](f"axes {axes} do not fit operands of {n} and {m} axes")
    first, second = [symbol(i) for i in range(n)], [symbol(n + i) for i in range(m)]
    shapes = shape_of(a), shape_of(b)
    for i, k in zip(left, right):
        if shapes[0][i] != shapes[1][k]:
            raise BY_CODE["E_DIM"](
                f"axis {i} of the first operand is {shapes[0][i]}, axis {k} of the second {shapes[1][k]}"
            )
        second[k] = first[i]
    kept = [c for i, c in enumerate(first) if i not in {x % n for x in left}] + [
        c for k, c in enumerate(second) if k not in {x % m for x in right}
    ]
    return _einjit.einsum(f"{''.join(first)},{''.join(second)}->{''.join(kept)}", a, b)


def transpose(a: Array, axes: Sequence[int] | None = None) -> Array:
    """A new, row-major array with the axes of `a` in another order (None: reversed), as numpy.transpose names them."""
    n = rank_of(a)
    order = list(range(n))[::-1] if axes is None else [int(i) for i in axes]
    if sorted(i % n if -n <= i < n else -1 for i in order) != list(range(n)):
        raise BY_CODE["E_VALUE"](f"axes {order} are no permutation of {n}")
    letters = [symbol(i) for i in range(n)]
    return _einjit.einsum(f"{''.join(letters)}->{''.join(letters[i] for i in order)}", a)

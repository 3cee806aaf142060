"""Contraction paths as opt_einsum reports them, and expressions that are made once and called often.

The search is the library's; counted here is what opt_einsum's report shows, in opt_einsum's way (flops with a factor of
2 for steps that sum).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import _einjit
from .arrays import Array, shape_of, widened
from .equations import NO_OPTIMIZE, as_written, check_path, expanded, function_of, normal, sizes_of, walk
from .errors import EinjitError

_STRATEGY = {
    "dp": "optimal",
    "dynamic-programming": "optimal",
    "branch-all": "optimal",
    "branch-2": "optimal",
    "branch-1": "greedy",
    "eager": "greedy",
    "opportunistic": "greedy",
    "random-greedy": "auto",
    "random-greedy-128": "auto",
    "auto-hq": "auto",
}


def _size(labels: Any, sizes: dict[str, int]) -> int:
    n = 1
    for c in labels:
        n *= sizes[c]
    return n


def _flops(labels: Any, summed: bool, operands: int, sizes: dict[str, int]) -> int:
    return _size(labels, sizes) * (max(1, operands - 1) + (1 if summed else 0))


class PathInfo:
    """A path and what it costs; prints as a table. The attributes are opt_einsum's."""

    def __init__(
        self,
        terms: list[str],
        output: str,
        shapes: list[tuple[int, ...]],
        sizes: dict[str, int],
        path: list[tuple[int, ...]],
    ) -> None:
        self.input_subscripts, self.output_subscript = ",".join(terms), output
        self.eq, self.path, self.shapes, self.size_dict = f"{self.input_subscripts}->{output}", path, shapes, sizes
        self.indices = set("".join(terms))
        self.naive_cost = _flops(self.indices, bool(self.indices - set(output)), len(terms), sizes)
        self.contraction_list: list[tuple[tuple[int, ...], frozenset[str], str, tuple[str, ...] | None, Any]] = []
        self.scale_list, self.cost_list, self.size_list = [], [], []
        for positions, taken, result, left in walk(terms, output, path):
            labels = set("".join(taken))
            removed = frozenset(labels - set(result))
            self.scale_list.append(len(labels))
            self.cost_list.append(_flops(labels, bool(removed), len(taken), sizes))
            self.size_list.append(_size(result, sizes))
            self.contraction_list.append(
                (positions, removed, f"{','.join(taken)}->{result}", tuple(left) if len(left) <= 20 else None, False)
            )
        self.opt_cost = sum(self.cost_list)
        self.largest_intermediate = max(self.size_list, default=0)

    @property
    def speedup(self) -> float:
        """Naive operations over those of the path."""
        return self.naive_cost / max(self.opt_cost, 1)

    def _repr_svg_(self) -> str | None:
        from . import explain

        if not self.path or len(self.shapes) > 100:
            return None
        terms = self.input_subscripts.split(",")
        function = as_written(terms, self.output_subscript, self.path)
        try:
            return explain(function, *(("f64", s) for s in self.shapes))._repr_svg_()
        except (EinjitError, OSError, OverflowError):
            return None  # the table is there: extents of a path may be larger than those of any tensor

    def __repr__(self) -> str:
        head = [
            f"  Complete contraction:  {self.eq}",
            f"         Naive scaling:  {len(self.indices)}",
            f"     Optimized scaling:  {max(self.scale_list, default=0)}",
            f"      Naive FLOP count:  {self.naive_cost:.3e}",
            f"  Optimized FLOP count:  {self.opt_cost:.3e}",
            f"   Theoretical speedup:  {self.speedup:.3e}",
            f"  Largest intermediate:  {self.largest_intermediate:.3e} elements",
            "-" * 80,
            f"{'scaling':>8}{'flops':>12}   current",
            "-" * 80,
        ]
        return "\n".join(
            head
            + [
                f"{scale:>8}{cost:>12.3e}   {step[2]}"
                for scale, cost, step in zip(self.scale_list, self.cost_list, self.contraction_list)
            ]
        )


def _watcher(progress: Any, strategy: str | None) -> Any:
    """What a search tells how it goes on."""
    if not progress or callable(progress):
        return progress or None
    from .drawing import Bar

    try:
        return Bar(float((strategy or "").partition("seconds=")[2].partition(",")[0]))
    except ValueError:
        return Bar(None)  # no time is given, or none that the search will accept


def search(
    terms: Sequence[str], output: str, sizes: dict[str, int], strategy: str | None, progress: Any = None
) -> list[tuple[int, ...]]:
    """The library's path for terms, as positions among what is left. Strategies: None or "auto", "optimal",
    "greedy", "portfolio:seconds=5", ..."""
    watch = _watcher(progress, strategy)
    numbers = {c: k for k, c in enumerate(sizes)}
    try:
        steps, _, _ = _einjit.path(
            tuple(tuple(numbers[c] for c in t) for t in terms),
            tuple(numbers[c] for c in output),
            tuple(sizes.values()),
            strategy,
            watch,
        )
    finally:
        if watch is not progress and watch is not None:
            watch.close()
    left, path = list(range(len(terms))), []
    for k, step in enumerate(steps):
        positions = tuple(sorted(left.index(i) for i in step))
        for i in reversed(positions):
            left.pop(i)
        left.append(len(terms) + k)
        path.append(positions)
    return path


def contract_path(
    *operands: Any,
    shapes: bool = False,
    optimize: Any = True,
    memory_limit: Any = None,
    use_blas: bool = True,
    einsum_call: bool = False,
    progress: Any = None,
) -> tuple[list[tuple[int, ...]], PathInfo]:
    """The order in which an einsum's operands are best contracted, and what it costs.

    operands: an equation and arrays, lists of labels behind arrays, or with shapes=True an equation and shapes.
    optimize: "auto" (True), "optimal", "greedy", a path, or False for one step; opt_einsum's other names stand for the
    nearest of these, "portfolio:seconds=5" is the best path that is found in that time. progress: of such a search, True
    for a bar (tqdm's, where it is installed), or a function of (log10 of the multiplications, trials, seconds) whose
    true answer ends it. Ctrl-C ends any. Returns (path, PathInfo): each step positions among the operands that are left, the result at
    their end. Raises the equation's errors. Time: near-linear for greedy, exponential in the operands for optimal.
    """
    equation, arrays = normal(operands)
    extents = [tuple(int(n) for n in a) if shapes else shape_of(a) for a in arrays]
    terms, output = expanded(equation, [len(s) for s in extents])
    sizes = sizes_of(terms, extents)
    if isinstance(optimize, (list, tuple)):
        path = check_path(optimize[1:] if optimize and optimize[0] == "einsum_path" else optimize, len(terms))
    elif optimize is False or len(terms) < 3:
        path = [tuple(range(len(terms)))]
    else:
        strategy = _STRATEGY.get(optimize, optimize) if isinstance(optimize, str) else "auto"
        path = search(terms, output, sizes, strategy, progress)
    return path, PathInfo(terms, output, extents, sizes, path)


class Expression:
    """An einsum for operands of these shapes, some of them constant; called with the others."""

    def __init__(self, equation: str, operands: Sequence[Any], constants: Sequence[int], optimize: Any) -> None:
        self.contraction, self.constants = equation, {k: operands[k] for k in constants}
        self.shapes = [shape_of(x) if k in self.constants else tuple(int(n) for n in x) for k, x in enumerate(operands)]
        terms, output = expanded(equation, [len(s) for s in self.shapes])
        sizes_of(terms, self.shapes)
        plain = function_of(equation, lambda: [len(s) for s in self.shapes], None if optimize is True else optimize)
        names = [name for name, _, _ in plain.program.inputs]
        written = isinstance(optimize, (list, tuple))
        self.function = plain
        if self.constants:
            self.function = _einjit.Function(
                plain.program,
                flags=NO_OPTIMIZE if written else 0,
                constants={names[k]: widened([x])[0][0] for k, x in self.constants.items()},
            )

    def __call__(
        self, *arrays: Array, out: Array | None = None, backend: str = "auto", evaluate_constants: bool = False
    ) -> Array:
        """Arrays for the shapes, in their order; the result is new, or in `out`. Errors as of a compiled function."""
        return self.function(*arrays) if out is None else self.function(*arrays, out=out)

    def __repr__(self) -> str:
        return f"<Expression('{self.contraction}'{f', constants={sorted(self.constants)}' if self.constants else ''})>"


def contract_expression(
    subscripts: str,
    *shapes: Any,
    constants: Sequence[int] | None = None,
    optimize: Any = True,
    memory_limit: Any = None,
    use_blas: bool = True,
) -> Expression:
    """An einsum to be called with arrays of these shapes; those whose positions are in `constants` are arrays given
    now, and what follows from them alone is computed when the expression is compiled (on its first call).

    Raises the equation's errors, here for ranks and extents too.
    """
    return Expression(subscripts, shapes, tuple(constants or ()), optimize)

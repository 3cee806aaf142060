"""Drawings of plans, and how a search for a path goes on.

The drawing is the command line's (`python -m einjit explain --svg`), of the program with the extents of its operands.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from . import _einjit
from .arrays import shape_of


def _spec(x: Any) -> tuple[str, tuple[int, ...]]:
    from .tracing import dtype_of

    return x if isinstance(x, tuple) and len(x) == 2 and isinstance(x[0], str) else (dtype_of(x), shape_of(x))


def _typed(program: _einjit.Program, specs: Sequence[tuple[str, tuple[int, ...]]]) -> tuple[str, dict[str, int]]:
    """The program's text with its inputs' types written down, and the extents that it names."""
    parameters, sizes = [], {}
    for (name, _, declared), (dtype, shape) in zip(program.inputs, specs):
        written: list[Any] = list(shape)
        for i, extent in enumerate(declared or ()):
            if isinstance(extent, str):
                written[i], sizes[extent] = extent, shape[i]
        parameters.append(f"{name}: {dtype}[{', '.join(map(str, written)) or '()'}]")
    _, _, body = str(program).partition("):\n")
    return f"def forward({', '.join(parameters)}):\n{body}", sizes


def svg(function: _einjit.Function, operands: Sequence[Any]) -> str:
    """The steps of a function's plan for these operands, or (dtype, shape). Not drawn: the products with alpha and
    beta, and what measuring changes. Of constants it is known which they are, not what they hold."""
    left = list(operands)
    given = [left.pop(0) if c is None else c for c in function.constants or [None] * len(function.program.inputs)]
    text, sizes = _typed(function.program, [_spec(x) for x in given])
    options = ["--no-opt"] * (function.flags & 1) + ["--strict"] * bool(function.flags & 4)
    options += [f"-s{name}={n}" for name, n in sizes.items()]
    options += ["--strategy", function.path] if function.path else []
    options += ["--open", function.open] if function.open else []
    held = [name for (name, _, _), x in zip(function.program.inputs, function.constants or ()) if x is not None]
    options += ["--memory-limit", str(function.memory_limit)] if function.memory_limit else []
    options += ["--constants", ",".join(held)] if held else []
    done = subprocess.run(
        [sys.executable, "-m", "einjit", "explain", "-", "--svg", "-", *options],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return done.stdout


class Bar:
    """A search's best path so far, on a bar of tqdm's where that is installed; called as _einjit.path asks."""

    def __init__(self, seconds: float | None) -> None:
        try:
            from tqdm.auto import tqdm  # type: ignore[import-untyped,unused-ignore]
        except ImportError:
            self.bar: Any = None
            return
        form = "{desc} {percentage:3.0f}%|{bar}| {n:.1f}/{total:.1f} s" if seconds else "{desc} {n:.1f} s"
        self.bar = tqdm(total=seconds, desc="path", bar_format=form)

    def __call__(self, log10_mults: float, trials: int, seconds: float) -> bool:
        if self.bar is not None:
            self.bar.set_description_str(f"path: 10^{log10_mults:.2f} products, {trials} trials", refresh=False)
            self.bar.update(min(seconds, self.bar.total or seconds) - self.bar.n)
        return False

    def close(self) -> None:
        """The bar stays as it is."""
        if self.bar is not None:
            self.bar.close()

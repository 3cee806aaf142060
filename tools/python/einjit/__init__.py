"""einjit: programs made of einsums, compiled to native code for the shapes they meet.

    c = einjit.einsum("ij,jk->ik", a, b)                NumPy, torch or jax; the result is of the first operand's kind
    f = einjit.compile("zij,zjk,zk->zi", open="z")      one kernel for every z
    y = f(a, b, v)                                      or f(a, b, v, out=y)

    @einjit.jit
    def layer(x, w):
        return einjit.relu(einjit.einsum("bi,io->bo", x, w)) * 0.5

    dw = einjit.grad(loss, argnums=1)(x, w)

Extents are in elements. Errors are of the classes in einjit.errors, all of them EinjitError. As many threads as torch
uses at the time of the call, where that is loaded, share large loops (EINJIT_THREADS says another number). Calls from
several threads are safe; kernels that touch 16 KiB or more, and compiles, run without the GIL. einjit.fx is a drop-in for
opt_einsum_fx, torch.compile(model, backend="einjit") compiles models.
"""

from __future__ import annotations

from . import _einjit, errors
from ._einjit import Array, Function, Program
from .errors import EinjitError

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing it takes as long as all of this package
    from typing import Any

__version__: str = _einjit.version
__all__ = [
    "Array",
    "EinjitError",
    "Function",
    "Program",
    "clear_cache",
    "compile",
    "contract",
    "contract_expression",
    "contract_path",
    "einsum",
    "errors",
    "explain",
    "grad",
    "jit",
    "statistics",
    "tensordot",
    "transpose",
    "value_and_grad",
]

statistics, clear_cache = _einjit.statistics, _einjit.clear_cache

_functions: dict[Any, Function] = {}


# ---- the extension's hooks: the modules behind them are imported when they are needed ----


def _coerce(x: object, why: str) -> Any:
    from . import arrays

    return arrays.coerce(x, why)


def _accept(kind: type) -> bool:
    from . import arrays

    return arrays.accept(kind)


def _wrap(made: Any, like: object) -> Any:
    from . import arrays

    return arrays.wrap(made, like)


_differentiable: Any = None


def _gradient(function: Function, operands: tuple[Any, ...], out: Any, plain: bool) -> Any:
    global _differentiable
    if _differentiable is None:
        from .autograd import differentiable

        _differentiable = differentiable
    return _differentiable(function, operands, out, plain)


def _einsum(*operands: Any, **options: Any) -> Any:
    from . import equations

    if equations.functions is not _functions:
        equations.functions = _functions
    _warn_without_codegen()
    return equations.einsum(*operands, **options)


_einjit.setup(errors.BY_STATUS, _coerce, _accept, _wrap, _gradient, _einsum, _functions)
_warned = bool(_einjit.codegen)


def _warn_without_codegen() -> None:
    global _warned
    if not _warned:
        _warned = True
        import warnings

        warnings.warn(
            "einjit was built without a code generator: the interpreter answers, which is slow",
            RuntimeWarning,
            stacklevel=3,
        )


# ---- functions ----

einsum = _einjit.einsum


def compile(
    program: Any,
    *,
    open: str | None = None,
    path: str | None = None,
    strict: bool = False,
    measure: bool = False,
    optimize: bool = True,  # noqa: A001
    constants: dict[str, Any] | None = None,
    alpha: float = 1.0,
    beta: float = 0.0,
    memory_limit: int | None = None,
) -> Any:
    """A function of arrays from program text, an equation, a Program, or a Python function (then as einjit.jit).

    open: names of extents that stay open, with commas: one kernel for every value. path: "auto", "optimal", "greedy",
    "written".
    strict: nothing is rewritten that could change a bit. measure: loops and tiles are chosen by their time on this
    machine: compiles take longer. optimize=False: compiled as written. constants: arrays by the inputs' names, left out
    of the calls; what follows from them alone is computed once. alpha, beta: outputs become alpha * result + beta *
    what `out` held, products where they lie, without a temporary. memory_limit: bytes that intermediates may take; an
    einsum that would take more is computed in slices. Call it as f(*arrays, out=None); several results are a
    tuple. Compiled on the first call of each signature of dtypes, extents and strides, milliseconds; then a call is
    some tenths of a microsecond above the kernel. Raises SyntaxError, NameError... of einjit.errors with line and column.
    """
    _warn_without_codegen()
    if callable(program) and not isinstance(program, (str, Program)):
        if open or path or constants or not optimize or alpha != 1 or beta != 0 or memory_limit:
            raise TypeError(
                "a Python function is compiled for the shapes it meets: of the options strict and measure are for it"
            )
        return jit(program, strict=strict, measure=measure)
    if isinstance(program, str):
        text = "def " in program or "\n" in program
        program = Program(text=program) if text else Program(equation=program)
    return Function(
        program,
        open=open,
        path=path,
        flags=_flags(strict, measure) | (0 if optimize else 1),
        constants=constants,
        alpha=alpha,
        beta=beta,
        memory_limit=memory_limit,
    )


def _flags(strict: bool, measure: bool) -> int:
    return (4 if strict else 0) | (8 if measure else 0)


def jit(function: Any = None, *, strict: bool = False, measure: bool = False) -> Any:
    """A decorator: the einsums and operators of arrays that a Python function does become one program.

    The function runs once for each dtypes and shapes of its arguments, and for each value of those that are no arrays,
    with values that stand for its arrays; arrays it has from elsewhere are read in each call, all else from elsewhere is
    what it was in the first. Arguments and results may be nested lists, tuples and dicts. It may not look at values.
    strict, measure: as einjit.compile has them. Raises UnsupportedError for what programs do not have.
    """
    from .tracing import Traced

    _warn_without_codegen()
    flags = _flags(strict, measure)
    return Traced(function, flags) if function is not None else lambda f: Traced(f, flags)


def grad(function: Any, argnums: int | tuple[int, ...] = 0) -> Any:
    """A function that gives the gradient of `function`'s one number by some of its arguments, in their shapes.

    function: a Python function of arrays, what einjit.jit made of one, or a compiled program. Complex numbers follow
    torch's convention. Raises RankError where the result has axes, UnsupportedError for operations without a gradient.
    """
    from .tracing import Gradient

    return Gradient(function, argnums, with_value=False)


def value_and_grad(function: Any, argnums: int | tuple[int, ...] = 0) -> Any:
    """einjit.grad, and the value: (value, gradient), computed together."""
    from .tracing import Gradient

    return Gradient(function, argnums, with_value=True)


class explain:  # noqa: N801
    """What compiling makes of an equation, program text or Function for operands, or for ("f32", (3, 4)) in their
    place.

    Attributes: those of `figures` (naive_operations, planned_operations, log10_mults, log2_largest, scratch_bytes,
    steps, bytes_moved, naive_bytes, touched_bytes: counted, not measured), and `plan`, the steps. Prints as both; in a
    notebook it is drawn. text(stage) is any other stage: "opt", "nest", "asm", ...; svg() the drawing.
    """

    def __init__(self, program: Any, *operands: Any) -> None:
        self.function = program if isinstance(program, Function) else compile(program)
        self.operands = operands
        self.figures: dict[str, Any] = self.function.cost(*operands)
        self.plan: str = self.function.text("plan", *operands)

    def text(self, stage: str) -> str:
        """A stage of the compile, as Function.text gives it."""
        return self.function.text(stage, *self.operands)

    def svg(self) -> str:
        """The plan's steps as a drawing, each below what it waits for. Raises RuntimeError where the package is without
        its command line."""
        from .drawing import svg

        return svg(self.function, self.operands)

    def _repr_svg_(self) -> str | None:
        try:
            return self.svg()
        except RuntimeError:
            return None

    def __getattr__(self, name: str) -> Any:
        if name in ("figures", "__setstate__") or name not in self.figures:
            raise AttributeError(name)
        return self.figures[name]

    def __repr__(self) -> str:
        return "\n".join(f"{name:<20}{value:,.6g}" for name, value in self.figures.items()) + f"\n\n{self.plan}"


def __getattr__(name: str) -> Any:
    """What is imported when it is asked for."""
    if name in ("contract_path", "contract_expression"):
        from . import paths

        return getattr(paths, name)
    if name in ("array", "asarray"):  # autoray asks for them where nothing is to be contracted
        from . import arrays

        return arrays.asarray
    if name in ("tensordot", "transpose"):
        from . import equations

        return getattr(equations, name)
    if name == "contract":
        return einsum
    if name in ("fx", "dynamo", "jax"):
        import importlib

        return importlib.import_module(f"einjit.{name}")
    from .tracing import NUMPY_NAMES, OPERATORS, operator

    if name in OPERATORS or name in NUMPY_NAMES:
        globals()[name] = operator(NUMPY_NAMES.get(name, name))
        return globals()[name]
    raise AttributeError(f"einjit has no '{name}'")

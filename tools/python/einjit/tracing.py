"""Python functions as programs: einsums and operators of arrays, written down as they are called.

Takes  a function; for each dtypes and shapes of its arrays it is run once with values that stand for them.
Gives  program text, whose meaning and errors are the library's; gradients of it, which are the library's too.
Not here: control flow that looks at values (a value that stands for an array has none), in-place operations.
"""

from __future__ import annotations

import functools
import re
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from . import _einjit
from .arrays import DTYPE_NAMES, is_torch, shape_of
from .errors import BY_CODE

_POINTWISE = _einjit.pointwise()
_METHODS = frozenset(_POINTWISE) | {
    "sum",
    "mean",
    "prod",
    "amax",
    "amin",
    "logsumexp",
    "max",
    "min",
    "argmax",
    "argmin",
    "gather",
    "tril",
    "triu",
    "flip",
    "var",
    "std",
    "softmax",
    "log_softmax",
    "clamp",
    "masked_fill",
    "bmm",
    "addmm",
    "baddbmm",
    "flatten",
    "detach",
    "permute",
    "transpose",
    "reshape",
    "expand",
    "unsqueeze",
    "squeeze",
    "index_select",
    "matmul",
    "to",
}
OPERATORS = frozenset(_POINTWISE) | {
    "matmul",
    "bmm",
    "addmm",
    "baddbmm",
    "softmax",
    "log_softmax",
    "clamp",
    "masked_fill",
    "argmax",
    "argmin",
    "gather",
    "tril",
    "triu",
    "flip",
    "var",
    "std",
    "flatten",
    "detach",
    "logsumexp",
    "layer_norm",
    "cat",
    "stack",
    "index_select",
    "index_add",
    "sum",
    "prod",
    "mean",
    "amax",
    "amin",
    "permute",
    "reshape",
    "unsqueeze",
    "squeeze",
    "expand",
}
"""Functions of the program text that einjit offers under their own name."""
NUMPY_NAMES = {
    "add": "add",
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div",
    "true_divide": "div",
    "negative": "neg",
    "absolute": "abs",
    "power": "pow",
    "matmul": "matmul",
    "floor_divide": "floor_divide",
    "mod": "remainder",
    "invert": "bitwise_not",
    "conjugate": "conj",
    "rint": "round",
    "equal": "eq",
    "not_equal": "ne",
    "less": "lt",
    "less_equal": "le",
    "greater": "gt",
    "greater_equal": "ge",
    "concatenate": "cat",
}


class Trace:
    """The statements of one function."""

    def __init__(self) -> None:
        self.inputs: list[tuple[str, str, tuple[int | str, ...]]] = []
        self.lines: list[str] = []
        self.captured: dict[int, tuple[str, Any]] = {}

    def input(self, array: Any, name: str | None = None) -> Value:
        dtype = dtype_of(array)
        self.inputs.append((name or f"x{len(self.inputs)}", dtype, shape_of(array)))
        return Value(self, self.inputs[-1][0])

    def literal(self, x: Any) -> str:
        if isinstance(x, Value):
            if x._einjit_trace is not self:
                raise ValueError("a value of another function that is being traced")
            return x._name
        if isinstance(x, (bool, int, float, str)) or x is None:
            return (
                f"float('{x}')" if isinstance(x, float) and (x != x or x in (float("inf"), float("-inf"))) else repr(x)
            )
        if isinstance(x, complex):
            return f"({x.real!r} + {x.imag!r}j)"
        if isinstance(x, list):
            return f"[{', '.join(map(self.literal, x))}]"
        if isinstance(x, tuple):
            return f"({', '.join(map(self.literal, x))}{',' if len(x) == 1 else ''})"
        if id(x) not in self.captured:  # an array that the function has from elsewhere
            self.captured[id(x)] = (self.input(x, f"captured{len(self.captured)}")._name, x)
        return self.captured[id(x)][0]

    def call(self, name: str, *args: Any, **words: Any) -> Value:
        written = [*map(self.literal, args), *(f"{k}={self.literal(v)}" for k, v in words.items())]
        return self.value(f"{name}({', '.join(written)})")

    def value(self, expression: str) -> Value:
        self.lines.append(f"v{len(self.lines)} = {expression}")
        return Value(self, f"v{len(self.lines) - 1}")

    def einsum(self, equation: str, operands: Sequence[Any]) -> Value:
        return self.call("einsum", equation, *operands)

    def text(self, results: Sequence[str]) -> str:
        parameters = ", ".join(
            f"{name}: {dtype}[{', '.join(map(str, shape)) or '()'}]" for name, dtype, shape in self.inputs
        )
        return (
            f"def f({parameters}):\n"
            + "".join(f"    {line}\n" for line in self.lines)
            + f"    return {', '.join(results)}\n"
        )

    def shape(self, name: str) -> tuple[int, ...]:
        function = _einjit.Function(_einjit.Program(self.text([name])))
        return function.shapes(*((dtype, shape) for _, dtype, shape in self.inputs))[0][1]


def dtype_of(array: Any) -> str:
    """ "f32", ... of an array; Python's numbers are f64, i64, bool or c128."""
    dtype = getattr(array, "dtype", None)
    if dtype is None:
        kinds = {bool: "bool", int: "i64", float: "f64", complex: "c128"}
        if type(array) in kinds:
            return kinds[type(array)]
        import numpy

        dtype = numpy.asarray(array).dtype
    name = str(dtype).rpartition(".")[2]
    if name not in DTYPE_NAMES and name not in DTYPE_NAMES.values():
        raise BY_CODE["E_DTYPE"](f"arrays of dtype {dtype}")
    return DTYPE_NAMES.get(name, name)


def _infix(operator: str, swapped: bool = False) -> Callable[[Value, Any], Value]:
    def method(self: Value, other: Any) -> Value:
        a, b = self._einjit_trace.literal(self), self._einjit_trace.literal(other)
        return self._einjit_trace.value(f"{b} {operator} {a}" if swapped else f"{a} {operator} {b}")

    return method


class Value:
    """What stands for an array while a function is traced: operators, torch's and NumPy's functions and methods write
    statements."""

    __array_priority__ = 1000

    def __init__(self, trace: Trace, name: str) -> None:
        self._einjit_trace, self._name = trace, name

    __add__, __radd__ = _infix("+"), _infix("+", True)
    __sub__, __rsub__ = _infix("-"), _infix("-", True)
    __mul__, __rmul__ = _infix("*"), _infix("*", True)
    __truediv__, __rtruediv__ = _infix("/"), _infix("/", True)
    __floordiv__, __rfloordiv__ = _infix("//"), _infix("//", True)
    __mod__, __rmod__ = _infix("%"), _infix("%", True)
    __and__, __rand__ = _infix("&"), _infix("&", True)
    __or__, __ror__ = _infix("|"), _infix("|", True)
    __xor__, __rxor__ = _infix("^"), _infix("^", True)
    __matmul__, __rmatmul__ = _infix("@"), _infix("@", True)
    __pow__, __rpow__ = _infix("**"), _infix("**", True)
    __lt__, __le__, __gt__, __ge__ = _infix("<"), _infix("<="), _infix(">"), _infix(">=")
    __eq__, __ne__ = _infix("=="), _infix("!=")  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]

    def __neg__(self) -> Value:
        return self._einjit_trace.value(f"-{self._name}")

    def __invert__(self) -> Value:
        return self._einjit_trace.value(f"~{self._name}")

    def __getitem__(self, key: Any) -> Value:
        def part(k: Any) -> str:
            if isinstance(k, slice):
                return ":".join(
                    "" if x is None else str(int(x))
                    for x in ((k.start, k.stop) if k.step is None else (k.start, k.stop, k.step))
                )
            return "..." if k is Ellipsis else self._einjit_trace.literal(k)

        return self._einjit_trace.value(
            f"{self._name}[{', '.join(map(part, key if isinstance(key, tuple) else (key,)))}]"
        )

    def __getattr__(self, name: str) -> Any:
        if name not in _METHODS:
            raise AttributeError(f"an array that is traced has no '{name}'")
        return functools.partial(self._einjit_trace.call, name, self)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a traced array without axes has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Value]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        raise TypeError("a traced function cannot look at the values of its arrays")

    @property
    def shape(self) -> tuple[int, ...]:
        return self._einjit_trace.shape(self._name)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def T(self) -> Value:  # noqa: N802
        return self._einjit_trace.call("permute", self, tuple(range(self.ndim))[::-1])

    @property
    def mT(self) -> Value:  # noqa: N802
        return self._einjit_trace.call("transpose", self, -2, -1)

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _foreign(function.__name__, args, kwargs or {})

    def __array_ufunc__(self, function: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        if method != "__call__" or kwargs:
            return NotImplemented
        return _foreign(function.__name__, args, {})

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return _foreign(function.__name__, args, kwargs)


def _values(x: Any) -> list[Value]:
    return [x] if isinstance(x, Value) else [v for y in x for v in _values(y)] if isinstance(x, (list, tuple)) else []


def _torch_words(words: dict[str, Any]) -> dict[str, Any]:
    """NumPy's names of arguments as torch's."""
    return {{"axis": "dim", "axes": "dims", "keepdims": "keepdim"}.get(k, k): v for k, v in words.items()}


def _foreign(name: str, args: Sequence[Any], words: dict[str, Any]) -> Any:
    """A function of torch or NumPy, by its name: where both and the program text agree on it."""
    from .equations import einsum, tensordot

    if name == "einsum":
        return einsum(*args)
    if name == "tensordot":
        return traced_tensordot(*args, **words)
    name = NUMPY_NAMES.get(name, name)
    if name not in OPERATORS and name != "where":
        raise BY_CODE["E_UNSUPPORTED"](f"a traced function calls '{name}', which programs do not have")
    words = _torch_words(words)
    del tensordot
    return _values([*args, *words.values()])[0]._einjit_trace.call(name, *args, **words)


def traced_tensordot(a: Any, b: Any, dims: Any = 2, axes: Any = None) -> Value:
    dims = dims if axes is None else axes
    return _values([a, b])[0]._einjit_trace.call("tensordot", a, b, dims)


# ---- functions ----


def _flat(x: Any, arrays: list[Any]) -> Any:
    """A copy of nested arguments with numbers in the place of arrays."""
    if isinstance(x, (list, tuple)):
        return (type(x).__name__, *(_flat(y, arrays) for y in x))
    if isinstance(x, dict):
        return ("dict", *((k, _flat(v, arrays)) for k, v in x.items()))
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        arrays.append(x)
        return (dtype_of(x), shape_of(x))
    return type(x), repr(x) if isinstance(x, (float, complex)) else x  # 1, 1.0 and True are equal, so are 0.0 and -0.0


def _is_array(x: Any) -> bool:
    return isinstance(x, Value) or hasattr(x, "shape") and hasattr(x, "dtype")


def _rebuilt(x: Any, take: Callable[[Any], Any]) -> Any:
    """A copy of nested lists, tuples and dicts with take(array) in the place of each array."""
    if isinstance(x, (list, tuple)):
        made = [_rebuilt(y, take) for y in x]
        return type(x)(*made) if hasattr(x, "_fields") else type(x)(made)
    if isinstance(x, dict):
        return {k: _rebuilt(v, take) for k, v in x.items()}
    return take(x) if _is_array(x) else x


class _Place(int):
    """Which of a program's results stands in a nested one."""

    shape, dtype = (), None


class Traced:
    """A Python function that is compiled for each dtypes and shapes that it is called with (`einjit.jit`)."""

    def __init__(self, function: Callable[..., Any], flags: int = 0) -> None:
        self.function, self.flags, self.made = function, flags, {}  # type: ignore[var-annotated]
        functools.update_wrapper(self, function)

    def trace(self, args: tuple[Any, ...], words: dict[str, Any]) -> tuple[str, list[Any], Any]:
        """(program text, arrays that the function has from elsewhere: its last inputs, the function's result with a
        _Place for each of the program's)."""
        trace, results = Trace(), list[str]()
        result = self.function(*_rebuilt(args, trace.input), **_rebuilt(words, trace.input))

        def take(x: Any) -> _Place:
            results.append(x._name if isinstance(x, Value) and trace.literal(x) else trace.value(trace.literal(x))._name)
            return _Place(len(results) - 1)

        structure = take(result) if isinstance(result, (bool, int, float, complex)) else _rebuilt(result, take)
        if not results:
            raise TypeError(f"a traced function returns arrays, perhaps in lists, tuples and dicts: not {result!r}")
        return trace.text(results), [x for _, x in trace.captured.values()], structure

    def __call__(self, *args: Any, **words: Any) -> Any:
        arrays: list[Any] = []
        key = _flat((args, words), arrays)
        found = self.made.get(key)
        if found is None:
            text, captured, structure = self.trace(args, words)
            function = _einjit.Function(_einjit.Program(text), flags=self.flags)
            found = self.made[key] = function, captured, structure
        function, captured, structure = found
        result = function(*arrays, *captured)
        if isinstance(structure, _Place):
            return result
        results = result if isinstance(result, tuple) else (result,)
        return _rebuilt(structure, lambda place: results[place])

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)  # of a class: a method

    def program(self, *args: Any, **words: Any) -> _einjit.Program:
        """The program for these arguments."""
        return _einjit.Program(self.trace(args, words)[0])


def results_from(program: _einjit.Program, first: int) -> _einjit.Program:
    """The same program with its results from number `first` on."""
    head, _, results = str(program).rstrip().rpartition("return ")
    return _einjit.Program(f"{head}return {', '.join(results.split(', ')[first:])}\n")


def with_ranks(program: _einjit.Program, ranks: Sequence[int]) -> _einjit.Program:
    """The same program, its inputs' ranks said: gradients need them."""
    inputs = program.inputs
    if all(shape is not None for _, _, shape in inputs):
        return program
    parameters = [
        _parameter(name, dtype, [None] * rank if shape is None else shape)
        for (name, dtype, shape), rank in zip(inputs, ranks)
    ]
    return _with_parameters(program, parameters)


def with_used_inputs(program: _einjit.Program, n_last: int) -> _einjit.Program:
    """The same program with those inputs alone that its results need, for what they hold or the extents they name, and
    the last ones."""
    program = program.optimized("dce")
    _, _, body = str(program).partition("):\n")
    words = set(re.findall(r"\w+", body))
    inputs = program.inputs
    kept, known = set(range(len(inputs) - n_last, len(inputs))), set[Any]()
    for wanted in (lambda name, shape: name in words, lambda name, shape: words.intersection(shape) - known):
        for k, (name, _, shape) in enumerate(inputs):
            if k in kept or wanted(name, [e for e in shape or () if isinstance(e, str)]):
                kept.add(k)
                known.update(shape or ())
    return _with_parameters(program, [_parameter(*inputs[k][:2], inputs[k][2] or ()) for k in sorted(kept)])


_ONE_EINSUM = re.compile(r'def \w+\((.*)\):\n    (\w+) = einsum\("([^"]*)", (\w+(?:, \w+)*)\)\n    return \2\s*')


def equation_of(program: _einjit.Program) -> str | None:
    """The equation of a program that is one einsum of its inputs, in their order."""
    found = _ONE_EINSUM.fullmatch(str(program))
    return found[3] if found and found[4].split(", ") == [name for name, _, _ in program.inputs] else None


def with_batch(program: _einjit.Program, batched: Sequence[bool]) -> _einjit.Program | None:
    """The program of one einsum with one axis more in front of those operands and of the result; None: it is another
    program."""
    equation = equation_of(program)
    if not equation or "->" not in equation or not any(batched):
        return None
    left, _, output = equation.partition("->")
    label = next(c for c in map(chr, range(0x3041, 0x3096)) if c not in equation)
    terms = [label + t if b else t for t, b in zip(left.split(","), batched)]
    return _einjit.Program(equation=f"{','.join(terms)}->{label}{output}")


def _parameter(name: str, dtype: str | None, shape: Sequence[int | str | None]) -> str:
    """An input as it is written. Extents of equations, which have no dtypes, broadcast."""
    extents = [":" if e is None else f"{e}:" if dtype is None and isinstance(e, str) else str(e) for e in shape]
    return f"{name}: {dtype or 'any'}[{', '.join(extents) or '()'}]"


def _with_parameters(program: _einjit.Program, parameters: list[str]) -> _einjit.Program:
    _, _, body = str(program).partition("):\n")
    return _einjit.Program(f"def forward({', '.join(parameters)}):\n{body}")


class Gradient:
    """`einjit.grad` and `einjit.value_and_grad` of a function."""

    def __init__(self, function: Any, argnums: int | Sequence[int], with_value: bool) -> None:
        self.traced = (
            function
            if isinstance(function, Traced)
            else None
            if isinstance(function, _einjit.Function)
            else Traced(function)
        )
        self.compiled = function if isinstance(function, _einjit.Function) else None
        self.argnums, self.with_value = argnums, with_value
        self.made: dict[Any, tuple[_einjit.Function, list[Any]]] = {}

    def _wanted(self) -> tuple[int, ...]:
        return (self.argnums,) if isinstance(self.argnums, int) else tuple(self.argnums)

    def __call__(self, *args: Any) -> Any:
        arrays: list[Any] = []
        key = _flat(args, arrays)
        if len(arrays) != len(args):
            raise TypeError("gradients are of functions whose arguments are arrays, each by itself")
        found = self.made.get(key)
        if found is None:
            found = self.made[key] = self._make(args)
        function, captured = found
        results = function(*args, *captured)
        n = len(self._wanted())
        gradients = results[-n:] if isinstance(results, tuple) else (results,)
        chosen = gradients[0] if isinstance(self.argnums, int) else gradients
        return (results[0], chosen) if self.with_value else chosen

    def _make(self, args: tuple[Any, ...]) -> tuple[_einjit.Function, list[Any]]:
        if self.compiled is not None:
            program = with_ranks(self.compiled.program, [len(shape_of(x)) for x in args])
            captured: list[Any] = []
        else:
            assert self.traced is not None
            text, captured, _ = self.traced.trace(args, {})
            program = _einjit.Program(text)
        if program.n_outputs != 1:
            raise ValueError(f"gradients are of one number, the function has {program.n_outputs} results")
        names = [name for name, _, _ in program.inputs]
        gradient = program.gradient([names[i] for i in self._wanted()])
        if len(gradient.inputs) != len(names):
            raise BY_CODE["E_RANK"]("gradients are of one number, the function's result has axes")
        given = self.compiled or self.traced
        flags = given.flags if given is not None else 0
        return _einjit.Function(gradient if self.with_value else results_from(gradient, 1), flags=flags), captured


# ---- operators by name ----

_operators: dict[Any, _einjit.Function] = {}


def operator(name: str) -> Callable[..., Any]:
    """A function of the program text as a function of arrays: einjit.exp(x), einjit.softmax(x, -1)."""

    def call(*args: Any, **words: Any) -> Any:
        words = _torch_words(words)
        found = _values([*args, *words.values()])
        if found:
            return found[0]._einjit_trace.call(name, *args, **words)
        arrays: list[Any] = []

        def written(x: Any) -> str:
            if isinstance(x, (list, tuple)):
                return f"[{', '.join(map(written, x))}]"
            if isinstance(x, (bool, int, float, str)) or x is None:
                return repr(x)
            arrays.append(x)
            return f"x{len(arrays) - 1}"

        expression = f"{name}({', '.join([*map(written, args), *(f'{k}={written(v)}' for k, v in words.items())])})"
        function = _operators.get(expression)
        if function is None:
            text = f"def f({', '.join(f'x{i}' for i in range(len(arrays)))}):\n    return {expression}\n"
            function = _operators[expression] = _einjit.Function(_einjit.Program(text))
        return function(*arrays)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`{name}` of the program text (torch's names and arguments), for arrays or for traced values."
    return call


__all__ = ["Gradient", "OPERATORS", "Traced", "is_torch", "operator", "results_from"]

from collections.abc import Callable, Sequence
from typing import Any

version: str
codegen: int

class Array:
    shape: tuple[int, ...]
    dtype: str

class Program:
    inputs: tuple[tuple[str, str | None, tuple[int | str | None, ...] | None], ...]
    n_outputs: int
    def __init__(self, text: str | None = None, equation: str | None = None) -> None: ...
    def optimized(self, passes: str | None = None) -> Program: ...
    def gradient(self, wrt: Sequence[str], seeded: bool = False) -> Program: ...

class Function:
    program: Program
    constants: tuple[Any, ...] | None
    plans: dict[Any, Any]
    flags: int
    alpha: float
    beta: float
    memory_limit: int
    open: str | None
    path: str | None
    def __init__(
        self,
        program: Program,
        open: str | None = None,
        path: str | None = None,
        flags: int = 0,
        constants: dict[str, Any] | None = None,
        alpha: float = 1.0,
        beta: float = 0.0,
        memory_limit: int | None = None,
    ) -> None: ...
    def __call__(self, *operands: Any, out: Any = None) -> Any: ...
    def text(self, stage: str, *operands: Any) -> str: ...
    def cost(self, *operands: Any) -> dict[str, Any]: ...
    def shapes(self, *operands: Any) -> tuple[tuple[str, tuple[int, ...]], ...]: ...

def einsum(
    *operands: Any,
    out: Any = None,
    optimize: Any = None,
    dtype: Any = None,
    order: str = "K",
    casting: str = "safe",
    memory_limit: Any = None,
    use_blas: bool = True,
    backend: str = "auto",
    alpha: float = 1.0,
    beta: float = 0.0,
) -> Any: ...
def path(
    terms: tuple[tuple[int, ...], ...],
    output: tuple[int, ...],
    sizes: tuple[int, ...],
    strategy: str | None = None,
    watch: Callable[[float, int, float], object] | None = None,
) -> tuple[list[tuple[int, ...]], float, float]: ...
def statistics() -> dict[str, int]: ...
def clear_cache() -> None: ...
def pointwise() -> dict[str, int]: ...
def xla_handler() -> Any: ...
def reasons() -> tuple[tuple[str, str], ...]: ...
def setup(
    errors: tuple[type, ...],
    coerce: Callable[..., Any],
    accept: Callable[..., Any],
    wrap: Callable[..., Any],
    gradient: Callable[..., Any],
    einsum: Callable[..., Any],
    cache: dict[Any, Function],
) -> None: ...

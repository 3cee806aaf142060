"""Exceptions: one class for each reason that the library gives (status.def), all of them EinjitError.

Each is also the built-in exception that callers of NumPy, torch and opt_einsum expect: ValueError for shapes and
equations, TypeError for dtypes, IndexError for indices, and so on.
"""

from __future__ import annotations

import builtins

from . import _einjit


class EinjitError(Exception):
    """What went wrong: `text`, and for program text and equations `line` and `column` (from 1; 0: no place), the
    `source` line and the `caret`'s place in it (from 0). `code` is the reason's name, "E_RANK"."""

    code = "E_UNKNOWN"

    def __init__(self, text: str, line: int = 0, column: int = 0, source: str = "", caret: int = 0) -> None:
        self.text, self.line, self.column, self.source, self.caret = text, line, column, source, caret
        place = f" (line {line}, column {column})\n    {source}\n    {' ' * caret}^" if line else ""
        super().__init__(f"{self.code}: {text}{place}")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.text, self.line, self.column, self.source, self.caret)


def _class_name(code: str) -> str:
    return "".join(word.capitalize() for word in code[2:].split("_")) + "Error"


_BASES: dict[str, type] = {
    "E_DTYPE": TypeError,
    "E_OPERAND_COUNT": ValueError,
    "E_INDEX": IndexError,
    "E_NOMEM": builtins.MemoryError,
    "E_IO": OSError,
    "E_BACKEND": RuntimeError,
    "E_INTERNAL": RuntimeError,
    "E_INTERRUPTED": RuntimeError,
    "E_UNSUPPORTED": NotImplementedError,
    "E_FROZEN": RuntimeError,
    "E_NAME": ValueError,
    "E_SIZE": OverflowError,
}


def _make(code: str, text: str) -> type[EinjitError]:
    return type(
        _class_name(code),
        (EinjitError, _BASES.get(code, ValueError)),
        {"code": code, "__doc__": f"{code}: {text}.", "__module__": __name__},
    )


BY_STATUS: tuple[type[EinjitError], ...] = (EinjitError,) + tuple(
    _make(code, text) for code, text in _einjit.reasons()[1:]
)
"""The classes in the order of status.def; the first stands for no error."""
BY_CODE = {kind.code: kind for kind in BY_STATUS[1:]}
globals().update({kind.__name__: kind for kind in BY_STATUS[1:]})
DtypeError, InvalidError, ValueRangeError = BY_CODE["E_DTYPE"], BY_CODE["E_INVALID"], BY_CODE["E_VALUE"]
TYPE_CHECKING = False
if TYPE_CHECKING:

    def __getattr__(name: str) -> type[EinjitError]: ...


__all__ = ["EinjitError", "BY_STATUS", "BY_CODE"] + [kind.__name__ for kind in BY_STATUS[1:]]

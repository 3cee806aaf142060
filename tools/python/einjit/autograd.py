"""torch's autograd over our gradient programs.

Takes  a Function and torch tensors, some of which require a gradient.
Gives  its results with a backward that is a program of the same kind: differentiating it again works.
"""

from __future__ import annotations

from typing import Any

import torch

from . import _einjit
from .arrays import shape_of
from .errors import BY_CODE
from .tracing import results_from, with_ranks, with_used_inputs

_backward: dict[tuple[int, tuple[int, ...], tuple[int, ...]], tuple[_einjit.Function, _einjit.Function, list[int]]] = {}


def backward_of(
    function: _einjit.Function, wanted: tuple[int, ...], ranks: tuple[int, ...]
) -> tuple[_einjit.Function, list[int]]:
    """(operands, then a gradient for each result) -> the gradients by the wanted operands, and which operands it takes
    of those that the function is called with, which have these ranks."""
    key = id(function), wanted, ranks
    if key not in _backward or _backward[key][0] is not function:
        if len(_backward) > 1024:
            _backward.clear()
        program, constants = function.program, function.constants or ()
        called = [k for k in range(len(program.inputs)) if not constants or constants[k] is None]
        given = dict(zip(called, ranks))
        program = with_ranks(
            program, [given[k] if k in given else len(shape_of(constants[k])) for k in range(len(program.inputs))]
        )
        names = [program.inputs[k][0] for k in called]
        gradient = program.gradient([names[k] for k in wanted], seeded=True)
        gradient = with_used_inputs(results_from(gradient, program.n_outputs), program.n_outputs)
        takes = {name for name, _, _ in gradient.inputs}
        held = {program.inputs[k][0]: x for k, x in enumerate(constants) if x is not None}
        made = _einjit.Function(
            gradient,
            flags=function.flags,
            open=function.open,
            constants={name: x for name, x in held.items() if name in takes} or None,
        )
        _backward[key] = function, made, [k for k, name in enumerate(names) if name in takes]
    return _backward[key][1:]


class _Differentiable(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, function: _einjit.Function, *operands: Any) -> Any:
        ctx.function, ctx.ranks = function, tuple(x.ndim for x in operands)
        wanted = tuple(k for k, needed in enumerate(ctx.needs_input_grad[1:]) if needed)
        ctx.saved = backward_of(function, wanted, ctx.ranks)[1]  # others may change before the gradient is asked for
        ctx.save_for_backward(*(operands[k] for k in ctx.saved))
        return function(*operands)  # autograd is off here

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        wanted = tuple(k for k, needed in enumerate(ctx.needs_input_grad[1:]) if needed)
        function, takes = backward_of(ctx.function, wanted, ctx.ranks)
        saved = dict(zip(ctx.saved, ctx.saved_tensors))
        made = function(*(saved[k] for k in takes), *gradients)
        found = dict(zip(wanted, made if isinstance(made, tuple) else (made,)))
        return (None, *(found.get(k) for k in range(len(ctx.ranks))))


def differentiable(function: _einjit.Function, operands: tuple[Any, ...], out: Any) -> Any:
    """The extension's hook: NotImplemented where autograd is off."""
    if not torch.is_grad_enabled():
        return NotImplemented
    if function.alpha != 1 and out is None:
        raise BY_CODE["E_UNSUPPORTED"]("alpha with operands that require a gradient: multiply the result by it")
    if out is not None:
        raise RuntimeError(
            "out= where an operand or what it holds requires a gradient: autograd cannot follow it (torch.no_grad() "
            "says that it need not)"
        )
    return _Differentiable.apply(  # type: ignore[no-untyped-call]
        function, *(x if isinstance(x, torch.Tensor) else torch.as_tensor(x) for x in operands)
    )

"""torch's autograd over our gradient programs.

Takes  a Function and torch tensors, some of which require a gradient.
Gives  its results with a backward that is a program of the same kind: differentiating it again works.
"""
from __future__ import annotations

from typing import Any

import torch

from . import _einjit
from .tracing import results_from

_backward: dict[tuple[int, tuple[int, ...]], tuple[_einjit.Function, _einjit.Function]] = {}


def backward_of(function: _einjit.Function, wanted: tuple[int, ...]) -> _einjit.Function:
    """(operands, then a gradient for each result) -> the gradients by these operands."""
    key = id(function), wanted
    if key not in _backward or _backward[key][0] is not function:
        if len(_backward) > 1024:
            _backward.clear()
        program, constants = function.program, function.constants
        called = [k for k in range(len(program.inputs)) if constants is None or constants[k] is None]
        names = [program.inputs[called[k]][0] for k in wanted]
        held = {} if constants is None else {program.inputs[k][0]: x for k, x in enumerate(constants) if x is not None}
        gradient = results_from(program.gradient(names, seeded=True), program.n_outputs)
        _backward[key] = function, _einjit.Function(gradient, flags=function.flags, open=function.open, constants=held or None)
    return _backward[key][1]


class _Differentiable(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, function: _einjit.Function, *operands: Any) -> Any:  # type: ignore[override]
        ctx.function = function
        ctx.save_for_backward(*operands)
        return function(*(x.detach() for x in operands))

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:  # type: ignore[override]
        wanted = tuple(k for k, needed in enumerate(ctx.needs_input_grad[1:]) if needed)
        made = backward_of(ctx.function, wanted)(*ctx.saved_tensors, *gradients)
        found = dict(zip(wanted, made if isinstance(made, tuple) else (made,)))
        return (None, *(found.get(k) for k in range(len(ctx.saved_tensors))))


def differentiable(function: _einjit.Function, operands: tuple[Any, ...], out: Any) -> Any:
    """The extension's hook: NotImplemented where autograd is off."""
    if not torch.is_grad_enabled():
        return NotImplemented
    if out is not None:
        raise RuntimeError("out= with operands that require a gradient: autograd cannot follow it (torch.no_grad() says that it need not)")
    return _Differentiable.apply(function, *(x if isinstance(x, torch.Tensor) else torch.as_tensor(x) for x in operands))

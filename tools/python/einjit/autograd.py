"""torch's autograd over our gradient programs.

Takes  a Function and torch tensors, some of which require a gradient.
Gives  its results with a backward that is a program of the same kind: differentiating it again works.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch

from . import _einjit
from .arrays import DTYPE_NAMES, shape_of
from .errors import BY_CODE
from .tracing import dtype_of, equation_of, results_from, with_batch, with_ranks, with_used_inputs


def backward_of(
    function: _einjit.Function, wanted: tuple[int, ...], ranks: tuple[int, ...]
) -> tuple[_einjit.Function, list[int]]:
    """(operands, then a gradient for each result) -> the gradients by the wanted operands, and which operands it takes
    of those that the function is called with, which have these ranks."""
    key = wanted, ranks
    found: tuple[_einjit.Function, list[int]] | None = function.plans.get(key)
    if found is not None:
        return found
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
    function.plans[key] = found = made, [k for k, name in enumerate(names) if name in takes]
    return found


class _Plan(NamedTuple):
    """What a call keeps for its gradient."""

    wanted: tuple[int, ...]
    backward: _einjit.Function | None  # None: nothing is wanted
    saved: list[int]


def _plan_of(function: _einjit.Function, needed: tuple[bool, ...], ranks: tuple[int, ...]) -> _Plan:
    """By the operands that need a gradient, and ranks. Remembered: what autograd's forward does is most of the time
    that a small call takes."""
    key = "forward", needed, ranks
    plan: _Plan | None = function.plans.get(key)
    if plan is None:
        wanted = tuple(k for k, x in enumerate(needed) if x)
        backward, saved = backward_of(function, wanted, ranks) if wanted else (None, [])
        function.plans[key] = plan = _Plan(wanted, backward, saved)
    return plan


class _Differentiable(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, function: _einjit.Function, *operands: Any) -> Any:
        plan = _plan_of(function, ctx.needs_input_grad[1:], tuple([x.ndim for x in operands]))
        ctx.plan, ctx.n = plan, len(operands)
        # others may change before the gradient is asked for
        ctx.save_for_backward(*[operands[k] for k in plan.saved])
        return function(*operands)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        plan, found = ctx.plan, [None] * (ctx.n + 1)
        if plan.backward is not None:
            made = plan.backward(*ctx.saved_tensors, *gradients)
            for k, gradient in zip(plan.wanted, made if isinstance(made, tuple) else (made,)):
                found[k + 1] = gradient
        return tuple(found)


_apply = super(torch.autograd.Function, _Differentiable).apply  # less what its own does for functorch


class _Transformed(torch.autograd.Function):
    """The same for functorch (vmap, grad, jvp, ...) and forward derivatives: any part of it may be asked for."""

    @staticmethod
    def forward(function: _einjit.Function, *operands: Any) -> Any:
        with torch.autograd.forward_ad._set_fwd_grad_enabled(False):
            return function(*(x.detach() for x in operands))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.function, ctx.ranks = inputs[0], tuple(x.ndim for x in inputs[1:])
        results = output if isinstance(output, tuple) else (output,)
        ctx.n_out, ctx.saved = len(results), tuple(range(len(ctx.ranks)))
        ctx.save_for_backward(*inputs[1:])
        ctx.save_for_forward(*inputs[1:], *results)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        saved = dict(zip(ctx.saved, ctx.saved_tensors))
        wanted = tuple(k for k, needed in enumerate(ctx.needs_input_grad[1:]) if needed)
        if not wanted:  # functorch does not say, once the function that it transforms has returned
            wanted = tuple(k for k, x in saved.items() if x.is_floating_point() or x.is_complex())
        function, takes = backward_of(ctx.function, wanted, ctx.ranks)
        made = function(*(saved[k] for k in takes), *gradients)
        found = dict(zip(wanted, made if isinstance(made, tuple) else (made,)))
        return (None, *(found.get(k) for k in range(len(ctx.ranks))))

    @staticmethod
    def jvp(ctx: Any, _: Any, *tangents: Any) -> Any:
        """The gradient is linear in what is given for the results; the gradient of that is the derivative."""
        operands, results = ctx.saved_tensors[: -ctx.n_out], ctx.saved_tensors[-ctx.n_out :]
        wanted = tuple(k for k, t in enumerate(tangents) if t is not None)
        gradient, takes = backward_of(ctx.function, wanted, ctx.ranks)
        given = [*(operands[k] for k in takes), *results]
        seeds = tuple(range(len(takes), len(given)))
        derivative, needs = backward_of(gradient, seeds, tuple(x.ndim for x in given))
        return derivative(*(given[k] for k in needs), *(tangents[k] for k in wanted))

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], function: _einjit.Function, *operands: Any) -> Any:
        """An einsum gets one label more; other programs run once for each."""
        dims = in_dims[1:]
        batched = with_batch(function.program, [d is not None for d in dims]) if not function.constants else None
        if batched:
            made = _einjit.Function(batched, path=function.path, flags=function.flags)
            return made(*(x if d is None else x.movedim(d, 0) for x, d in zip(operands, dims))), 0
        each = [[x] * info.batch_size if d is None else x.unbind(d) for x, d in zip(operands, dims)]
        results = [function(*xs) for xs in zip(*each)]
        if not isinstance(results[0], tuple):
            return torch.stack(results), 0
        return tuple(map(torch.stack, zip(*results))), (0,) * len(results[0])


_forward, _functorch = torch.autograd.forward_ad, torch._C._functorch


def _is_transformed(operands: tuple[Any, ...]) -> bool:
    """Some of these stand for more than their memory, or results do: functorch wraps all that torch makes meanwhile."""
    if _functorch.peek_interpreter_stack() is not None:
        return True
    return _forward._current_level >= 0 and any(
        _forward.unpack_dual(x).tangent is not None  # type: ignore[no-untyped-call]
        for x in operands
        if isinstance(x, torch.Tensor)
    )


def _batched(function: _einjit.Function, operands: tuple[Any, ...]) -> Any:
    """For the batches of torch.autograd.grad(is_grads_batched=True), which are not functorch's: the innermost one."""
    level = torch._C._vmapmode_decrement_nesting() + 1
    try:
        dims, inner, size = list[int | None](), list[Any](), 0
        for x in map(torch.as_tensor, operands):
            taken, other = (torch._remove_batch_dim(x, level, n, 0) for n in (2, 3))  # n: of what is not batched there
            batched = taken.shape == other.shape
            dims.append(0 if batched else None)
            inner.append(taken if batched else x)
            size = taken.shape[0] if batched else size
        if all(d is None for d in dims):
            return function(*inner)
        made, _ = _Transformed.vmap(SimpleNamespace(batch_size=size), (None, *dims), function, *inner)
    finally:
        torch._C._vmapmode_increment_nesting()
    if isinstance(made, tuple):
        return tuple(torch._add_batch_dim(x, 0, level) for x in made)
    return torch._add_batch_dim(made, 0, level)


def _recorded(function: _einjit.Function, operands: tuple[Any, ...], out: Any) -> Any:
    """What make_fx and torch.export, which record torch's operators, record: torch's einsum; NotImplemented where
    nobody does. Raises UnsupportedError for what is none."""
    proxies = sys.modules.get("torch.fx.experimental.proxy_tensor")
    if proxies is None or proxies.get_proxy_mode() is None:
        return NotImplemented
    equation = equation_of(function.program)
    plain = out is None and function.alpha == 1 and not function.constants
    if equation and plain and equation.isascii():
        tensors = [torch.as_tensor(x) for x in operands]
        if len({x.dtype for x in tensors}) > 1:  # which torch's refuses
            computed = function.shapes(*((dtype_of(x), (1,) * x.ndim) for x in tensors))[0][0]
            name = next(name for name, ours in DTYPE_NAMES.items() if ours == computed)
            tensors = [x.to(getattr(torch, name)) for x in tensors]
        return torch.einsum(equation, *tensors)
    raise BY_CODE["E_UNSUPPORTED"](
        "make_fx records torch's operators, and this program is none: torch.compile(backend='einjit'), torch.export "
        "and torch.fx.symbolic_trace know einjit.einsum"
    )


def _requires_grad(arrays: Any) -> bool:
    return any(getattr(x, "requires_grad", False) for x in arrays)


def differentiable(function: _einjit.Function, operands: tuple[Any, ...], out: Any, plain: bool) -> Any:
    """The extension's hook: NotImplemented where the memory of the operands is all there is to know. plain: they are
    tensors, some of them require a gradient, autograd is on, and no mode and no forward derivative is."""
    if plain and out is None and function.alpha == 1 and _functorch.peek_interpreter_stack() is None:
        return _apply(function, *operands)  # type: ignore[no-untyped-call]
    if torch._C._len_torch_dispatch_stack():
        made = _recorded(function, operands, out)
        if made is not NotImplemented:
            return made
    if out is None and any(isinstance(x, torch.Tensor) and _functorch.is_legacy_batchedtensor(x) for x in operands):
        return _batched(function, operands)  # autograd follows what is inside of them
    transformed = _is_transformed(operands)
    if not transformed:
        outs = out if isinstance(out, (list, tuple)) else (out,)
        if not torch.is_grad_enabled() or not (_requires_grad(operands) or _requires_grad(outs)):
            return NotImplemented
    if function.alpha != 1 and out is None:
        raise BY_CODE["E_UNSUPPORTED"]("alpha with operands that require a gradient: multiply the result by it")
    if out is not None:
        raise RuntimeError(
            "out= where an operand or what it holds requires a gradient: autograd cannot follow it (torch.no_grad() "
            "says that it need not)"
        )
    kind = _Transformed if transformed else _Differentiable
    return kind.apply(  # type: ignore[no-untyped-call]
        function, *(x if isinstance(x, torch.Tensor) else torch.as_tensor(x) for x in operands)
    )

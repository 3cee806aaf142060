"""torch.compile(model, backend="einjit"), and the same for graphs that torch.fx traces.

Takes  a graph of torch calls (einsum is still there: Dynamo's graph, before any decomposition) whose nodes have example
values. Gives  the graph with its largest parts that programs can say given to einjit's kernels; all else stays torch.
Symbolic extents stay
       open. Gradients are autograd's over our gradient programs.
Keeps  to parts with a contraction, on the CPU, in one dtype, f32 or f64. Nothing moves across an operation that changes
a tensor,
       the grad mode or autocast. A part's results are never views, so that writing to them is what it was.
"""

from __future__ import annotations

import logging
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from . import _einjit
from .fx import mutates
from .tracing import Trace, Value

_log = logging.getLogger("einjit")
_DTYPES = {torch.float32: "f32", torch.float64: "f64"}
_SAME_NAME = frozenset(
    "exp log log1p expm1 sqrt rsqrt sin cos tan tanh sigmoid relu erf reciprocal square neg abs".split()
)
_INFIX: dict[Any, str] = {
    operator.add: "+", operator.sub: "-", operator.mul: "*", operator.truediv: "/", operator.matmul: "@",
    operator.mod: "%", torch.remainder: "%",
    torch.add: "+", torch.sub: "-", torch.mul: "*", torch.div: "/", torch.matmul: "@", torch.bmm: "@", torch.mm: "@",
}  # fmt: skip
_METHOD_INFIX = {"remainder": "%", "add": "+", "sub": "-", "mul": "*", "div": "/", "matmul": "@", "bmm": "@", "mm": "@"}
_REDUCTIONS = frozenset({"sum", "mean", "amax", "amin", "softmax", "log_softmax"})
_COPIES = frozenset({"tril", "triu", "flip"})
_LAYOUT = frozenset({"permute", "transpose", "unsqueeze"})
_EINSUM = (torch.einsum, torch.functional.einsum)
_RANDOM = ("dropout", "rand", "bernoulli", "normal", "multinomial")
_MODES = ("_set_grad_enabled", "_enter_autocast", "_exit_autocast", "_enter_inference_mode", "_exit_inference_mode")


def _example(node: Any) -> Any:
    meta = getattr(node, "meta", {})
    return meta.get("example_value", meta.get("val"))


def _name(node: fx.Node) -> str:
    return str(node.target) if node.op == "call_method" else str(getattr(node.target, "__name__", node.target))


def _numbers(values: Any) -> bool:
    return all(type(x) in (int, float) for x in values)


# ---- what programs can say ----


def _says(node: fx.Node) -> Callable[[Trace, list[Any]], Value] | None:
    """How a node is written down, from the values of its arguments; None: torch's alone."""
    if node.op not in ("call_function", "call_method"):
        return None
    name, args, words = _name(node), node.args, dict(node.kwargs)
    if node.op == "call_function" and node.target in _EINSUM and isinstance(args[0], str) and not words:
        return lambda trace, a: trace.einsum(a[0], a[1] if len(a) == 2 and isinstance(a[1], (list, tuple)) else a[1:])
    infix = _METHOD_INFIX.get(name) if node.op == "call_method" else _INFIX.get(node.target)
    if infix and not words and len(args) == 2:
        return lambda trace, a: trace.value(f"{trace.literal(a[0])} {infix} {trace.literal(a[1])}")
    if node.op == "call_function" and not str(getattr(node.target, "__module__", "")).startswith(
        ("torch", "_operator")
    ):
        return None
    if name in _SAME_NAME and len(args) == 1 and set(words) <= {"inplace"} and not words.get("inplace"):
        return lambda trace, a: trace.call(name, a[0])
    rest = [*args[1:], *words.values()]
    if name in _REDUCTIONS and set(words) <= {"dim", "keepdim"}:
        return lambda trace, a: trace.call(name, *a, **words)
    if name in _COPIES and not words and all(_numbers(x if isinstance(x, (list, tuple)) else [x]) for x in rest):
        return lambda trace, a: trace.call(name, *a)
    if name in _LAYOUT and not words and all(_numbers(x if isinstance(x, (list, tuple)) else [x]) for x in rest):
        dims = list(rest[0]) if name == "permute" and isinstance(rest[0], (list, tuple)) else rest
        return lambda trace, a: trace.call(name, a[0], *([dims] if name == "permute" else dims))
    return None


def _why_not(node: fx.Node) -> str:
    """Why a node stays torch's; "" where it need not."""
    result = _example(node)
    if _says(node) is None:
        return "programs do not have it"
    tensors = [result, *(_example(x) for x in _inputs(node))]
    if not all(isinstance(x, torch.Tensor) for x in tensors):
        return "it is not of tensors alone"
    if any(x.device.type != "cpu" or x.layout != torch.strided for x in tensors):
        return f"it is on the device '{result.device}' or not strided"
    if len({x.dtype for x in tensors}) > 1 or result.dtype not in _DTYPES:
        return f"its dtypes are {', '.join(sorted({str(x.dtype) for x in tensors}))}"
    return ""


def _inputs(node: fx.Node) -> list[fx.Node]:
    return list(node.all_input_nodes)


def _contracts(node: fx.Node) -> bool:
    return node.target in _EINSUM or (_INFIX.get(node.target) or _METHOD_INFIX.get(str(node.target))) == "@"


# ---- parts of a graph ----


def _stays_in_place(node: fx.Node) -> bool:
    """Whether nothing may move across a node: it changes a tensor or a mode, or draws random numbers."""
    name = _name(node)
    return mutates(node) or name in _MODES or node.is_impure() or any(word in name for word in _RANDOM)


def _places(graph: fx.Graph, ours: set[fx.Node]) -> dict[fx.Node, tuple[float, float, int]]:
    """An order of the nodes, stable where equal, in which nodes of ours with the same place are one part: (nodes before
    it that nothing may cross, torch's nodes on the longest way to it, ours first). No way between two nodes of a part
    leads through torch."""
    crossed, found = 0, {}
    for node in graph.nodes:
        if node.op in ("placeholder", "get_attr"):
            found[node] = (-1.0, 0.0, 0)
            continue
        if node.op == "output":
            found[node] = (float("inf"), 0.0, 1)
            continue
        fixed = _stays_in_place(node)
        crossed += fixed
        mine = node in ours
        depth = max([found[x][1] + (mine and found[x][2]) for x in _inputs(node)], default=0.0)
        found[node] = (float(crossed), depth, 0 if mine else 1)
        crossed += fixed
    return found


def _parts(graph: fx.Graph) -> tuple[list[list[fx.Node]], dict[fx.Node, str]]:
    """The parts that kernels get, and why other nodes stay."""
    stays = {n: why for n in graph.nodes if n.op.startswith("call") and (why := _why_not(n))}
    while True:
        ours = {n for n in graph.nodes if n.op.startswith("call") and n not in stays}
        places = _places(graph, ours)
        parts: dict[tuple[float, float, int], list[fx.Node]] = {}
        for node in graph.nodes:
            if node in ours:
                parts.setdefault(places[node], []).append(node)
        views = [n for n in ours if _name(n) in _LAYOUT and any(places[u] != places[n] for u in n.users)]
        small = [n for nodes in parts.values() if not any(map(_contracts, nodes)) for n in nodes]
        if not views and not small:
            return list(parts.values()), stays
        stays.update({n: "its result is a view" for n in views} | {n: "nothing is contracted around it" for n in small})


def _parameter(node: fx.Node) -> tuple[str, tuple[Any, ...]]:
    """dtype and extents; symbolic ones by name."""
    x = _example(node)
    names = []
    for extent in x.shape:
        text = str(extent)
        names.append(int(extent) if type(extent) is int else text if text.isidentifier() else ":")
    return _DTYPES[x.dtype], tuple(names)


def _function(part: list[fx.Node]) -> tuple[_einjit.Function, list[fx.Node], list[fx.Node]]:
    """A part's function, the nodes it takes and those it gives."""
    inside, trace = set(part), Trace()
    takes = list(dict.fromkeys(x for node in part for x in _inputs(node) if x not in inside))
    gives = [node for node in part if any(u not in inside for u in node.users)]
    values: dict[fx.Node, Value] = {}
    for node in takes:
        dtype, shape = _parameter(node)
        trace.inputs.append((f"x{len(trace.inputs)}", dtype, shape))
        values[node] = Value(trace, trace.inputs[-1][0])
    for node in part:
        says = _says(node)
        assert says is not None
        known: Callable[[fx.Node], Any] = values.__getitem__
        values[node] = says(trace, list(fx.map_arg(list(node.args), known)))
    symbols = sorted({str(e) for _, _, shape in trace.inputs for e in shape if type(e) is not int} - {":"})
    program = _einjit.Program(trace.text([values[n]._name for n in gives]))
    return _einjit.Function(program, open=",".join(symbols) or None), takes, gives


class _Kernel(torch.nn.Module):
    """A part of a graph as einjit runs it; prints as its program."""

    def __init__(self, function: _einjit.Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, *operands: torch.Tensor) -> Any:
        return self.function(*operands)

    def extra_repr(self) -> str:
        return str(self.function.program)


def _replaced(module: fx.GraphModule, parts: list[list[fx.Node]]) -> fx.GraphModule:
    """The module with a call in the place of each part."""
    places = _places(module.graph, {n for part in parts for n in part})
    first = {part[0]: k for k, part in enumerate(parts)}
    inside = {n for part in parts for n in part}
    new, made, kernels = fx.Graph(), {}, {}  # type: ignore[var-annotated]
    for node in sorted(module.graph.nodes, key=lambda n: places[n]):
        if node in first:
            function, takes, gives = _function(parts[first[node]])
            name = f"einjit_{first[node]}"
            kernels[name] = _Kernel(function)
            result = new.call_module(name, tuple(made[n] for n in takes))
            for i, given in enumerate(gives):
                made[given] = result if len(gives) == 1 else new.call_function(operator.getitem, (result, i))
        elif node not in inside:
            made[node] = new.node_copy(node, lambda n: made[n])
    root = torch.nn.Module()
    for name, kernel in kernels.items():
        root.add_module(name, kernel)
    for node in new.nodes:
        if node.op in ("get_attr", "call_module") and node.target not in kernels:
            fx.graph_module._copy_attr(module, root, node.target)
    return fx.GraphModule(root, new)


def compile_graph(module: fx.GraphModule, example_inputs: Any, **options: Any) -> Callable[..., Any]:
    """The backend: a callable for Dynamo's graph. Its `stays` says why each node that is torch's stays so (also logged,
    logger "einjit", level INFO). The kernels are compiled when they are first called."""
    parts, stays = _parts(module.graph)
    for node, why in stays.items():
        _log.info("torch keeps %s (%s): %s", node.name, _name(node), why)
    if not parts:
        _log.info("torch keeps the whole graph")
        return module.forward
    made = _replaced(module, parts)
    made.stays = {node.name: why for node, why in stays.items()}  # type: ignore[assignment]
    return made

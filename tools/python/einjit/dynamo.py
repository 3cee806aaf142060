"""torch.compile(model, backend="einjit"), and the same for graphs that torch.fx traces.

Takes  a graph of torch calls (einsum is still there: Dynamo's graph, before any decomposition) whose nodes have example
       values.
Gives  the graph with its largest parts that programs can say given to einjit's kernels; all else stays torch. Symbolic
       extents stay open. Gradients are autograd's over our gradient programs.
Keeps  to parts with a contraction, on the CPU, in one dtype, f32 or f64. Nothing moves across an operation that changes
       a tensor, the grad mode or autocast. A part's results never share memory with another value, so that writing to
       them is what it was.
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
_JOINS = frozenset({"cat", "concat", "concatenate", "stack"})
_AXES = frozenset({"permute", "transpose", "swapaxes", "swapdims", "unsqueeze", "t", "T", "mT"})
_SHAPES = frozenset("reshape view flatten unflatten squeeze reshape_as view_as contiguous expand expand_as".split())
_SLICES = frozenset({"getitem", "narrow", "select"})
_VIEWS = _AXES | _SHAPES | _SLICES
_UNSEEN = (torch.Size, torch.broadcast_tensors, torch.functional.broadcast_tensors)
_PIECES = frozenset({"split", "chunk", "unbind"})
_EINSUM = (torch.einsum, torch.functional.einsum, _einjit.einsum)
_LINEAR = (torch.nn.functional.linear, torch._C._nn.linear)
_RANDOM = ("dropout", "rand", "bernoulli", "normal", "multinomial")
_MODES = ("_set_grad_enabled", "_enter_autocast", "_exit_autocast", "_enter_inference_mode", "_exit_inference_mode")


def _example(node: Any) -> Any:
    meta = getattr(node, "meta", {})
    return meta.get("example_value", meta.get("val"))


def _name(node: fx.Node) -> str:
    if node.target is getattr:
        return str(node.args[1])
    return str(node.target) if node.op == "call_method" else str(getattr(node.target, "__name__", node.target))


def _numbers(values: Any) -> bool:
    return all(type(x) in (int, float) for x in values)


def _is_tensor(node: Any) -> bool:
    return isinstance(_example(node), torch.Tensor)


@torch.compiler.substitute_in_graph(_einjit.einsum, skip_signature_check=True)  # type: ignore[arg-type]
def _einsum_in_graphs(*operands: Any) -> torch.Tensor:
    """einjit.einsum where Dynamo reads a function: in the graph it is torch's."""
    return torch.einsum(*operands)


# ---- what programs can say ----


def _linear(trace: Trace, a: list[Any]) -> Value:
    product = trace.einsum("...i,oi->...o", a[:2])
    return product if len(a) < 3 or a[2] is None else product + a[2]


def _says(node: fx.Node) -> Callable[[Trace, list[Any]], Value] | None:
    """How a node is written down, from the values of its arguments; None: torch's alone."""
    if node.op not in ("call_function", "call_method") or not node.args:  # the operand is named: torch.cat(tensors=...)
        return None
    name, args, words = _name(node), node.args, dict(node.kwargs)
    if node.op == "call_function" and node.target in _EINSUM and isinstance(args[0], str) and not words:
        return lambda trace, a: trace.einsum(a[0], a[1] if len(a) == 2 and isinstance(a[1], (list, tuple)) else a[1:])
    if node.op == "call_function" and node.target in _LINEAR and not words:
        return _linear
    infix = _METHOD_INFIX.get(name) if node.op == "call_method" else _INFIX.get(node.target)
    if infix and not words and len(args) == 2:
        return lambda trace, a: trace.value(f"{trace.literal(a[0])} {infix} {trace.literal(a[1])}")
    home = str(getattr(node.target, "__module__", ""))
    if node.op == "call_function" and node.target is not getattr and not home.startswith(("torch", "_operator")):
        return None
    if name in _SAME_NAME and len(args) == 1 and set(words) <= {"inplace"} and not words.get("inplace"):
        return lambda trace, a: trace.call(name, a[0])
    rest = [*args[1:], *words.values()]
    if name in _REDUCTIONS and set(words) <= {"dim", "keepdim"}:
        return lambda trace, a: trace.call(name, *a, **words)
    if name in _COPIES and not words and all(_numbers(x if isinstance(x, (list, tuple)) else [x]) for x in rest):
        return lambda trace, a: trace.call(name, *a)
    if name in _JOINS and isinstance(args[0], (list, tuple)) and set(words) <= {"dim"} and _numbers(rest):
        join = "stack" if name == "stack" else "cat"
        return lambda trace, a: trace.call(join, list(a[0]), *rest)
    if name in _AXES and not words:
        call, dims = _axes(name, _example(args[0]), rest)
        return (lambda trace, a: trace.call(call, a[0], *dims)) if call else None
    if name in _SHAPES:
        shape = _shape_text(_example(node), unknown="-1" if name not in ("expand", "expand_as") else None)
        if shape and not words.get("memory_format"):
            call = "expand" if name in ("expand", "expand_as") else "reshape"
            return lambda trace, a: trace.value(f"{call}({a[0]._name}, ({', '.join(shape)}{',' * (len(shape) == 1)}))")
    if name in _SLICES:
        key = _key(name, args, words)
        return key if key is None else lambda trace, a: a[0][key]
    return None


def _axes(name: str, x: Any, rest: list[Any]) -> tuple[str, list[Any]]:
    """A call that gives the axes another order; "" where programs do not have it."""
    n = x.ndim if isinstance(x, torch.Tensor) else 0
    if name in ("t", "T", "mT"):
        turned = list(range(n - 2)) + [n - 1, n - 2] if name == "mT" else list(range(n))[::-1]
        return "permute", [turned]
    if name == "permute":
        rest = [list(rest[0] if rest and isinstance(rest[0], (list, tuple)) else rest)]
    known = all(_numbers(x if isinstance(x, list) else [x]) for x in rest)
    return ("transpose" if name.startswith("swap") else name) if known else "", rest


def _extent(extent: Any) -> str | None:
    """An extent as a program writes it; None: it is an expression of others. Symbols that turned out to be numbers
    print as these."""
    text = str(extent)
    return text if text.isdigit() or text.isidentifier() else None


def _shape_text(x: Any, unknown: str | None) -> list[str] | None:
    """A shape with `unknown` for the one extent that is an expression; None: there are more."""
    found = [_extent(e) for e in x.shape] if isinstance(x, torch.Tensor) else [None, None]
    if found.count(None) > (unknown is not None):
        return None
    return [e if e is not None else str(unknown) for e in found]


def _key(name: str, args: Any, words: dict[str, Any]) -> Any:
    """What a slice takes, as an index; None: programs do not have it."""
    if name == "getitem":
        key = args[1] if isinstance(args[1], tuple) else (args[1],)
    elif words or len(args) != (4 if name == "narrow" else 3) or not _numbers(args[1:]):
        return None
    else:
        axis, start = args[1], args[2]
        item = start if name == "select" else slice(start, start + args[3])
        if name == "narrow" and start < 0:
            return None
        behind = (slice(None),) * (-1 - axis)
        key = (*(slice(None),) * axis, item) if axis >= 0 else (Ellipsis, item, *behind)
    plain = all(
        type(k) is int or k is None or k is Ellipsis
        or isinstance(k, slice) and all(x is None or type(x) is int for x in (k.start, k.stop, k.step))
        for k in key
    )  # fmt: skip
    return key if plain else None


def _why_not(node: fx.Node) -> str:
    """Why a node stays torch's; "" where it need not."""
    result = _example(node)
    if _says(node) is None:
        return "programs do not have it"
    tensors = [result, *(_example(x) for x in _inputs(node))]
    if len(tensors) < 2 or not all(isinstance(x, torch.Tensor) for x in tensors):
        return "it is not of tensors alone"
    if any(x.device.type != "cpu" or x.layout != torch.strided for x in tensors):
        return f"it is on the device '{result.device}' or not strided"
    if len({x.dtype for x in tensors}) > 1 or result.dtype not in _DTYPES:
        return f"its dtypes are {', '.join(sorted({str(x.dtype) for x in tensors}))}"
    return ""


def _inputs(node: fx.Node) -> list[fx.Node]:
    """What a node is made of; of layout operations the tensor: extents are those of the result."""
    if node.op.startswith("call") and _name(node) in _VIEWS:
        return [n for n in node.all_input_nodes if _is_tensor(n)][:1]
    return list(node.all_input_nodes)


def _contracts(node: fx.Node) -> bool:
    return node.target in _EINSUM or node.target in _LINEAR or (_INFIX.get(node.target) or _METHOD_INFIX.get(_name(node))) == "@"


# ---- parts of a graph ----


def _simplify(graph: fx.Graph) -> None:
    """Pieces of a tensor become slices of it; what is without effect and nobody uses goes."""
    for node in list(graph.nodes):
        for piece, key in _pieces(node).items():
            with graph.inserting_before(piece):
                made = graph.call_function(operator.getitem, (node.args[0], key))
            made.meta = dict(piece.meta)
            piece.replace_all_uses_with(made)
            graph.erase_node(piece)
    for node in reversed(list(graph.nodes)):
        unseen = node.target in _UNSEEN or _name(node) in _PIECES or _says(node) is not None
        if not node.users and node.op.startswith("call") and unseen and not mutates(node):
            graph.erase_node(node)


def _pieces(node: fx.Node) -> dict[fx.Node, Any]:
    """The pieces that are taken of split(), chunk() and unbind(), and which slice each of them is; none where that
    is not known."""
    parts, name = _example(node), _name(node)
    dim: Any
    if node.op not in ("call_function", "call_method") or name not in _PIECES or not node.args:
        return {}
    if not isinstance(parts, (list, tuple)):
        return {}
    words, at = dict[str, Any](node.kwargs), 1 if name == "unbind" else 2
    dim = words.get("dim", node.args[at] if len(node.args) > at else 0)
    taken: list[tuple[fx.Node, Any]] = [(u, u.args[1]) for u in node.users if u.target is operator.getitem]
    if type(dim) is not int or len(taken) != len(node.users) or not _numbers(k for _, k in taken):
        return {}
    whole = parts[0].ndim + (name == "unbind")
    before, extents = (slice(None),) * (dim % whole), [1 if name == "unbind" else p.shape[dim] for p in parts]
    if not _numbers(extents):
        return {}
    found = {}
    for user, k in taken:
        k, start = k % len(parts), sum(extents[: k % len(parts)])
        found[user] = (*before, k if name == "unbind" else slice(start, start + extents[k]))
    return found


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
        needed = _inputs(node) if mine else node.all_input_nodes
        depth = max([found[x][1] + (mine and found[x][2]) for x in needed], default=0.0)
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
        found = {n: why for nodes in parts.values() for n, why in _misfits(nodes).items()}
        if not found:
            return list(parts.values()), stays
        stays.update(found)


def _misfits(part: list[fx.Node]) -> dict[fx.Node, str]:
    """What cannot be in a part, and why."""
    if not any(map(_contracts, part)):
        return {n: "nothing is contracted around it" for n in part}
    inside = set(part)
    bases: dict[fx.Node, fx.Node | None] = {}  # whose memory a value lies in; None: several of its elements are one
    for node in part:
        first, name = _inputs(node)[0], _name(node)
        bases[node] = None if name.startswith("expand") else bases.get(first, first) if name in _VIEWS else node
    leave = [n for n in part if any(u not in inside for u in n.users)]
    shared = [bases[n] for n in leave]
    views = [n for n in leave if bases[n] is not n and (bases[n] not in inside or shared.count(bases[n]) > 1)]
    takes = {x for n in part for x in _inputs(n) if x not in inside}
    known = {_extent(e) for x in takes for e in _example(x).shape}
    strange = [
        n for n in part
        if _name(n) in _SHAPES and {e for e in map(_extent, _example(n).shape) if e and e.isidentifier()} - known
    ]  # fmt: skip
    return {n: "its result is a view" for n in views} | {n: "its extents are not its operands'" for n in strange}


def _parameter(node: fx.Node) -> tuple[str, tuple[Any, ...]]:
    """dtype and extents; symbolic ones by name."""
    x = _example(node)
    return _DTYPES[x.dtype], tuple(_extent(e) or ":" for e in x.shape)


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
        # what is no value is an extent, which the operation does not ask for
        known: Callable[[fx.Node], Any] = lambda n: values.get(n, n)  # noqa: E731
        values[node] = says(trace, list(fx.map_arg(list(node.args), known)))
    symbols = sorted({str(e) for _, _, shape in trace.inputs for e in shape if str(e).isidentifier()})
    program = _einjit.Program(trace.text([values[n]._name for n in gives]))
    return _einjit.Function(program, open=",".join(symbols) or None), takes, gives


class _Kernel(torch.nn.Module):
    """A part of a graph as einjit runs it; prints as its program. Who traces it, as torch.export does, is shown torch's
    calls."""

    def __init__(self, function: _einjit.Function, calls: fx.GraphModule | None) -> None:
        super().__init__()
        self.function, self.calls = function, calls

    def forward(self, *operands: torch.Tensor) -> Any:
        if self.calls is not None and torch.compiler.is_compiling():
            return self.calls(*operands)
        return self.function(*operands)

    def extra_repr(self) -> str:
        return str(self.function.program)


def _calls(part: list[fx.Node], takes: list[fx.Node], gives: list[fx.Node]) -> fx.GraphModule | None:
    """A part as torch runs it; None: it also takes numbers of torch's."""
    graph, made = fx.Graph(), dict[fx.Node, fx.Node]()
    for node in takes:
        made[node] = graph.placeholder(f"x{len(made)}")
    for node in part:
        if any(x not in made for x in node.all_input_nodes):
            return None
        made[node] = graph.node_copy(node, lambda n: made[n])
    graph.output(made[gives[0]] if len(gives) == 1 else tuple(made[n] for n in gives))
    return fx.GraphModule(torch.nn.Module(), graph)


def _replaced(module: fx.GraphModule, parts: list[list[fx.Node]], traceable: bool) -> fx.GraphModule:
    """The module with a call in the place of each part."""
    places = _places(module.graph, {n for part in parts for n in part})
    first = {part[0]: k for k, part in enumerate(parts)}
    inside = {n for part in parts for n in part}
    new, made, kernels = fx.Graph(), {}, {}  # type: ignore[var-annotated]
    for node in sorted(module.graph.nodes, key=lambda n: places[n]):
        if node in first:
            function, takes, gives = _function(parts[first[node]])
            name = f"einjit_{first[node]}"
            kernels[name] = _Kernel(function, _calls(parts[first[node]], takes, gives) if traceable else None)
            result = new.call_module(name, tuple(made[n] for n in takes))
            for i, given in enumerate(gives):
                made[given] = result if len(gives) == 1 else new.call_function(operator.getitem, (result, i))
        elif node not in inside:
            made[node] = new.node_copy(node, lambda n: made[n])
    _simplify(new)
    root = torch.nn.Module()
    for name, kernel in kernels.items():
        root.add_module(name, kernel)
    for node in new.nodes:
        if node.op in ("get_attr", "call_module") and node.target not in kernels:
            fx.graph_module._copy_attr(module, root, node.target)
    return fx.GraphModule(root, new)


def compile_graph(
    module: fx.GraphModule, example_inputs: Any, *, traceable: bool = False, **options: Any
) -> Callable[..., Any]:
    """The backend: a callable for Dynamo's graph; traceable: one that torch.export and torch.compile can read. Its
    `stays` says why each node that is torch's stays so (also logged, logger "einjit", level INFO). The kernels are
    compiled when they are first called."""
    _simplify(module.graph)
    module.recompile()
    parts, stays = _parts(module.graph)
    for node, why in stays.items():
        _log.info("torch keeps %s (%s): %s", node.name, _name(node), why)
    if not parts:
        _log.info("torch keeps the whole graph")
        return module.forward
    made = _replaced(module, parts, traceable)
    made.stays = {node.name: why for node, why in stays.items()}  # type: ignore[assignment]
    return made

"""A drop-in for opt_einsum_fx: its six names, on torch.fx graphs of torch calls.

    import einjit.fx as opt_einsum_fx

Takes  graphs as torch.fx traces them. Gives  graphs of the same calls: einsums fused, scalars collected, einsums
contracted in pairs in the library's order. Nothing is moved across an operation that changes a tensor in place.
Right where the original is not: an operand that is used twice counts its factor twice, a divisor is not linear, a value
with several users keeps its factor, division with rounding is no scaling, what a submodule is called does not matter, a
number that is collected neither overflows nor changes a dtype. Ellipsis, lists of labels and spaces are taken; where
labels run out einsums stay apart.
"""

from __future__ import annotations

import copy
import math
import operator
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import fx

from .equations import expanded, normal, sizes_of, walk
from .paths import contract_path

__all__ = [
    "EfficientShapeProp",
    "compile",
    "fuse_einsums",
    "fuse_scalars",
    "jitable",
    "optimize_einsums",
    "optimize_einsums_full",
]

_EINSUM = (torch.einsum, torch.functional.einsum)
_TENSORDOT = (torch.tensordot, torch.functional.tensordot)
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"  # what torch.einsum takes


def is_einsum(node: Any) -> bool:
    """A node that calls torch.einsum."""
    return isinstance(node, fx.Node) and node.op == "call_function" and node.target in _EINSUM


def mutates(node: fx.Node) -> bool:
    """Whether a node changes a tensor, or may."""
    if node.op == "call_function":
        name = getattr(node.target, "__name__", "")
        in_place = (
            name.endswith("_")
            and not name.endswith("__")
            or node.target in (operator.setitem, operator.iadd, operator.imul)
        )
    else:
        in_place = node.op == "call_method" and str(node.target).endswith("_") and not str(node.target).endswith("__")
    return in_place or node.kwargs.get("out") is not None or bool(node.kwargs.get("inplace"))


def segments(graph: fx.Graph) -> dict[fx.Node, int]:
    """How many nodes before each change a tensor."""
    n, found = 0, {}
    for node in graph.nodes:
        found[node] = n
        n += mutates(node)
    return found


def _meta(node: Any) -> Any:
    return getattr(node, "meta", {}).get("tensor_meta")


def _shape(node: Any) -> tuple[int, ...] | None:
    shape = getattr(_meta(node), "shape", None)
    return None if shape is None else tuple(shape)


# ---- fusing einsums ----


def _spelled(node: fx.Node) -> tuple[list[str], str, list[Any]] | None:
    """Terms, output and operands of an einsum; None: it has an ellipsis or labels that are not letters."""
    try:
        equation, operands = normal(node.args)
    except (TypeError, ValueError):
        return None
    equation = equation.replace(" ", "")
    if node.kwargs or "." in equation or not all(c in _LETTERS + ",->" for c in equation) or not operands:
        return None
    left, arrow, output = equation.partition("->")
    if not arrow:
        output = "".join(sorted(c for c in set(left) - {","} if left.count(c) == 1))
    terms = left.split(",")
    return (terms, output, operands) if len(terms) == len(operands) else None


def _fused(node: fx.Node, part: dict[fx.Node, int]) -> list[fx.Node]:
    """Writes the einsums that only this one uses into it; the nodes that are used no more."""
    mine = _spelled(node)
    if not mine:
        return []
    terms, output, operands = mine
    free = [c for c in _LETTERS if c not in "".join(terms)]
    new_terms: list[str] = []
    new_operands: list[Any] = []
    gone: list[fx.Node] = []
    for term, operand in zip(terms, operands):
        theirs = (
            _spelled(operand)
            if is_einsum(operand) and len(operand.users) == 1 and operands.count(operand) == 1
            else None
        )
        if theirs and len(theirs[1]) != len(term):
            raise RuntimeError(
                f"einsum `{node}` labels the result of einsum `{operand}` as '{term}' ({len(term)} axes), but it is "
                f"'{theirs[1]}' ({len(theirs[1])} axes)"
            )
        inner = [c for c in dict.fromkeys("".join(theirs[0])) if c not in theirs[1]] if theirs else []
        if not theirs or part[operand] != part[node] or len(inner) > len(free):
            new_terms.append(term)
            new_operands.append(operand)
            continue
        letters = dict(zip(theirs[1], term)) | {c: free.pop(0) for c in inner}
        new_terms += ["".join(letters[c] for c in t) for t in theirs[0]]
        new_operands += theirs[2]
        gone.append(operand)
    if gone:
        node.args = (f"{','.join(new_terms)}->{output}", *new_operands)
    return gone


def fuse_einsums(graph: fx.Graph, in_place: bool = False) -> fx.Graph:
    """Write an einsum whose result only another einsum uses into that one.

    graph: left as it is unless in_place. Returns the graph with fused einsums. An einsum with an ellipsis stays by
    itself, and one that the other uses twice, which would be computed twice. Raises RuntimeError where the axes of a
    result do not fit its use.
    """
    if not in_place:
        graph = copy.deepcopy(graph)
    part = segments(graph)
    for node in list(graph.nodes):
        if is_einsum(node):
            for gone in _fused(node, part):
                graph.erase_node(gone)
    graph.lint()
    return graph


# ---- scalars ----

_MUL, _DIV = (operator.mul, torch.mul, torch.multiply), (operator.truediv, torch.div, torch.divide, torch.true_divide)


def _words(node: fx.Node, names: tuple[str, ...]) -> list[Any] | None:
    """Arguments by position or by these names; None: there are others."""
    args, rest = list(node.args), dict(node.kwargs)
    for name in names[len(args) :]:
        if name not in rest:
            break
        args.append(rest.pop(name))
    return None if rest else args


def _kind(node: fx.Node) -> str:
    """ "mul", "div", or "": by the function or the method, never by a submodule's name."""
    if node.op == "call_function":
        return "mul" if node.target in _MUL else "div" if node.target in _DIV else ""
    return (
        {"mul": "mul", "multiply": "mul", "div": "div", "divide": "div"}.get(str(node.target), "")
        if node.op == "call_method"
        else ""
    )


def _is_number(x: Any) -> bool:
    return type(x) in (int, float)


def _scaling(node: fx.Node) -> tuple[fx.Node, int | float] | None:
    """(operand, factor) of a product with, or a quotient by, a number."""
    kind, args = _kind(node), _words(node, ("input", "other"))
    if not kind or args is None or len(args) != 2:
        return None
    a, b = args
    if kind == "mul" and _is_number(a) and isinstance(b, fx.Node):
        a, b = b, a
    if not isinstance(a, fx.Node) or not _is_number(b) or not math.isfinite(b) or b == 0:
        return None
    return a, (b if kind == "mul" else 1.0 / b)


def _linear_operands(node: fx.Node) -> list[fx.Node]:
    """Operands in which a node is linear, each as often as it is multiplied."""
    kind = _kind(node)
    if is_einsum(node):
        given = node.args[1] if len(node.args) == 2 and isinstance(node.args[1], (list, tuple)) else node.args
        return [x for x in given if isinstance(x, fx.Node)]
    if node.op == "call_function" and node.target in _TENSORDOT:
        return [x for x in (_words(node, ("a", "b")) or node.args)[:2] if isinstance(x, fx.Node)]
    if (
        node.op == "call_method"
        and node.target == "permute"
        or node.op == "call_function"
        and node.target is torch.permute
    ):
        return [x for x in node.args[:1] if isinstance(x, fx.Node)]
    args = _words(node, ("input", "other")) if kind else None
    if kind == "mul" and args and all(isinstance(x, fx.Node) for x in args):
        return args
    if kind == "div" and args and isinstance(args[0], fx.Node) and len(args) == 2:
        return args[:1]
    return []


def _floating(node: fx.Node) -> bool | None:
    dtype = getattr(_meta(node), "dtype", None)
    return None if dtype is None else bool(dtype.is_floating_point or dtype.is_complex)


def _movable(factor: int | float, node: fx.Node) -> bool:
    """Numbers near enough to 1 that moving them takes nothing out of the dtype's range that was in it (as the library
    moves them)."""
    dtype = getattr(_meta(node), "dtype", torch.float32)
    reach = 160 if dtype in (torch.float64, torch.complex128) else 4 if dtype in (torch.float16,) else 20
    return 2.0**-reach <= abs(factor) <= 2.0**reach


class _Collector:
    """A graph written anew. Of each old node it knows a new one and a number: their product is the value."""

    def __init__(self) -> None:
        self.new = fx.Graph()
        self.node: dict[fx.Node, fx.Node] = {}
        self.factor: dict[fx.Node, int | float] = {}
        self.done: set[fx.Node] = set()
        self.products: list[fx.Node] = []

    def value(self, old: fx.Node) -> fx.Node:
        """The new node of a value, its number multiplied in."""
        factor = self.factor[old]
        if factor != 1 or type(factor) is float and not _floating(old):  # 1.0 makes floats of integers
            made = self.new.call_function(operator.mul, (self.node[old], factor))
            made.meta = dict(old.meta)
            self.node[old] = made
            self.products.append(made)
        self.factor[old] = 1
        return self.node[old]

    def base(self, old: fx.Node, limit: Callable[[int | float], bool]) -> tuple[fx.Node, int | float]:
        """The new node and the number that its one user may take over: 1 where it has several users, or the number must
        stay."""
        factor = self.factor[old]
        if len(old.users) != 1 or not limit(factor):
            return self.value(old), 1
        return self.node[old], factor

    def add(self, node: fx.Node) -> None:
        if mutates(node):
            self.flush()
        if not self.scaled(node) and not self.linear(node):
            self.node[node] = self.new.node_copy(node, self.value)
            self.factor[node] = 1
        self.done.add(node)
        if not node.users and node.op != "output":
            self.value(node)

    def flush(self) -> None:
        """Numbers do not cross what changes a tensor."""
        for old in list(self.factor):
            if any(user not in self.done for user in old.users):
                self.value(old)

    def scaled(self, node: fx.Node) -> bool:
        scaling = _scaling(node)
        if not scaling or not _movable(scaling[1], node) or _floating(node) != _floating(scaling[0]):
            return False
        operand, factor = scaling
        base, waiting = self.base(operand, lambda f: _movable(f * factor, node))
        self.node[node], self.factor[node] = base, waiting * factor
        return True

    def linear(self, node: fx.Node) -> bool:
        operands = _linear_operands(node)
        total: int | float = 1
        bases: dict[fx.Node, fx.Node] = {}
        for operand in dict.fromkeys(operands):
            n = operands.count(operand)
            fits = _floating(node) == _floating(operand) and _all_args(node).count(operand) == n
            so_far = total

            def limit(f: int | float, n: int = n, fits: bool = fits, so_far: int | float = so_far) -> bool:
                return fits and _movable(so_far * f**n, node)

            bases[operand], factor = self.base(operand, limit)
            total *= factor**n
        if not operands:
            return False
        self.node[node] = self.new.node_copy(node, lambda old: bases[old] if old in bases else self.value(old))
        self.factor[node] = total
        return True


def _all_args(node: fx.Node) -> list[fx.Node]:
    found: list[fx.Node] = []

    def take(n: fx.Node) -> fx.Node:
        found.append(n)
        return n

    fx.map_arg((node.args, node.kwargs), take)
    return found


def _elements(node: Any) -> int | None:
    shape = _shape(node)
    return None if shape is None else math.prod(shape)


def _place(graph: fx.Graph, product: fx.Node) -> None:
    """Moves a product with a number back along what is linear, to the smallest value."""
    base, factor = product.args
    assert isinstance(base, fx.Node)
    part, best, size = segments(graph), None, _elements(base)
    frontier = [base]
    while frontier and size is not None:
        node = frontier.pop()
        if len(node.users) != 1 or part[node] != part[product]:
            continue
        for operand in _linear_operands(node):
            n = _elements(operand)
            if n is None or _all_args(node).count(operand) != 1 or _floating(operand) != _floating(node):
                continue
            if n < size:
                best, size = (node, operand), n
            if len(operand.users) == 1:
                frontier.append(operand)
    if best is None:
        return
    user, operand = best
    with graph.inserting_before(user):
        made = graph.call_function(operator.mul, (operand, factor))
    made.meta = dict(operand.meta)
    user.replace_input_with(operand, made)
    product.replace_all_uses_with(base)
    graph.erase_node(product)


def fuse_scalars(graph: fx.Graph, in_place: bool = False) -> fx.Graph:
    """Collect the numbers that values are multiplied with and divided by along einsums and other linear operations.

    graph: left as it is unless in_place. Returns the graph with one product for each chain, at the chain's end, or,
    where nodes have shapes (EfficientShapeProp), on the smallest value of the chain. Without dtypes tensors are taken
    for floating ones; with them, integers keep theirs. Numbers beyond 2^20 (f64: 2^160) stay where they are.
    """
    collector = _Collector()
    for node in graph.nodes:
        collector.add(node)
    for product in collector.products:
        _place(collector.new, product)
    collector.new.lint()
    return _instead(graph, collector.new) if in_place else collector.new


def _instead(graph: fx.Graph, made: fx.Graph) -> fx.Graph:
    """The nodes of `made` in `graph`."""
    for node in reversed(list(graph.nodes)):
        graph.erase_node(node)
    copied: dict[fx.Node, fx.Node] = {}
    for node in made.nodes:
        copied[node] = graph.node_copy(node, lambda n: copied[n])
    return graph


# ---- contraction in pairs ----


def optimize_einsums(graph: fx.Graph, contract_kwargs: dict[str, Any] = {}) -> fx.Graph:  # noqa: B006
    """Contract einsums of more than two operands in pairs.

    graph: with shapes (EfficientShapeProp, or torch.fx's ShapeProp); left as it is. contract_kwargs: of
    einjit.contract_path; "optimal" takes exponential time, "auto" (the default) does not. Returns a new graph, right
    for any extents of the same ranks, though chosen for these. Warns (RuntimeWarning) of einsums whose operands have no
    shapes, which stay as they are.
    """
    new = fx.Graph()
    made: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        steps = _steps(node, contract_kwargs) if is_einsum(node) else None
        made[node] = _in_pairs(new, steps, made) if steps else new.node_copy(node, lambda n: made[n])
    new.lint()
    return new


def _steps(node: fx.Node, options: dict[str, Any]) -> tuple[list[str], str, list[Any], list[tuple[int, ...]]] | None:
    try:
        equation, operands = normal(node.args)
    except (TypeError, ValueError):
        return None
    shapes = [_shape(x) for x in operands]
    if any(s is None for s in shapes):
        warnings.warn(
            f"einsum {node!r} lacks shapes and is not optimized: run ShapeProp on the graph first",
            RuntimeWarning,
            stacklevel=3,
        )
        return None
    if len(operands) < 3:
        return None
    known = [s for s in shapes if s is not None]
    terms, output = expanded(equation, [len(s) for s in known])
    path, _ = contract_path(f"{','.join(terms)}->{output}", *known, shapes=True, **options)
    if not all(c in _LETTERS for c in "".join(terms)):
        return None
    return terms, output, operands, path


def _in_pairs(
    new: fx.Graph, steps: tuple[list[str], str, list[Any], list[tuple[int, ...]]], made: dict[fx.Node, fx.Node]
) -> fx.Node:
    terms, output, operands, path = steps
    left = [made[x] for x in operands]
    for positions, taken, result, _ in walk(terms, output, path):
        used = [left.pop(i) for i in positions]
        left.append(new.call_function(torch.functional.einsum, (f"{','.join(taken)}->{result}", *used)))
    return left[0]


def optimize_einsums_full(
    model: torch.nn.Module | Callable[..., Any] | fx.Graph,
    example_inputs: tuple[Any, ...],
    contract_kwargs: dict[str, Any] = {},
    tracer_class: type = fx.Tracer,
) -> fx.GraphModule | fx.Graph:  # noqa: B006
    """Trace a model and apply all of it: dtypes are looked up, numbers collected, einsums fused and contracted in
    pairs, numbers put where they multiply the fewest elements.

    model: a module, a function, a GraphModule or a Graph, left as it is. example_inputs: what it is called with; the
    result takes other extents of the same ranks, too. Returns a GraphModule, or a Graph where the model is one.
    """
    root: Any = model
    if isinstance(model, fx.GraphModule):
        graph = model.graph
    elif isinstance(model, fx.Graph):
        graph, root = model, torch.nn.Module()
    else:
        tracer = tracer_class()
        graph, root = tracer.trace(model), tracer.root
    made = fx.GraphModule(root, copy.deepcopy(graph))
    for change in (
        lambda g: fuse_einsums(fuse_scalars(g), in_place=True),
        lambda g: optimize_einsums(g, contract_kwargs),
        fuse_scalars,
    ):
        EfficientShapeProp(made).run(*example_inputs)
        made.graph = change(made.graph)
        made.recompile()
    return made.graph if isinstance(model, fx.Graph) else made


def compile(model: Any, example_inputs: tuple[Any, ...], tracer_class: type = fx.Tracer) -> Any:  # noqa: A001
    """Give the largest parts of a model that programs can say to einjit's kernels; the rest stays torch.

    model: a module, function or GraphModule, left as it is. example_inputs: what it is called with; the result is for
    these shapes (torch.compile(model, backend="einjit") takes others). Returns a callable; its attribute `stays`, where
    it has one, says for each node that is torch's why it is. Gradients are autograd's. torch.export and torch.compile see
    torch's calls in it.
    """
    from .dynamo import compile_graph

    if isinstance(model, fx.GraphModule):
        made = fx.GraphModule(model, copy.deepcopy(model.graph))
    else:
        tracer = tracer_class()
        graph = tracer.trace(model)
        made = fx.GraphModule(tracer.root, graph)
    _Examples(made).run(*example_inputs)
    return compile_graph(made, example_inputs, traceable=True)


class _Examples(fx.Interpreter):
    """Runs a graph once and keeps a tensor without memory for each value."""

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, torch.Tensor):
            keep = result.device.type == "cpu" and result.layout == torch.strided
            n.meta["example_value"] = torch.zeros((), dtype=result.dtype).expand(result.shape) if keep else result
        return result


# ---- TorchScript, shapes ----


def jitable(obj: fx.GraphModule | fx.Graph) -> fx.GraphModule | fx.Graph:
    """Give calls of tensordot and permute the arguments that TorchScript takes; in place. Returns obj."""
    graph = obj.graph if isinstance(obj, fx.GraphModule) else obj
    for node in graph.nodes:
        if node.op == "call_function" and node.target in _TENSORDOT and "dims" in node.kwargs:
            words = dict(node.kwargs)
            dims = words.pop("dims")
            node.args = (*node.args, dims if isinstance(dims, int) else tuple(list(d) for d in dims))
            node.kwargs = words
        elif (
            node.op == "call_method"
            and node.target == "permute"
            and len(node.args) > 1
            and not isinstance(node.args[1], list)
        ):
            dims = node.args[1] if isinstance(node.args[1], tuple) else node.args[1:]
            node.args = (node.args[0], list(dims))
    graph.lint()
    if isinstance(obj, fx.GraphModule):
        obj.recompile()
    return obj


class TensorMeta(NamedTuple):
    """What node.meta["tensor_meta"] says of a tensor."""

    shape: torch.Size
    dtype: torch.dtype


class EfficientShapeProp(fx.Interpreter):
    """Runs a graph and notes shape and dtype of each value in node.meta["tensor_meta"], but computes no einsum and no
    tensordot: their results are zeros of stride 0 of the right shape, however large."""

    def run_node(self, n: fx.Node) -> Any:
        result = self._result(n)
        n.meta["tensor_meta"] = TensorMeta(result.shape, result.dtype) if isinstance(result, torch.Tensor) else None
        n.meta["type"] = type(result)
        return result

    def _result(self, n: fx.Node) -> Any:
        if is_einsum(n):
            equation, operands = normal(self.fetch_args_kwargs_from_env(n)[0])
            shapes = [tuple(x.shape) for x in operands]
            terms, output = expanded(equation, [len(s) for s in shapes])
            sizes = sizes_of(terms, shapes)
            return _zeros(operands, [sizes[c] for c in output])
        if n.op == "call_function" and n.target in _TENSORDOT:
            args, words = self.fetch_args_kwargs_from_env(n)
            a, b, dims = [*args, *(words[k] for k in ("a", "b", "dims")[len(args) :] if k in words), 2][:3]
            left, right = (range(a.ndim - dims, a.ndim), range(dims)) if isinstance(dims, int) else dims
            gone = {d % a.ndim for d in left}, {d % b.ndim for d in right}
            return _zeros(
                (a, b),
                [e for i, e in enumerate(a.shape) if i not in gone[0]]
                + [e for i, e in enumerate(b.shape) if i not in gone[1]],
            )
        return super().run_node(n)

    def propagate(self, *args: Any) -> Any:
        """The same as run."""
        return self.run(*args)


def _zeros(operands: Any, shape: list[int]) -> torch.Tensor:
    dtype = operands[0].dtype
    for x in operands[1:]:
        dtype = torch.promote_types(dtype, x.dtype)
    return torch.zeros((), dtype=dtype, device=operands[0].device).expand(shape)

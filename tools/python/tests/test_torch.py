"""torch: autograd, and einjit.fx where opt_einsum_fx is wrong (its own tests are run against it where their source is
at hand)."""

import gc
import json
import math
import operator
import os
import pathlib
import subprocess
import sys
import weakref

import einjit
import einjit.fx
import pytest
import torch
from torch import fx

X, Y = torch.randn(3, 4, dtype=torch.float64), torch.randn(4, 5, dtype=torch.float64)


# ---- autograd ----


@pytest.mark.parametrize(
    "equation, shapes",
    [("ij,jk->ik", [(3, 4), (4, 2)]), ("...j,jk", [(2, 3), (3, 2)]), ("ii->i", [(3, 3)]), ("i,i,i->", [(4,)] * 3)],
)
def test_gradients_and_their_gradients(equation, shapes):
    operands = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in shapes]
    assert torch.autograd.gradcheck(lambda *x: einjit.einsum(equation, *x), operands)
    assert torch.autograd.gradgradcheck(lambda *x: einjit.einsum(equation, *x), operands)


def test_gradients_of_compiled_programs():
    f = einjit.compile(
        "def f(x, w, c):\n    return tanh(x @ w) * c, sum(x)\n", constants={"c": torch.randn(3, 2, dtype=torch.float64)}
    )
    operands = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in [(3, 4), (4, 2)]]
    assert torch.autograd.gradcheck(f, operands) and torch.autograd.gradgradcheck(f, operands)


def test_functions_that_are_gone_leave_nothing():
    constant = torch.randn(4, 5, dtype=torch.float64)
    held, x = weakref.ref(constant), X.clone().requires_grad_()
    f = einjit.compile("def f(x, w):\n    return tanh(x @ w)\n", constants={"w": constant})
    torch.autograd.grad(torch.autograd.grad(f(x).sum(), x, create_graph=True)[0].sum(), x)
    assert held() is not None
    del constant, f
    gc.collect()
    assert held() is None


def test_autograd_off_and_out():
    x = X.clone().requires_grad_()
    with torch.no_grad():
        assert not einjit.einsum("ij,jk->ik", x, Y).requires_grad
        einjit.einsum("ij,jk->ik", x, Y, out=torch.empty(3, 5, dtype=torch.float64))
    with pytest.raises(RuntimeError, match="autograd"):
        einjit.einsum("ij,jk->ik", x, Y, out=torch.empty(3, 5, dtype=torch.float64))
    assert not einjit.einsum("ij,jk->ik", X, Y).requires_grad


# ---- fx: what opt_einsum_fx computes wrongly ----


def twice(x, y):
    a = 2 * x
    return torch.einsum("ij,ij->", a, a) + (a * a).sum()


def denominator(x, y):
    return x / (2.5 * x) + 5 / (2 * x)


def several_users(x, y):
    a, y2 = 2 * x, 3 * y
    return torch.einsum("ij,jk->ik", a, y2).sum() + a.sum() + y2.sum()


def rounding(x, y):
    return torch.einsum("ij->ji", torch.div(7 * x, 2, rounding_mode="floor")) * 3


def other_by_name(x, y):
    return x.mul(other=2).div(other=4) * 3


def divided_by_zero(x, y):
    return (x / 0.0).abs()


def written_in_place(x, y):
    a = x.clone()
    b = 2.0 * a
    c = torch.einsum("ij,jk->ik", a, y)
    a.mul_(3.0)
    return torch.einsum("ik->ki", 0.5 * c).T + (b * 5).sum() + a.sum()


def near_the_range(x, y):
    return torch.einsum("ij,jk->ik", x * 1e-30, y * 1e30) * 1e-30 * 1e30


def used_in_two_places(x, y):
    z = torch.einsum("ij,jk->ik", x, y)
    return torch.einsum("ik,il->kl", z, z)


def forms(x, y):
    a = torch.einsum("... j, j k -> ... k", x, y)
    b = torch.einsum(x, [0, 1], y, [1, 2], [0, 2])
    return torch.einsum("ik,ik,ij->j", [a, b, 2 * x])


ALL = [
    twice,
    denominator,
    several_users,
    rounding,
    other_by_name,
    divided_by_zero,
    written_in_place,
    near_the_range,
    used_in_two_places,
    forms,
]


@pytest.mark.parametrize("f", ALL)
@pytest.mark.parametrize("change", [einjit.fx.fuse_scalars, einjit.fx.fuse_einsums, None])
def test_right_where_the_original_is_not(f, change):
    x, y = X.float(), Y.float()
    g = fx.symbolic_trace(f)
    made = einjit.fx.optimize_einsums_full(g, (x, y)) if change is None else fx.GraphModule(g, change(g.graph))
    torch.testing.assert_close(made(x, y), f(x, y), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(g(x, y), f(x, y))  # left as it was


def test_what_a_submodule_is_called_does_not_matter():
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.mul, self.permute = torch.nn.ReLU(), torch.nn.Tanh()

        def forward(self, x):
            return 3 * self.mul(-2.0 * self.permute(x * 2))

    model = Model()
    torch.testing.assert_close(einjit.fx.optimize_einsums_full(model, (X,))(X), model(X))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: torch.einsum("i->i", x * 2) * 3,
        lambda x: x * 0.5 * 2,
        lambda x: torch.einsum("i,i->i", 3 * x, x) / 2,
        lambda x: x * 2 * 3,
    ],
)
def test_integers_keep_their_dtype(f):
    x = torch.arange(5)
    made = einjit.fx.optimize_einsums_full(f, (x,))(x)
    assert made.dtype == f(x).dtype and torch.equal(made, f(x))


def test_a_number_goes_to_the_smallest_value():
    def f(x, y, z):
        return 0.784 * torch.einsum("ij,jk,kl->il", x, y, z)

    x, y, z = torch.randn(2, 100), torch.randn(100, 2), torch.randn(2, 100)
    made = einjit.fx.optimize_einsums_full(f, (x, y, z))
    product = next(n for n in made.graph.nodes if n.target is operator.mul)
    assert product.meta["tensor_meta"].shape == (2, 2)
    torch.testing.assert_close(made(x, y, z), f(x, y, z))


def test_extents_of_one_broadcast_in_shapes():
    g = fx.symbolic_trace(lambda a, b: torch.einsum("ij,ij->ij", a, b))
    assert einjit.fx.EfficientShapeProp(g).run(torch.ones(3, 4), torch.ones(3, 1)).shape == (3, 4)


def test_shapes_compute_no_einsum():
    g = fx.symbolic_trace(
        lambda a, b: torch.tensordot(torch.einsum("i,j->ij", a, b), torch.einsum("i,j->ij", b, a), dims=0)
    )
    got = einjit.fx.EfficientShapeProp(g).run(torch.ones(10000), torch.ones(20000))
    assert got.shape == (10000, 20000, 20000, 10000) and got.untyped_storage().nbytes() <= 8


def test_labels_that_run_out():
    def f(*xs):
        z = xs[0]
        for _ in range(60):
            z = torch.einsum("ab,bc->ac", z, xs[1])
        return z

    def two(a, b):
        return f(a, b)

    a, b = torch.eye(3) * 0.5, torch.eye(3) * 2
    torch.testing.assert_close(einjit.fx.optimize_einsums_full(two, (a, b))(a, b), two(a, b))


def test_readme_of_opt_einsum_fx():
    def einmatvecmul(a, b, vec):
        return torch.einsum("zij,zjk,zk->zi", a, b, vec)

    graph_mod = fx.symbolic_trace(einmatvecmul)
    example = torch.randn(7, 4, 5), torch.randn(7, 5, 3), torch.randn(7, 3)
    graph_opt = einjit.fx.optimize_einsums_full(model=graph_mod, example_inputs=example)
    assert graph_opt.code.count("einsum(") == 2
    torch.testing.assert_close(graph_opt(*example), einmatvecmul(*example))
    scripted = torch.jit.script(einjit.fx.jitable(graph_opt))
    torch.testing.assert_close(scripted(*example), einmatvecmul(*example))


# ---- fx: the graphs of opt_einsum_fx's own tests ----

GRAPHS = next(
    (p for p in pathlib.Path(__file__).parents if (p.parent / "shared/data/oefx_graphs.json").exists()), None
)
CASES = json.loads((GRAPHS.parent / "shared/data/oefx_graphs.json").read_text())["cases"] if GRAPHS else []
FUNCTIONS = {
    "einsum": torch.einsum,
    "tensordot": torch.tensordot,
    "getattr": getattr,
    **{name: getattr(operator, name) for name in ("mul", "truediv", "add", "sub", "getitem", "neg", "matmul")},
}


def written(x, made):
    if isinstance(x, dict) and "node" in x:
        return made[x["node"]]
    if isinstance(x, dict) and "slice" in x:
        return slice(*(written(y, made) for y in x["slice"]))
    if isinstance(x, dict):
        return {k: written(v, made) for k, v in x.items()}
    return tuple(written(y, made) for y in x) if isinstance(x, list) else x


def graph_of(case):
    graph, made = fx.Graph(), {}
    for node in case["graph"]:
        args, words = written(node["args"], made), written(node["kwargs"], made)
        if node["op"] == "placeholder":
            made[node["name"]] = graph.placeholder(node["target"])
        elif node["op"] == "output":
            graph.output(args[0])
        elif node["op"] == "call_method":
            made[node["name"]] = graph.call_method(node["target"], tuple(args), words)
        else:
            function = FUNCTIONS.get(node["target"]) or getattr(torch, node["target"])
            made[node["name"]] = graph.call_function(function, tuple(args), words)
    return fx.GraphModule(torch.nn.Module(), graph)


@pytest.mark.filterwarnings("ignore:The TorchScript type system", "ignore:.*torch.jit.script")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", CASES, ids=[c["name"] for c in CASES])
def test_graphs_of_its_tests(case, dtype):
    xs = [torch.tensor(d, dtype=dtype).reshape(s) for d, s in zip(case["input_data"], case["inputs"])]
    module = graph_of(case)
    wanted = torch.tensor(case["result"], dtype=dtype).reshape(case["result_shape"])
    for change in (einjit.fx.fuse_einsums, einjit.fx.fuse_scalars, None):
        made = (
            einjit.fx.optimize_einsums_full(module, tuple(xs))
            if change is None
            else fx.GraphModule(module, change(module.graph))
        )
        torch.testing.assert_close(made(*xs).to(dtype), wanted, rtol=1e-4, atol=1e-4)
        n = case.get("expect_nodes_after_fuse_scalars")
        if n is not None and change is einjit.fx.fuse_scalars:
            assert len(made.graph.nodes) <= n
    torch.testing.assert_close(torch.jit.script(einjit.fx.jitable(made))(*xs).to(dtype), wanted, rtol=1e-4, atol=1e-4)


def test_graphs_in_place_and_not():
    g = fx.symbolic_trace(lambda x, y: math.pi * torch.einsum("ij,jk->ik", x, y / 3))
    before = g.code
    einjit.fx.fuse_scalars(g.graph)
    g.recompile()
    assert g.code == before
    assert einjit.fx.fuse_scalars(g.graph, in_place=True) is g.graph
    g.recompile()
    assert g.code.count("*") == 1
    torch.testing.assert_close(g(X, Y), math.pi * X @ Y / 3)


def test_threads_are_as_many_as_torch_uses():
    code = "import torch; torch.set_num_threads(2); import einjit; print(einjit.statistics()['threads'])"
    alone = "import einjit; print(einjit.statistics()['threads'])"
    environment = {k: v for k, v in os.environ.items() if k != "EINJIT_THREADS"}
    cpus = len(os.sched_getaffinity(0))
    for program, extra, expected in [(code, {}, 2), (alone, {}, 1), (code, {"EINJIT_THREADS": "1"}, 1)]:
        out = subprocess.run([sys.executable, "-c", program], env=environment | extra, capture_output=True, check=True)
        assert int(out.stdout) == min(expected, cpus)

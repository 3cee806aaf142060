"""torch.compile(backend="einjit") and einjit.fx.compile: the same results, gradients and effects as eager."""

import copy

import einjit.dynamo
import einjit.fx
import pytest
import torch


def backend():
    """What the entry point names, and the graphs that it was given."""
    graphs = []

    def compile_graph(module, inputs):
        graphs.append(einjit.dynamo.compile_graph(module, inputs))
        return graphs[-1]

    torch._dynamo.reset()
    return compile_graph, graphs


def kernels(graphs):
    return sum(type(m).__name__ == "_Kernel" for g in graphs if isinstance(g, torch.nn.Module) for m in g.modules())


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w, self.b = torch.nn.Parameter(torch.randn(4, 5)), torch.nn.Parameter(torch.randn(5))

    def forward(self, x):
        h = torch.tanh(torch.einsum("bi,io->bo", x, self.w) + self.b) * 2
        h = torch.sort(h, dim=1).values
        return torch.einsum("bo,io->bi", h, self.w) / 3, h.sum()


def test_registered_by_entry_point():
    assert "einjit" in torch._dynamo.list_backends()
    torch._dynamo.reset()
    f = torch.compile(lambda x: torch.einsum("ij,kj->ik", x, x), backend="einjit")
    x = torch.randn(3, 4)
    torch.testing.assert_close(f(x), x @ x.T)


def test_parts_results_and_gradients():
    compile_graph, graphs = backend()
    model, x = Layer(), torch.randn(6, 4, requires_grad=True)
    compiled = torch.compile(model, backend=compile_graph)
    wanted = [*model(x), *torch.autograd.grad(sum(y.sum() for y in model(x)), [x, model.w, model.b])]
    got = [*compiled(x), *torch.autograd.grad(sum(y.sum() for y in compiled(x)), [x, model.w, model.b])]
    for a, b in zip(wanted, got):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
    assert kernels(graphs) == 2 and graphs[0].stays["sort"] == "programs do not have it"


def test_triangles_flips_and_remainders_are_ours():
    compile_graph, graphs = backend()
    f = torch.compile(lambda x: torch.tril(x @ x.T) % 0.3 + torch.remainder(x @ x, 2.0).triu(1).flip(0), backend=compile_graph)
    x = torch.randn(4, 4, dtype=torch.float64)
    torch.testing.assert_close(f(x), torch.tril(x @ x.T) % 0.3 + ((x @ x) % 2.0).triu(1).flip(0))
    assert kernels(graphs) == 1 and not {"tril", "triu", "flip", "mod", "remainder"} & set(graphs[0].stays)


def test_double_backward():
    compile_graph, _ = backend()
    f = torch.compile(
        lambda x: (torch.einsum("ij,jk->ik", x, x) ** 3).sum() + torch.einsum("ij,ij->", x, x).sin(),
        backend=compile_graph,
    )
    assert torch.autograd.gradgradcheck(f, [torch.randn(3, 3, dtype=torch.float64, requires_grad=True)])


def test_training():
    compile_graph, _ = backend()
    torch.manual_seed(0)
    x, y = torch.randn(32, 4), torch.randn(32, 4)
    losses = []
    for wrap in (lambda m: m, lambda m: torch.compile(m, backend=compile_graph)):
        torch.manual_seed(1)
        model = wrap(Layer())
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        for _ in range(5):
            optimizer.zero_grad()
            loss = ((model(x)[0] - y) ** 2).mean()
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_other_batches_are_not_compiled_again():
    compile_graph, graphs = backend()
    f = torch.compile(lambda x, w: torch.einsum("bi,io->bo", x, w).relu(), backend=compile_graph, dynamic=True)
    w, x = torch.randn(4, 5), torch.randn(7, 4)
    f(x, w)
    before = einjit.statistics()["misses"]
    for n in range(8, 30):
        x = torch.randn(n, 4)
        torch.testing.assert_close(f(x, w), (x @ w).relu(), rtol=1e-4, atol=1e-4)
    assert len(graphs) == 1 and einjit.statistics()["misses"] == before


def in_place(x, w):
    h = x @ w
    x.add_(1.0)
    return h * 2 + x @ w


def view_is_written(x, w):
    t = x.transpose(0, 1)
    t.mul_(2.0)
    return x @ w


def view_leaves(x, w):
    h = x @ w
    t = h.transpose(0, 1)
    t.add_(1.0)
    return h, t


def no_grad_inside(x, w):
    with torch.no_grad():
        h = x @ w
    return torch.einsum("ij,kj->ik", h, w) * 2


def other_dtypes(x, w):
    return torch.einsum("ij,jk->ik", x.to(torch.bfloat16), w.to(torch.bfloat16)).float() + (x > 0).sum() + x @ w


def random_numbers(x, w):
    return torch.nn.functional.dropout(x @ w, 0.5) @ w.T + torch.rand(3, 4)


def named_operands(x, w):
    h = torch.reshape(input=x @ w, shape=(5, 3))
    first, second = torch.split(tensor=h, split_size_or_sections=1, dim=1)[:2]
    joined = torch.cat(tensors=(first, second, torch.unbind(input=h, dim=1)[2][:, None]), dim=1)
    return torch.stack(tensors=[joined @ x, torch.permute(input=h, dims=(0, 1)) @ x])


FUNCTIONS = [in_place, view_is_written, view_leaves, no_grad_inside, other_dtypes, random_numbers, named_operands]


@pytest.mark.parametrize("f", FUNCTIONS)
def test_same_as_eager(f):
    compile_graph, _ = backend()
    results = []
    for g in (f, torch.compile(f, backend=compile_graph)):
        torch.manual_seed(0)
        x, w = torch.randn(3, 4), torch.randn(4, 5)
        torch.manual_seed(0)
        results.append((g(x, w), x, w))
    torch.testing.assert_close(results[1], results[0], rtol=1e-4, atol=1e-4)


def layers_on_slices(x, w, b):
    """What e3nn's layers are made of: parts of rows, contracted and joined again."""
    n, (k, v) = x.shape[0], w.split(6, dim=-1)
    parts = x.chunk(3, 1)
    first = torch.einsum("zui,uw->zwi", parts[0].reshape(n, 2, 2), k.narrow(-1, 0, 4).reshape(8, 2)[:2])
    second = torch.matmul(x[..., 4:10], v.T).unsqueeze(-1).squeeze(-1)
    third = torch.nn.functional.linear(x[:, :6], v, b).flatten(1).expand(n, 4)
    rows = torch.stack([second, third], 1).mT.contiguous().select(-1, 1)
    return torch.cat([first.reshape(n, 4), second, third.swapaxes(0, 1).t(), rows], dim=-1).reshape(n, 2, -1)


def test_layout_is_ours():
    compile_graph, graphs = backend()
    f = torch.compile(layers_on_slices, backend=compile_graph)
    w, b = torch.randn(4, 12, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    for n in (3, 7, 5):
        xs = [t.clone().requires_grad_() for t in (torch.randn(n, 12, dtype=torch.float64), w, b)]
        torch._dynamo.mark_dynamic(xs[0], 0)
        ys, gs = zip(*((y, torch.autograd.grad((y * y).sum(), xs)) for y in (f(*xs), layers_on_slices(*xs))))
        torch.testing.assert_close(ys[0], ys[1])
        torch.testing.assert_close(gs[0], gs[1])
    assert kernels(graphs) == len(graphs) == 1 and not graphs[0].stays, graphs[0].stays


def test_results_that_share_memory_still_do():
    def f(x, w):
        h = x @ w
        return h, h.reshape(2, -1), h[0], (x @ w).T, x[1:]

    made, x = einjit.fx.compile(f, (torch.ones(2, 3), torch.ones(3, 4))), torch.ones(2, 3)
    assert kernels([made]) == 1
    for g in (f, made):
        h, again, row, turned, part = g(x, torch.ones(3, 4))
        again.add_(1)
        part.zero_()
        assert h[0, 0] == row[0] == 4 and turned[0, 0] == 3 and x[1].sum() == 0
        x.fill_(1)


def test_what_a_gradient_does_not_need_may_change():
    x = torch.randn(3, 4, requires_grad=True)
    h = x * 1.0
    y = einjit.compile("def f(h: f32[3, 4], w: f32[3, 4]):\n    return h * 0.5 + w @ w.T @ w\n")(h, torch.ones(3, 4))
    h.add_(1.0)
    y.sum().backward()
    assert torch.equal(x.grad, torch.full((3, 4), 0.5))


def test_modes_are_respected():
    compile_graph, _ = backend()
    f = torch.compile(lambda x, w: torch.einsum("ij,jk->ik", x, w), backend=compile_graph)
    x, w = torch.randn(3, 4, requires_grad=True), torch.randn(4, 5)
    with torch.no_grad():
        assert not f(x, w).requires_grad
    with torch.autocast("cpu", torch.bfloat16):
        assert f(x, w).dtype == torch.einsum("ij,jk->ik", x, w).dtype


def test_fx_compile():
    model, x = Layer(), torch.randn(6, 4)
    made = einjit.fx.compile(model, (x,))
    for a, b in zip(model(x), made(x)):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
    assert kernels([made]) == 2 and set(made.stays.values()) == {"programs do not have it"}
    assert "einsum" in str(made)


def test_what_has_no_contraction_stays():
    f = einjit.fx.compile(lambda x: x.sin() + 1, (torch.randn(3),))
    assert kernels([f]) == 0


class Scaled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.randn(3, 4))

    def forward(self, x, v):
        return torch.einsum("zi,ij,zj->z", x, self.w, v * 0.5).relu(), x.sum(0)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("way", ["compile", "optimize_einsums_full"])
def test_exports_of_what_fx_makes_are_torchs(way, strict):
    model, (x, v) = Scaled(), (torch.randn(6, 3), torch.randn(6, 4))
    made = getattr(einjit.fx, way)(model, (x, v))
    exported = torch.export.export(made, (x, v), strict=strict)
    called = {n.target for n in exported.graph.nodes if n.op == "call_function"}
    assert torch.ops.aten.einsum.default in called
    assert all(isinstance(f, torch._ops.OpOverload) for f in called), called
    torch.testing.assert_close(exported.module()(x, v), model(x, v))
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(made, backend="aot_eager", fullgraph=True)(x, v), model(x, v))


@pytest.mark.parametrize("strict", [False, True])
def test_exports_of_einsum_are_torchs(strict):
    class Product(torch.nn.Module):
        def forward(self, a, b):
            return einjit.einsum("ij,jk", a, b)

    a, b = torch.randn(3, 4), torch.randn(4, 5)
    einjit.einsum("ij,jk", a, b)  # known before
    exported = torch.export.export(Product(), (a, b), strict=strict)
    assert torch.ops.aten.einsum.default in {n.target for n in exported.graph.nodes}
    torch.testing.assert_close(exported.module()(2 * a, b), 2 * a @ b, rtol=1e-4, atol=1e-4)


def test_models_of_kernels_are_copied_and_saved(tmp_path):
    model, (x, v) = Scaled(), (torch.randn(6, 3), torch.randn(6, 4))
    made = einjit.fx.compile(model, (x, v))
    assert any(type(m).__name__ == "_Kernel" for m in made.modules())
    twin = copy.deepcopy(made)
    torch.save(made, tmp_path / "made")
    loaded = torch.load(tmp_path / "made", weights_only=False)
    with torch.no_grad():
        model.w.mul_(3)
    for other in (twin, loaded):
        with torch.no_grad():
            next(other.parameters()).mul_(3)
        torch.testing.assert_close(other(x, v), model(x, v))
        assert next(other.parameters()) is not model.w

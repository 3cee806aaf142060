"""Programs: compile, jit, gradients, paths, expressions, operators by name, opt_einsum's backend."""

import collections
import copy
import os
import pathlib
import pickle
import signal
import threading
import time

import einjit
import numpy as np
import opt_einsum
import pytest
import torch
from einjit import errors

RNG = np.random.default_rng(0)
X, W = RNG.standard_normal((6, 4)), RNG.standard_normal((4, 3))


def test_program_text_with_options():
    f = einjit.compile("def f(x: f64[b, i], w: f64[i, o]):\n    return relu(x @ w), sum(x)\n", open="b")
    for n in (6, 2, 9):
        x = RNG.standard_normal((n, 4))
        y, total = f(x, W)
        assert np.allclose(y, np.maximum(x @ W, 0)) and np.isclose(total, x.sum())
    outs = np.empty((6, 3)), np.empty(())
    assert f(X, W, out=outs) is outs and np.allclose(outs[0], np.maximum(X @ W, 0)) and np.isclose(outs[1], X.sum())
    with pytest.raises(errors.OperandCountError):
        f(X, W, out=(outs[0],))
    with pytest.raises(errors.NameError, match="q"):
        einjit.compile("ij->ji", open="q")(X)


def test_open_extents_compile_once():
    f = einjit.compile("zi,ij->zj", open="z")
    f(X, W)
    before = einjit.statistics()["misses"]
    for n in range(1, 60):
        x = np.ones((n, 4))
        assert np.allclose(f(x, W), x @ W)
    assert einjit.statistics()["misses"] - before <= 2  # an extent of 1 broadcasts: it has its own


def test_constants_are_left_out_of_calls():
    f = einjit.compile("def f(x, w, v):\n    return x @ (w @ v)\n", constants={"w": W, "v": W.T.copy()})
    assert np.allclose(f(X), X @ (W @ W.T))
    assert torch.allclose(f(torch.tensor(X)), torch.tensor(X @ (W @ W.T)))
    with pytest.raises(errors.NameError):
        einjit.compile("ij->ji", constants={"zz": W})


def test_strict_has_the_bits_of_the_program_as_written():
    a, b, c = (RNG.standard_normal((8, 8)).astype("f4") for _ in range(3))
    want = np.empty((8, 8), "f4")
    for i in range(8):
        for k in range(8):
            total = np.float32(0)
            for j in range(8):
                total = np.float32(total + np.float32(a[i, j] * b[j, k]))
            want[i, k] = total
    got = einjit.compile("ij,jk->ik", strict=True)(a, b)
    assert np.abs(got - want).max() <= 1e-6  # a product may be fused with its sum, term after term
    assert np.array_equal(
        einjit.compile("ij,jk,kl->il", strict=True)(a, b, c),
        einjit.compile("ij,jk,kl->il", path="written", optimize=False)(a, b, c),
    )


def test_measured_programs():
    a, b = (RNG.integers(-4, 5, (40, 40)).astype("f4") for _ in range(2))
    f = einjit.compile("ij,jk->ik", measure=True)
    before = einjit.statistics()["misses"]
    np.testing.assert_array_equal(f(a, b), a @ b)
    np.testing.assert_array_equal(einjit.compile("ij,jk->ik")(a, b), a @ b)
    assert einjit.statistics()["misses"] >= before + 2  # the flag is part of a signature
    assert f.flags == 8 and pickle.loads(pickle.dumps(f)).flags == 8
    assert einjit.compile("ij,jk->ik", measure=True, strict=True, optimize=False).flags == 13
    if (pathlib.Path(einjit.__file__).parent / "bin" / "einjit").exists():
        assert "<svg" in einjit.explain(f, a, b).svg()


def test_options_of_python_functions_reach_their_gradients():
    x = np.ones((3, 3))
    for options, flags in ({}, 0), ({"strict": True}, 4), ({"measure": True}, 8):
        for f in einjit.compile(lambda x: (x @ x).sum(), **options), einjit.compile("ij->", **options):
            gradient = einjit.grad(f)
            np.testing.assert_allclose(gradient(x), np.full((3, 3), 6 if hasattr(f, "made") else 1))
            assert [made.flags for made, _ in gradient.made.values()] == [flags] and f.flags == flags
    with pytest.raises(TypeError, match="strict and measure"):
        einjit.compile(lambda x: x, open="n", measure=True)


def test_program_object():
    p = einjit.Program(equation="ij,jk->ik")
    assert (
        p.n_outputs == 1 and [name for name, _, _ in p.inputs] == ["a", "b"] and str(einjit.Program(str(p))) == str(p)
    )
    q = einjit.Program("def f(x: f32[2, n]):\n    y = 2 * x\n    return einsum('ij,ij->', y, y)\n")
    assert q.inputs == (("x", "f32", (2, "n")),) and "4" in str(q.optimized()) and str(q) != str(q.optimized())
    with pytest.raises(errors.ValueError):
        q.optimized("no_such_pass")
    with pytest.raises(errors.InvalidError):
        einjit.Program()


def test_explain():
    e = einjit.explain("ij,jk,kl->il", ("f32", (9, 500)), ("f32", (500, 9)), ("f32", (9, 500)))
    assert e.planned_operations < e.naive_operations / 100 and e.steps == 2 and "plan: 2 steps" in repr(e)
    assert "vfmadd" in e.function.text("asm", ("f32", (9, 500)), ("f32", (500, 9)), ("f32", (9, 500)))
    with pytest.raises(errors.ValueError):
        e.function.text("no_such_stage", X, W, X)


# ---- functions of Python ----


def test_jit():
    calls = []

    @einjit.jit
    def layer(x, w, scale=1.0):
        calls.append(x.shape)
        h = einjit.einsum("bi,io->bo", x, w)
        return einjit.relu(h) * scale - h.mean(1, True), (h**2).sum(), -h[:, 1:] / 2, 1 - h.T

    for _ in range(3):
        a, b, c, d = layer(X, W, scale=0.5)
        h = X @ W
        for got, want in (
            (a, np.maximum(h, 0) * 0.5 - h.mean(1, keepdims=True)),
            (b, (h**2).sum()),
            (c, -h[:, 1:] / 2),
            (d, 1 - h.T),
        ):
            assert np.allclose(got, want)
    assert calls == [(6, 4)]
    layer(X[:2], W)
    assert calls == [(6, 4), (2, 4)]


def test_jit_takes_functions_of_torch_and_numpy():
    f = einjit.jit(lambda x, w: torch.tanh(torch.einsum("bi,io->bo", x, w)) + torch.matmul(x, w).exp())
    x, w = torch.tensor(X), torch.tensor(W)
    assert torch.allclose(f(x, w), torch.tanh(x @ w) + (x @ w).exp())
    g = einjit.jit(
        lambda x, w: np.sqrt(np.abs(np.einsum("bi,io->bo", x, w))) + np.tensordot(x, w, 1) + 2 * np.add(x, 1)[:, :3]
    )
    assert np.allclose(g(X, W), np.sqrt(np.abs(X @ W)) + X @ W + 2 * (X[:, :3] + 1))


def test_jit_of_places_remainders_and_bits():
    def f(x):
        n = x.argmax(1, True)
        return x % 0.3, x.tril(1)[::-1], x.gather(1, n), (n & 1) ^ ~n | 4, np.flip(x, axis=1), np.argmax(x, axis=0), np.triu(x, k=1)

    n = X.argmax(1, keepdims=True)
    wanted = (X % 0.3, np.tril(X, 1)[::-1], np.take_along_axis(X, n, 1), (n & 1) ^ ~n | 4, X[:, ::-1], X.argmax(0), np.triu(X, 1))
    for got, want in zip(einjit.jit(f)(X), wanted):
        assert np.allclose(got, want)


def test_jit_captures_arrays_and_takes_nested_arguments():
    f = einjit.jit(lambda x, both: x @ W + both["b"][0])
    b = np.arange(3.0)
    assert np.allclose(f(X, {"b": [b]}), X @ W + b)
    mine = W.copy()
    g = einjit.jit(lambda x: x @ mine)
    for _ in range(2):
        assert np.allclose(g(X), X @ mine)
        assert np.allclose(einjit.grad(lambda x: (x @ mine).sum())(X), mine.sum(1))
        mine *= 2


def test_jit_refuses_what_programs_do_not_have():
    with pytest.raises(errors.UnsupportedError, match="sort"):
        einjit.jit(lambda x: np.sort(x))(X)
    with pytest.raises(TypeError, match="look at the values"):
        einjit.jit(lambda x: x if x.sum() > 0 else -x)(X)
    with pytest.raises(AttributeError):
        einjit.jit(lambda x: x.no_such_method())(X)


def test_gradients():
    def loss(x, w):
        return (einjit.einsum("bi,io->bo", x, w).tanh() ** 2).sum()

    x, w = torch.tensor(X, requires_grad=True), torch.tensor(W, requires_grad=True)
    want = (torch.tanh(x @ w) ** 2).sum()
    want.backward()
    value, (dx, dw) = einjit.value_and_grad(loss, (0, 1))(X, W)
    assert np.isclose(value, want.item()) and np.allclose(dx, x.grad) and np.allclose(dw, w.grad)
    assert np.allclose(einjit.grad(loss, 1)(X, W), w.grad) and torch.allclose(
        einjit.grad(einjit.jit(loss))(x.detach(), w.detach()), x.grad
    )
    compiled = einjit.compile("def f(x, w):\n    return sum(square(tanh(x @ w)))\n")
    assert np.allclose(einjit.grad(compiled, 1)(X, W), w.grad)
    with pytest.raises(errors.RankError):
        einjit.grad(lambda x: x * 2)(X)


@pytest.mark.parametrize(
    "name, args",
    [
        ("exp", (X,)),
        ("maximum", (X, 0.25)),
        ("where", (X > 0, X, 0.0)),
        ("softmax", (X, -1)),
        ("matmul", (X, W)),
        ("cat", ([X, X], 1)),
        ("stack", ([X, X],)),
        ("sum", (X, 0)),
        ("permute", (X, (1, 0))),
        ("argmax", (X, 1)),
        ("argmin", (X,)),
        ("tril", (X, -1)),
        ("triu", (X,)),
        ("flip", (X, (0, 1))),
        ("remainder", (X, 0.25)),
        ("gather", (X, 0, (X > 0).astype(np.int64))),
    ],
)
def test_operators_by_name(name, args):
    got = getattr(einjit, name)(*args)

    def tensor(x):
        return (
            torch.tensor(x) if isinstance(x, np.ndarray) else [torch.tensor(y) for y in x] if isinstance(x, list) else x
        )

    if name == "maximum":
        args = (X, np.array(0.25))
    assert np.allclose(got, getattr(torch, name)(*map(tensor, args)))


def test_unknown_names():
    with pytest.raises(AttributeError):
        einjit.no_such_function  # noqa: B018


# ---- paths, expressions ----

NETWORK = ("ab,bc,cd,de,ea->", [(3, 9), (9, 2), (2, 8), (8, 4), (4, 3)])


@pytest.mark.parametrize("optimize", ["auto", True, "optimal", "greedy", False, [(0, 1), (0, 1), (0, 1), (0, 1)]])
def test_contract_path_reports_what_opt_einsum_reports(optimize):
    equation, shapes = NETWORK
    path, info = einjit.contract_path(equation, *shapes, shapes=True, optimize=optimize)
    _, theirs = opt_einsum.contract_path(equation, *shapes, shapes=True, optimize=path)
    for name in (
        "naive_cost",
        "opt_cost",
        "largest_intermediate",
        "size_list",
        "scale_list",
        "input_subscripts",
        "output_subscript",
        "speedup",
        "size_dict",
        "indices",
        "eq",
    ):
        mine, other = getattr(info, name), getattr(theirs, name)
        assert (
            set(mine) == set(other)
            if name == "indices"
            else mine == other or float(mine) == pytest.approx(float(other))
        ), name
    assert [step[0] for step in info.contraction_list] == [
        tuple(sorted(s[0], reverse=True)) for s in theirs.contraction_list
    ]
    assert "Complete contraction:  " + equation in repr(info)


def test_contract_path_is_as_good_as_optimal():
    equation, shapes = NETWORK
    mine = einjit.contract_path(equation, *shapes, shapes=True, optimize="optimal")[1].opt_cost
    assert mine <= opt_einsum.contract_path(equation, *shapes, shapes=True, optimize="optimal")[1].opt_cost


def test_contract_path_of_arrays_ellipsis_and_broadcasting():
    path, info = einjit.contract_path("...ij,jk,kl->...il", np.ones((2, 3, 4)), np.ones((1, 5)), np.ones((5, 6)))
    assert len(path) == 2 and info.size_dict["j"] == 4
    with pytest.raises(errors.DimError):
        einjit.contract_path("ij,jk->ik", (2, 3), (4, 5), shapes=True)
    with pytest.raises(errors.OperandCountError):
        einjit.contract_path("ij,jk->ik", (2, 3), shapes=True)


def test_contract_expression():
    e = einjit.contract_expression("ij,jk,kl->il", (6, 4), W, (3, 5), constants=[1])
    c, out = RNG.standard_normal((3, 5)), np.empty((6, 5))
    assert np.allclose(e(X, c), X @ W @ c) and e(X, c, out=out) is out and np.allclose(out, X @ W @ c)
    assert "constants=[1]" in repr(e)
    with pytest.raises(errors.DimError):
        einjit.contract_expression("ij,jk->ik", (6, 4), (5, 3))
    with pytest.raises(errors.OperandCountError):
        e(X)


def test_tensordot_and_transpose():
    t = RNG.standard_normal((2, 3, 4))
    for axes in (1, 0, ([0, 1], [1, 0]), ([-1], [0]), (2, 0)):
        other = RNG.standard_normal((4, 5)) if axes in (1, ([-1], [0]), (2, 0)) else RNG.standard_normal((3, 2, 5))
        assert np.allclose(einjit.tensordot(t, other, axes), np.tensordot(t, other, axes))
    assert np.array_equal(einjit.transpose(t), t.T) and np.array_equal(
        einjit.transpose(t, (1, 0, -1)), t.transpose(1, 0, 2)
    )
    with pytest.raises(errors.DimError):
        einjit.tensordot(t, t, 1)
    with pytest.raises(errors.ValueError):
        einjit.transpose(t, (0, 0, 1))


def test_opt_einsum_backend():
    arrays = [RNG.standard_normal(s) for s in NETWORK[1]]
    assert np.isclose(opt_einsum.contract(NETWORK[0], *arrays, backend="einjit"), np.einsum(NETWORK[0], *arrays))
    tensors = [torch.tensor(a) for a in arrays]
    assert np.isclose(
        opt_einsum.contract("ab,bc,cd->da", *tensors[:3], backend="einjit"), np.einsum("ab,bc,cd->da", *arrays[:3])
    ).all()


# ---- alpha and beta ----


def test_alpha_and_beta():
    a, b = np.random.default_rng(0).standard_normal((2, 5, 5))
    held = np.ones((5, 5))
    out, wanted = held.copy(), 2.5 * a @ b - 0.5 * held
    assert einjit.einsum("ij,jk->ik", a, b, out=out, alpha=2.5, beta=-0.5) is out
    np.testing.assert_allclose(out, wanted, rtol=1e-12)
    f = einjit.compile("ij,jk->ik", alpha=2.5, beta=-0.5)
    assert (f.alpha, f.beta) == (2.5, -0.5)
    turned = held.copy().T
    f(a, b, out=turned)
    np.testing.assert_allclose(turned, wanted, rtol=1e-12)
    np.testing.assert_allclose(einjit.einsum("ij,jk->ik", a, b, alpha=3), 3 * a @ b, rtol=1e-12)
    t, x = torch.ones(3, 3), torch.randn(3, 3)
    einjit.einsum("ij,jk->ik", x, x, out=t, beta=1)
    torch.testing.assert_close(t, 1 + x @ x)


@pytest.mark.parametrize("text", ["addmm(c, a, b, beta=2, alpha=0.5)", "2.0 * c + 0.5 * einsum('ij,jk->ik', a, b)"])
def test_a_sum_is_written_over_what_it_is_added_to(text):
    a, b, c = np.random.default_rng(0).standard_normal((3, 40, 40))
    wanted = 0.5 * a @ b + 2 * c
    f = einjit.compile(f"def f(c, a, b):\n    return {text}\n")
    for make in np.copy, torch.tensor:
        x = make(c)
        assert f(x, make(a), make(b), out=x) is x
        np.testing.assert_allclose(np.asarray(x), wanted, rtol=1e-12)
    with pytest.raises(einjit.errors.OverlapError, match=r"output 0 overlaps input 0 \('c'\)"):
        einjit.compile("def f(c, a, b):\n    return c * (a @ b)\n")(c, a, b, out=c)


def test_alpha_and_beta_that_cannot_be():
    a = np.ones((3, 3))
    with pytest.raises(einjit.errors.InvalidError, match="out="):
        einjit.einsum("ij,jk->ik", a, a, beta=1.0)
    with pytest.raises(einjit.errors.ValueError, match="other number"):
        einjit.einsum("ij,jk->ik", a, a, alpha=0)
    with pytest.raises(einjit.errors.DtypeError):
        einjit.einsum("ij,jk->ik", a.astype("u2"), a.astype("u2"), out=a.astype("u2"), beta=1)
    with pytest.raises(einjit.errors.UnsupportedError, match="gradient"):
        einjit.einsum("ij->ji", torch.ones(2, 2, requires_grad=True), alpha=2)


def test_what_does_not_fit_is_computed_in_slices():
    draw = np.random.default_rng(5).integers(-3, 4, (4, 40, 40)).astype("f8")
    whole, ring = einjit.compile("ij,jk,kl,li->"), list(draw)
    before = whole.cost(*ring)["scratch_bytes"]
    sliced = einjit.compile("ij,jk,kl,li->", memory_limit=int(before) // 3)
    assert sliced(*ring) == whole(*ring) == np.trace(draw[0] @ draw[1] @ draw[2] @ draw[3])
    assert sliced.cost(*ring)["scratch_bytes"] <= before // 3
    assert pickle.loads(pickle.dumps(sliced)).memory_limit == before // 3
    with pytest.raises(errors.EinjitError) as caught:
        einjit.compile("ij,jk,kl,li->", memory_limit=8)(*ring)
    assert caught.value.code == "E_LIMIT"
    with pytest.raises(OverflowError):
        einjit.compile("ij->ji", memory_limit=-1)
    with pytest.raises(TypeError, match="shapes it meets"):
        einjit.compile(lambda x: x, memory_limit=1000)


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_an_output_that_requires_a_gradient(beta):
    x, out = torch.full((2, 2), 2.0), torch.ones(2, 2, requires_grad=True)
    for call in einjit.compile("ij->ji", beta=beta), lambda x, out: einjit.einsum("ij->ji", x, out=out, beta=beta):
        with pytest.raises(RuntimeError, match="gradient"):
            call(x, out=out)
        with torch.no_grad():
            out.fill_(1)
            assert call(x, out=out) is out
        torch.testing.assert_close(out.detach(), x + beta)


# ---- looking, and being ended ----


def test_explain_is_drawn():
    operands = ("f32", (3, 4)), ("f32", (4, 5)), ("f32", (5, 6))
    explained = einjit.explain("ij,jk,kl->il", *operands)
    assert explained.steps == 2 and "plan: 2 steps" in repr(explained) and "vfmadd" in explained.text("asm")
    if not (pathlib.Path(einjit.__file__).parent / "bin" / "einjit").exists():
        assert explained._repr_svg_() is None
        return
    assert explained._repr_svg_().startswith("<svg") and explained.svg().count("class=\"step\"") >= 2
    program = "def f(x: f32[n, c], i: i64[e]):\n    return index_add(n, 0, i, x[i])\n"
    assert "<svg" in einjit.explain(program, np.ones((3, 4), "f4"), np.array([0, 2])).svg()
    constant = einjit.compile("ij,jk->ik", constants={"b": np.ones((4, 5))})
    assert "<svg" in einjit.explain(constant, np.ones((3, 4))).svg()
    text = "def f(x: f64[i, k], w: f64[k, k]):\n    return x @ (w @ w)\n"
    for options, steps in ({}, 2), ({"open": "i"}, 2), ({"constants": {"w": np.ones((4, 4))}}, 1):
        operands = [("f64", (3, 4)), ("f64", (4, 4))][: 1 if "constants" in options else 2]
        drawn = einjit.explain(einjit.compile(text, **options), *operands)
        assert drawn.svg().count("class=\"step\"") == drawn.steps == steps
    assert "<svg" in einjit.contract_path("ij,jk,kl->il", (3, 4), (4, 5), (5, 6), shapes=True)[1]._repr_svg_()
    for extent in 10**15, 10**30:  # too large for any tensor: the table alone
        shapes = [(extent, extent)] * 3
        _, info = einjit.contract_path("ij,jk,kl->il", *shapes, shapes=True, optimize=[(0, 1), (0, 1)])
        assert info._repr_svg_() is None


def ladder(n):
    """A network whose paths take a while to search."""
    terms = [f"{chr(0x4E00 + i)}{chr(0x4E00 + (7 * i + 3) % n)}{chr(0x5E00 + i)}{chr(0x5E00 + (i + 1) % n)}" for i in range(n)]
    return ",".join(terms) + "->", [(2,) * 4] * n


def test_progress_of_a_search():
    equation, shapes = ladder(120)
    seen = []
    watch = lambda mults, trials, seconds: seen.append((mults, trials, seconds))  # noqa: E731
    path, _ = einjit.contract_path(equation, *shapes, shapes=True, optimize="portfolio:seconds=0.3,seed=1", progress=watch)
    assert len(path) == 119 and seen and [m for m, _, _ in seen] == sorted((m for m, _, _ in seen), reverse=True)
    start = time.perf_counter()
    stop = lambda *seen: True  # noqa: E731
    einjit.contract_path(equation, *shapes, shapes=True, optimize="portfolio:seconds=60,seed=1", progress=stop)
    assert time.perf_counter() - start < 20

    def fails(*seen):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        einjit.contract_path(equation, *shapes, shapes=True, optimize="portfolio:seconds=60,seed=1", progress=fails)


def test_progress_on_a_bar(capsys):
    pytest.importorskip("tqdm")
    equation, shapes = ladder(60)
    einjit.contract_path(equation, *shapes, shapes=True, optimize="portfolio:seconds=0.2,seed=1", progress=True)
    assert "trials" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["path", "compile"])
def test_interrupts_end_long_work(what):
    equation, shapes = ladder(200)
    layers = "".join(f"    x = tanh(x[:, : {300 - i}] @ w[: {300 - i}, : {299 - i}])\n" for i in range(150))
    code = f"def f(x, w):\n{layers}    return x\n"
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    function = einjit.compile(code)
    x = np.ones((300, 300))
    with pytest.raises(KeyboardInterrupt):
        timer.start()
        if what == "path":
            einjit.contract_path(equation, *shapes, shapes=True, optimize="portfolio:seconds=60,seed=1")
        else:
            function(x, x)
    timer.join()
    assert einjit.einsum("i,i->", np.ones(3), np.ones(3)) == 3


def test_jit_takes_and_gives_nested_values():
    Pair = collections.namedtuple("Pair", "u v")

    @einjit.jit
    def f(pair, factor, **more):
        rows = [row * factor for row in pair.u]
        return {"rows": rows, "pair": Pair(pair.u @ pair.v, len(pair.u)), "sum": [sum(more.values()).sum(), None]}

    a, b = np.arange(12.0).reshape(3, 4), np.ones((4, 2))
    found = f(Pair(a, b), 2, bias=b, more=b)
    np.testing.assert_array_equal(np.stack(found["rows"]), 2 * a)
    assert type(found["pair"]) is Pair and found["pair"].v == 3 and found["sum"] == [16.0, None]
    np.testing.assert_array_equal(found["pair"].u, a @ b)
    with pytest.raises(TypeError, match="returns arrays"):
        einjit.jit(lambda x: None)(a)


def test_jit_tells_equal_arguments_apart():
    f, x = einjit.jit(lambda x, s: x * s * (10 if s is True else 1)), np.ones(2)
    assert [f(x, s)[0] for s in (1, True, 1.0)] == [1, 10, 1]
    assert [np.signbit(f(x, s)[0]) for s in (0.0, -0.0)] == [False, True]


def test_jit_decorates_methods():
    class Layer:
        def __init__(self):
            self.w = np.full((2, 2), 3.0)

        @einjit.jit
        def forward(self, x):
            return self.w @ x

    np.testing.assert_array_equal(Layer().forward(np.eye(2)), Layer().w)


def test_functions_are_pickled_and_copied():
    a, b, c = np.random.rand(3, 4), np.random.rand(4, 5), np.random.rand(5, 2)
    text = "def f(x: f64[i, 4], w, c):\n    return tanh(x @ w) @ c, sum(x)\n"
    f = einjit.compile(text, open="i", constants={"w": b}, strict=True)
    for g in (pickle.loads(pickle.dumps(f)), copy.deepcopy(f), copy.copy(f)):
        assert (g.open, g.path, g.flags, str(g)) == (f.open, f.path, f.flags, str(f)) and g is not f
        for x, y in zip(f(a, c), g(a, c)):
            np.testing.assert_array_equal(x, y)
    out = a @ b
    scaled = pickle.loads(pickle.dumps(einjit.compile("ij,jk->ik", alpha=2, beta=-1)))
    np.testing.assert_allclose(scaled(a, b, out=out), a @ b)
    assert str(pickle.loads(pickle.dumps(f.program))) == str(f.program)
    assert pickle.loads(pickle.dumps(einjit.compile("ij,jk,kl->il", path="greedy"))).path == "greedy"
    expression = pickle.loads(pickle.dumps(einjit.contract_expression("ij,jk,kl->il", (3, 4), b, c, constants=[1, 2])))
    np.testing.assert_allclose(expression(a), a @ b @ c)


def test_operators_have_numpys_names_too():
    x = np.random.rand(3, 4)
    np.testing.assert_allclose(einjit.sum(x, axis=0), x.sum(0))
    np.testing.assert_allclose(einjit.mean(x, axis=1, keepdims=True), x.mean(1, keepdims=True))
    np.testing.assert_allclose(einjit.multiply(x, x), x * x)
    np.testing.assert_allclose(einjit.concatenate([x, x], axis=1), np.concatenate([x, x], axis=1))
    autoray = pytest.importorskip("autoray")
    for name, args, words in [
        ("einsum", ("ij,kj->ik", x, x), {}), ("tensordot", (x, x, ((1,), (1,))), {}), ("transpose", (x, (1, 0)), {}),
        ("sum", (x,), {"axis": 0}), ("conj", (x,), {}), ("reshape", (x, (4, 3)), {}), ("subtract", (x, 2 * x), {}),
    ]:  # fmt: skip
        wanted = autoray.do(name, *args, **words, like="numpy")
        np.testing.assert_allclose(autoray.do(name, *args, **words, like="einjit"), wanted)


def test_quimb_contracts_through_einjit():
    tensors = pytest.importorskip("quimb.tensor")
    network = tensors.TN_rand_reg(8, 3, 2, seed=1, dtype="complex128")
    before = einjit.statistics()["misses"]
    np.testing.assert_allclose(network.contract(backend="einjit"), network.contract())
    assert einjit.statistics()["misses"] > before
    state = tensors.MPS_rand_state(6, 4, seed=2)
    with tensors.contract_backend("einjit"):
        np.testing.assert_allclose(state.H @ state, 1)
    cotengra = pytest.importorskip("cotengra")
    inputs, output, shapes, sizes = cotengra.utils.lattice_equation([3, 3], d_max=2, seed=3)
    arrays = [np.random.rand(*s) for s in shapes]
    tree = cotengra.array_contract_tree(inputs, output, sizes)
    tree.slice_(target_slices=2)
    np.testing.assert_allclose(tree.contract(arrays, backend="einjit"), tree.contract(arrays))

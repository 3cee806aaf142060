"""einjit.jax.einsum inside of jax: jit, derivatives of both modes and of the second order, vmap, errors, the process's
end and Ctrl-C while XLA compiles by us."""

import os
import subprocess
import sys

import pytest

jax = pytest.importorskip("jax")
import einjit  # noqa: E402
import einjit.jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax.test_util import check_grads  # noqa: E402

CASES = [
    ("ij,jk->ik", [(3, 4), (4, 5)]),
    ("...ij,jk", [(2, 3, 4), (4, 5)]),
    ("iij,j->", [(3, 3, 4), (4,)]),
    ("iii->i", [(3, 3, 3)]),
    ("ij->", [(3, 4)]),
    ("ij,ij->ij", [(3, 4), (3, 1)]),
    ("zij,zjk,zk->zi", [(3, 4, 5), (3, 5, 2), (3, 2)]),
    (",i->i", [(), (3,)]),
]


@pytest.fixture(autouse=True)
def doubles():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


def arrays(shapes, is_complex):
    draw = np.random.default_rng(0).standard_normal
    return [jnp.asarray(draw(s) + 1j * draw(s) if is_complex else draw(s)) for s in shapes]


def same(a, b):
    assert a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "equation, shapes, is_complex", [(*c, False) for c in CASES] + [(*c, True) for c in CASES[2:7:2]]
)
def test_jit_derivatives_and_vmap(equation, shapes, is_complex):
    xs, n = arrays(shapes, is_complex), len(shapes)
    ours = lambda *x: einjit.jax.einsum(equation, *x)  # noqa: E731
    theirs = lambda *x: jnp.einsum(equation, *x)  # noqa: E731
    same(ours(*xs), theirs(*xs))
    same(jax.jit(ours)(*xs), theirs(*xs))
    check_grads(ours, xs, order=2, modes=["fwd", "rev"])
    for k in range(n):
        axes = [-1 if i == k else None for i in range(n)]
        batch = [jnp.stack([x, 2 * x, -x], -1) if i == k else x for i, x in enumerate(xs)]
        same(jax.vmap(ours, axes)(*batch), jax.vmap(theirs, axes)(*batch))
    pairs = [jnp.stack([x, 2 * x]) for x in xs]  # a gradient for each example
    by_ours = jax.vmap(jax.grad(lambda *x: jnp.abs(ours(*x)).sum(), tuple(range(n))))(*pairs)
    by_theirs = jax.vmap(jax.grad(lambda *x: jnp.abs(theirs(*x)).sum(), tuple(range(n))))(*pairs)
    for a, b in zip(by_ours, by_theirs):
        same(a, b)


def test_a_kernel_of_ours_is_called():
    before = einjit.statistics()["misses"]
    lowered = jax.jit(lambda a, b: einjit.jax.einsum("ij,jk->ik", a, b)).lower(jnp.ones((3, 4)), jnp.ones((4, 7)))
    assert "einjit_program" in lowered.as_text() and "dot_general" not in lowered.as_text()
    lowered.compile()(jnp.ones((3, 4)), jnp.ones((4, 7)))
    assert einjit.statistics()["misses"] == before + 1


INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


@pytest.mark.parametrize("dtype", [*INTEGERS, "float16", "bfloat16", "float32", "float64", "complex64", "bool"])
def test_dtypes(dtype):
    x = (jnp.arange(12).reshape(3, 4) * (2**31 // 7 if "32" in dtype or "64" in dtype else 21)).astype(dtype)
    if "int" not in dtype:
        x = jnp.arange(12).reshape(3, 4).astype(dtype)
    wanted = jnp.einsum("ij,kj->ik", x, x)
    for einsum in (einjit.jax.einsum, jax.jit(einjit.jax.einsum, static_argnums=0), einjit.einsum, einjit.einsum):
        got = einsum("ij,kj->ik", x, x)
        assert isinstance(got, jax.Array) and got.dtype == wanted.dtype and (got == wanted).all(), einsum
    by_row = jax.vmap(lambda r: einjit.jax.einsum("j,kj->k", r, x))(x)
    assert by_row.dtype == wanted.dtype and (by_row == wanted).all()
    if jnp.issubdtype(x.dtype, jnp.floating):
        gradients = [jax.jit(jax.grad(lambda x: f("ij,kj->", x, x)))(x) for f in (einjit.jax.einsum, jnp.einsum)]  # noqa: B023
        assert gradients[0].dtype == gradients[1].dtype
        np.testing.assert_allclose(*(g.astype("float32") for g in gradients), rtol=2e-2)
    assert einjit.jax.einsum(x, [0, 1], jnp.ones((4,)), [1], [0]).dtype == jnp.result_type(x, jnp.float64)


@pytest.mark.parametrize(
    "equation, shapes, code",
    [("ij,jk", [(2, 3), (4, 5)], "E_DIM"), ("i?", [(2, 3)], "E_BAD_CHAR"), ("ii", [(2, 3)], "E_DIM_DIAG")],
)
def test_errors_while_tracing(equation, shapes, code):
    with pytest.raises(einjit.EinjitError) as caught:
        jax.jit(lambda *x: einjit.jax.einsum(equation, *x))(*map(jnp.ones, shapes))
    assert caught.value.code == code


def test_training():
    draw = np.random.default_rng(1).standard_normal
    x, y, w = jnp.asarray(draw((64, 8))), jnp.asarray(draw((64, 3))), jnp.asarray(draw((8, 3)))
    loss = lambda w: ((einjit.jax.einsum("bi,io->bo", x, w) - y) ** 2).mean()  # noqa: E731
    step = jax.jit(lambda w: w - 0.5 * jax.grad(loss)(w))
    for _ in range(200):
        w = step(w)
    assert float(loss(w)) == pytest.approx(float(np.linalg.lstsq(x, y, rcond=None)[1].sum()) / y.size, rel=1e-3)


# XLA calls us for an einsum of 60 operands, which takes long to compile: once `slow` is done on a thread of its own, to
# be interrupted on the main one.
COMPILE_IN_XLA = """
import os, random, signal, sys, threading, time
import einjit, jax, jax.numpy as jnp
labels = [chr(0x4E00 + i) for i in range(90)]
slots = [c for c in labels for _ in range(2)]
random.Random(1).shuffle(slots)
terms = ["".join(dict.fromkeys(slots[3 * i : 3 * i + 3])) for i in range(60)]
xs = [jnp.ones((2,) * len(t), jnp.float32) for t in terms]
f = jax.jit(lambda *x: einjit.jax.einsum(",".join(terms) + "->", *x))
how = sys.argv[1]
if how == "interrupt":
    ready = f.lower(*xs).compile()
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        ready(*xs).block_until_ready()
        time.sleep(1)
        print("not interrupted")
    except KeyboardInterrupt:
        print("interrupted")
    print(jnp.ones(3).sum(), einjit.einsum("i,i->", jnp.ones(3), jnp.ones(3)))
else:
    slow = jax.jit(lambda x: jax.lax.fori_loop(0, 30, lambda i, x: x @ x * 1e-3, x))
    s = jnp.ones((600, 600))
    slow(s).block_until_ready()
    g = jax.jit(lambda z, *x: f(x[0] + 0 * z[0, 0], *x[1:])).lower(s, *xs).compile()
    r = g(slow(s), *xs)
    if how == "read":
        print(float(r))
"""


@pytest.mark.parametrize("how", ["exit", "read", "interrupt"])
def test_compiling_in_a_call_of_xla(how, tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EINJIT_CACHE")}
    done = subprocess.run(
        [sys.executable, "-c", COMPILE_IN_XLA, how],
        env=environment | {"XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    if how == "interrupt":
        assert done.stdout.split() == ["interrupted", "3.0", "3.0"]
    elif how == "read":
        assert float(done.stdout) > 0


def test_dtypes_that_are_none_of_ours():
    for dtype in ("float8_e4m3fn", "int4"):
        x = jnp.ones((3, 3), dtype)
        with pytest.raises(einjit.errors.DtypeError, match=dtype):
            einjit.jax.einsum("ij,jk", x, x)
    with pytest.raises(einjit.errors.DtypeError, match="float8"):
        einjit.einsum("ij,jk", *2 * [jnp.ones((3, 3), "float8_e4m3fn")])

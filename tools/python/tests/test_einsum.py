"""einsum: forms, kinds of arrays, dtypes, strides, outputs, errors."""

import array
import gc
import threading

import einjit
import numpy as np
import pytest
import torch
from einjit import errors


def ints(shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(dtype)


A, B = ints((3, 4)), ints((4, 5), seed=1)


@pytest.mark.parametrize(
    "form",
    [
        ("ij,jk->ik", A, B),
        ("ij,jk", A, B),
        (" ij , jk -> ik ", A, B),
        (A, [0, 1], B, [1, 2], [0, 2]),
        (A, [0, 1], B, [1, 2]),
        (A, ["x", "y"], B, ["y", "z"], ["x", "z"]),
        (A, [Ellipsis, 1], B, [1, 2], [Ellipsis, 2]),
        ("...j,jk->...k", A, B),
        ("αβ,βγ->αγ", A, B),
    ],
)
def test_forms(form):
    assert np.array_equal(einjit.einsum(*form), A @ B)


def test_list_of_tensors_as_torch_has_it():
    a, b = torch.tensor(A), torch.tensor(B)
    assert torch.equal(einjit.einsum("ij,jk->ik", [a, b]), a @ b)
    assert einjit.einsum("i->", [1, 2, 3]) == 6


@pytest.mark.parametrize(
    "optimize",
    [
        False,
        True,
        "greedy",
        "optimal",
        "auto",
        [(0, 1), (0, 1)],
        ["einsum_path", (1, 2), (0, 1)],
        [(0, 1, 2)],
        ("greedy", 100),
    ],
)
def test_optimize(optimize):
    c = ints((5, 2), seed=2)
    assert np.array_equal(einjit.einsum("ij,jk,kl->il", A, B, c, optimize=optimize), A @ B @ c)
    assert np.array_equal(einjit.einsum("...j,jk,kl->...l", A, B, c, optimize=optimize), A @ B @ c)


def test_unknown_strategy_and_path_that_does_not_fit():
    with pytest.raises(errors.ValueError):
        einjit.einsum("ij,jk->ik", A, B, optimize="magic")
    with pytest.raises(errors.ValueError):
        einjit.einsum("ij,jk->ik", A, B, optimize=[(0, 5)])


@pytest.mark.parametrize(
    "dtype", ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "g", "c8", "c16"]
)
def test_numpy_dtypes(dtype):
    a, b = np.abs(A).astype(dtype), np.abs(B).astype(dtype)
    got = einjit.einsum("ij,jk->ik", a, b)
    assert got.dtype == a.dtype and np.array_equal(got, np.einsum("ij,jk->ik", a, b))


@pytest.mark.parametrize(
    "dtype",
    [
        torch.float32,
        torch.float64,
        torch.int64,
        torch.int32,
        torch.int8,
        torch.uint8,
        torch.float16,
        torch.bfloat16,
        torch.complex64,
        torch.complex128,
    ],
)
def test_torch_dtypes(dtype):
    a, b = torch.tensor(np.abs(A)).to(dtype), torch.tensor(np.abs(B)).to(dtype)
    got = einjit.einsum("ij,jk->ik", a, b)
    assert (
        type(got) is torch.Tensor
        and got.dtype == dtype
        and torch.equal(got, torch.tensor(np.abs(A) @ np.abs(B)).to(dtype))
    )


NARROW = [torch.float16, torch.bfloat16]


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize(
    "equation, shapes",
    [("ij,jk->ik", [(33, 70), (70, 17)]), ("ij->j", [(40, 9)]), ("zij,zjk,zk->zi", [(9, 4, 5), (9, 5, 8), (9, 8)])],
)
def test_narrow_floats_are_rounded_once(dtype, equation, shapes):
    x = [torch.randn(s).to(dtype) for s in shapes]
    exact = torch.einsum(equation, *(y.double() for y in x))
    got = einjit.einsum(equation, *x)
    step = torch.finfo(dtype).eps * exact.abs() / 2 + 1e-5 * sum(y.abs().sum() for y in x).item() / 50
    assert got.dtype == dtype and bool(((got.double() - exact).abs() <= step).all())
    out = torch.zeros(got.shape[::-1], dtype=dtype).permute(*range(got.ndim)[::-1])
    assert einjit.einsum(equation, *x, out=out) is out and torch.equal(out, got)
    assert torch.equal(einjit.compile(equation)(*x), got)
    strided = [torch.stack([y, y], -1)[..., 0] for y in x]
    torch.testing.assert_close(einjit.einsum(equation, *strided), got)


@pytest.mark.parametrize("dtype", NARROW)
def test_gradients_of_narrow_floats(dtype):
    x = [torch.randn(s).to(dtype).requires_grad_() for s in [(5, 6), (6, 7)]]
    got = torch.autograd.grad(einjit.einsum("ij,jk->ik", *x).sum(), x)
    wanted = torch.autograd.grad((x[0] @ x[1]).sum(), x)
    for a, b in zip(got, wanted):
        assert a.dtype == dtype
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("other", [torch.bool, torch.int8, torch.int64, torch.float16, torch.bfloat16, torch.float32])
def test_narrow_floats_beside_others_are_what_torch_makes_of_them(dtype, other):
    a, b = torch.tensor([[1, 2], [3, 4]]).to(dtype), torch.tensor([[1, 0], [0, 1]]).to(other)
    for _ in range(2):
        got = einjit.einsum("ij,jk->ik", a, b)
        assert got.dtype == torch.promote_types(dtype, other) and torch.equal(got, a.to(got.dtype))


def test_numpy_narrow_floats():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for dtype in (np.dtype("f2"), np.dtype(ml_dtypes.bfloat16)):
        a, b = A.astype(dtype), B.astype(dtype)
        wanted = (a.astype("f8") @ b.astype("f8")).astype(dtype)
        out = np.zeros_like(wanted)
        for got in (einjit.einsum("ij,jk->ik", a, b), einjit.einsum("ij,jk->ik", a.T.copy().T, b, out=out), out):
            assert got.dtype == dtype and np.array_equal(got, wanted)
        assert einjit.einsum("ij->", a).dtype == dtype
        assert einjit.einsum("ij,jk->ik", a, B.astype("f4")).dtype == np.float32
        with pytest.raises(errors.InvalidError, match="read-only"):
            out.flags.writeable = False
            einjit.compile("ij,jk->ik")(a, b, out=out)


def test_results_in_bf16():
    pytest.importorskip("ml_dtypes")
    f = einjit.compile("def f(x: f32[3]):\n    return x.to(bf16)\n")
    x = np.array([1, 1 + 2**-7, 3.1415927], "f4")
    wanted = torch.tensor(x).to(torch.bfloat16)
    assert torch.equal(f(torch.tensor(x)), wanted)
    assert f(x).dtype.name == "bfloat16" and np.array_equal(f(x).astype("f4"), wanted.float().numpy())
    made = f(memoryview(x))
    assert torch.equal(torch.from_dlpack(made), wanted)
    with pytest.raises(BufferError, match="bf16"):
        memoryview(made)
    h = einjit.compile("def f(x: f32[3]):\n    return x.to(f16)\n")(memoryview(x))
    assert np.array_equal(np.asarray(h), x.astype("f2"))


def test_promotion():
    got = einjit.einsum("ij,jk->ik", A.astype("f4"), B.astype("i8"))
    assert got.dtype == np.float64 and np.array_equal(got, A @ B)


def test_other_byte_order_and_strides_between_elements():
    record = np.zeros(4, [("x", "f8"), ("y", "i1")])
    record["x"] = [1, 2, 3, 4]
    assert einjit.einsum("i,i->", record["x"], np.ones(4)) == 10
    assert np.array_equal(einjit.einsum("ij,jk->ik", A.astype(">f8"), B), A @ B)


class Derived(np.ndarray):
    pass


def test_what_dlpack_does_not_have_in_classes_of_numpy():
    a, record = A.astype(">f8").view(Derived), np.zeros(4, [("x", "f8"), ("y", "i1")])
    record["x"] = [1, 2, 3, 4]
    assert np.array_equal(einjit.einsum("ij,jk->ik", a, B), A @ B)
    assert np.array_equal(einjit.einsum("ij,jk->ik", A.astype("g").view(Derived), B), A @ B)
    for f in einjit.einsum, lambda _, *x: einjit.compile("i,i->")(*x):
        assert f("i,i->", record["x"].view(Derived), np.ones(4)) == 10
    with pytest.raises(errors.DtypeError, match=">f8"):
        einjit.compile("ij->ji")(a)


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a.T.copy().T,
        lambda a: a[::-1],
        lambda a: a[:, ::-1],
        lambda a: np.repeat(a, 3, 1)[:, ::3],
        lambda a: np.broadcast_to(a[:1], a.shape),
        lambda a: np.asfortranarray(a),
    ],
)
def test_strides_are_read_in_place(view):
    a = view(A)
    assert np.array_equal(einjit.einsum("ij,jk->ik", a, B), a @ B)
    t = torch.from_numpy(np.ascontiguousarray(A)).T.contiguous().T
    assert torch.equal(einjit.einsum("ij,jk->ik", t, torch.from_numpy(B)), torch.from_numpy(A @ B))


def test_lazy_views_of_torch():
    z = torch.tensor(A + 1j * A[::-1].copy())
    assert torch.equal(einjit.einsum("ij->ji", z.conj()), z.conj().T.resolve_conj())
    assert torch.equal(einjit.einsum("ij->ji", z.conj().imag), (-z.imag).T)
    assert torch.equal(einjit.einsum("i->i", z.conj().imag[0, :1]), -z.imag[0, :1])
    assert einjit.einsum("->", z.conj().imag[0, 1]) == -z.imag[0, 1]


def test_jax():
    jax = pytest.importorskip("jax")
    a, b = jax.numpy.asarray(A, dtype="float32"), jax.numpy.asarray(B, dtype="float32")
    got = einjit.einsum("ij,jk->ik", a, b)
    assert isinstance(got, jax.Array) and np.array_equal(got, A @ B)
    with pytest.raises(errors.InvalidError, match="no memory of its own"):
        jax.jit(lambda x: einjit.einsum("ij->ji", x))(a)


def test_buffers():
    a = memoryview(array.array("f", range(6))).cast("B").cast("f", (2, 3))
    got = einjit.einsum("ij->ji", a)
    assert type(got) is einjit.Array and got.shape == (3, 2) and np.array_equal(np.asarray(got), np.asarray(a).T)
    assert np.array_equal(np.from_dlpack(got), np.asarray(a).T) and torch.equal(
        torch.from_dlpack(got), torch.tensor(np.asarray(a).T)
    )
    del got
    gc.collect()


def test_numbers_and_lists():
    assert einjit.einsum(",->", 2.0, 3.0) == 6
    assert einjit.einsum("i,i->", [1, 2], np.array([3, 4])) == 11
    assert isinstance(einjit.einsum("i,i->", A[0], A[0]), np.float64)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_out(kind):
    a, b = (A, B) if kind == "numpy" else (torch.tensor(A), torch.tensor(B))
    out = np.empty((3, 5)) if kind == "numpy" else torch.empty(3, 5, dtype=torch.float64)
    for _ in range(2):
        assert einjit.einsum("ij,jk->ik", a, b, out=out) is out and np.array_equal(np.asarray(out), A @ B)
    columns = np.zeros((5, 3)) if kind == "numpy" else torch.zeros(5, 3, dtype=torch.float64)
    assert einjit.compile("ij,jk->ik")(a, b, out=columns.T) is not None and np.array_equal(np.asarray(columns).T, A @ B)


def test_out_that_is_refused():
    frozen = np.empty((3, 5))
    frozen.flags.writeable = False
    f = einjit.compile("ij,jk->ik")
    with pytest.raises(errors.InvalidError, match="output 0 is read-only"):
        f(A, B, out=frozen)
    square = ints((4, 4))
    with pytest.raises(errors.OverlapError, match="output 0 overlaps"):
        f(square, square, out=square)
    with pytest.raises(errors.ShapeError):
        f(A, B, out=np.empty((3, 6)))
    with pytest.raises(errors.DtypeError):
        f(A, B, out=np.empty((3, 5), "f4"))
    tensor = torch.zeros(4, 4)
    with pytest.raises(errors.OverlapError):
        einjit.einsum("ij,jk->ik", tensor, tensor, out=tensor)
    with pytest.raises(errors.InvalidError):
        einjit.einsum("ij,jk->ik", A, B, out=frozen)
    assert np.array_equal(einjit.einsum("ij,jk->ik", square, square, out=square.copy()), square @ square)


def test_numpy_out_rules():
    square = ints((4, 4))
    want = square @ square
    assert np.array_equal(
        einjit.einsum("ij,jk->ik", square, square, out=square), want
    )  # NumPy computes as if into a copy
    out = np.empty((3, 5), "c16")
    assert np.array_equal(einjit.einsum("ij,jk->ik", A, B, out=out), A @ B)
    with pytest.raises(TypeError):
        einjit.einsum("ij,jk->ik", A, B, out=np.empty((3, 5), "i4"))


@pytest.mark.parametrize(
    "equation, operands, kind",
    [
        ("ij,jk->ix", (A, B), "OutUnknownError"),
        ("i?->", (A,), "BadCharError"),
        ("ij->ii", (A,), "OutRepeatError"),
        ("ij,jk", (A,), "OperandCountError"),
        ("ijk->", (A,), "RankError"),
        ("ij,jk->ik", (A, A), "DimError"),
        ("ii->", (A,), "DimDiagError"),
        ("ij-k", (A,), "BadArrowError"),
        ("i.j->", (A,), "BadEllipsisError"),
    ],
)
def test_errors_have_a_class_each(equation, operands, kind):
    with pytest.raises(getattr(errors, kind)) as caught:
        einjit.einsum(equation, *operands)
    assert isinstance(caught.value, ValueError) and isinstance(caught.value, einjit.EinjitError)
    assert str(caught.value).startswith(caught.value.code)


def test_errors_point_at_the_place():
    with pytest.raises(errors.OutUnknownError) as caught:
        einjit.einsum("αj,jk->αx", A, B)
    lines = str(caught.value).splitlines()
    assert lines[1].strip() == "αj,jk->αx" and lines[1][lines[2].index("^")] == "x"
    with pytest.raises(errors.SyntaxError) as caught:
        einjit.compile("def f(x):\n    return x +\n")
    assert caught.value.line == 2


def test_every_status_has_a_class():
    assert len(errors.BY_STATUS) == len(einjit._einjit.reasons())
    assert all(k.code == name for k, (name, _) in list(zip(errors.BY_STATUS, einjit._einjit.reasons()))[1:])


def test_what_is_no_array_is_named():
    with pytest.raises(TypeError, match="object"):
        einjit.einsum("i->", np.array([object()]))
    with pytest.raises(errors.InvalidError, match="'meta'"):
        einjit.einsum("i->", torch.ones(3, device="meta"))
    with pytest.raises(TypeError, match="builtins.set"):
        einjit.compile("i->")({1, 2})
    with pytest.raises((TypeError, ValueError)):
        einjit.einsum("ij->", torch.ones(3, 3).to_sparse())


def test_many_operands_and_axes():
    n = 40
    vectors = [np.full(2, 1.0) for _ in range(n)]
    assert einjit.einsum(*[x for k, v in enumerate(vectors) for x in (v, [k])], []) == 2.0**n
    deep = np.ones((1,) * 30 + (3,))
    assert einjit.einsum(deep, list(range(31)), [30]).tolist() == [1, 1, 1]


def test_more_signatures_than_a_function_keeps():
    f = einjit.compile("ij,jk->ik")
    for _ in range(2):
        for n in range(1, 40):
            a = ints((n, 2), seed=n)
            assert np.array_equal(f(a, B[:2]), a @ B[:2])


def test_threads():
    f, wrong = einjit.compile("ij,jk->ik"), []

    def work(seed):
        for k in range(200):
            n = 1 + (k * seed) % 23
            a = ints((n, 4), seed=k)
            if not np.array_equal(f(a, B), a @ B) or not np.array_equal(einjit.einsum("ij,jk->ik", a, B), a @ B):
                wrong.append((seed, k))

    threads = [threading.Thread(target=work, args=(s,)) for s in range(1, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_references_do_not_leak():
    import sys

    f, a, out = einjit.compile("ij,jk->ik"), A.copy(), np.empty((3, 5))
    t, u = torch.tensor(A), torch.tensor(B)
    f(a, B, out=out), f(a, B), einjit.einsum("ij,jk->ik", a, B), f(t, u)
    before = sys.getrefcount(a), sys.getrefcount(out), sys.getrefcount(B), sys.getrefcount(t), sys.getrefcount(A.dtype)
    for _ in range(100):
        f(a, B, out=out), f(a, B), einjit.einsum("ij,jk->ik", a, B), f(t, u)
        with pytest.raises(errors.DimError):
            f(a, a)
    assert (
        sys.getrefcount(a),
        sys.getrefcount(out),
        sys.getrefcount(B),
        sys.getrefcount(t),
        sys.getrefcount(A.dtype),
    ) == before


def test_masked_elements_are_refused():
    masked = np.ma.masked_greater(np.arange(6.0).reshape(2, 3), 3)
    for f in (einjit.einsum, lambda equation, x: einjit.compile(equation)(x)):
        with pytest.raises(einjit.errors.InvalidError, match="masked"):
            f("ij->i", masked)
        assert f("ij->i", np.ma.array([[1.0, 2.0]])).tolist() == [3]


def test_quantized_tensors_are_refused_by_name():
    x = torch.quantize_per_tensor(torch.randn(3, 3), 0.1, 0, torch.qint8)
    with pytest.raises(errors.DtypeError, match="qint8"):
        einjit.einsum("ij,jk", x, torch.randn(3, 3))

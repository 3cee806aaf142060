"""einjit's functions where tensors stand for more than their memory: torch.func, forward derivatives, classes of
tensors, tracers; and what the process around them changes: threads, signals."""

import ctypes
import signal
import subprocess
import sys

import einjit
import pytest
import torch
from torch import func
from torch.autograd import forward_ad

PROGRAM = "def f(x, y):\n    return tanh(x @ y), sum(x * x)\n"


def ours(x, y):
    return einjit.einsum("ij,jk->ik", x, y)


def theirs(x, y):
    return torch.einsum("ij,jk->ik", x, y)


def several(x, y):
    return einjit.compile(PROGRAM)(x, y)


def several_of_torch(x, y):
    return torch.tanh(x @ y), (x * x).sum()


TRANSFORMS = {
    "grad": lambda f: lambda x, y: func.grad(lambda z: f(z, y)[0].sum())(x),
    "vmap": lambda f: lambda x, y: func.vmap(f, (None, 0))(x, torch.stack([y, y + 1])),
    "vmap of other axes": lambda f: lambda x, y: func.vmap(f, (2, 1))(torch.stack([x, x], 2), torch.stack([y, y], 1)),
    "vmap of grad": lambda f: lambda x, y: func.vmap(func.grad(lambda z: f(z[None], y)[0].sum()))(x),
    "vmap of vmap": lambda f: lambda x, y: func.vmap(func.vmap(f, (0, None)), (None, 0))(
        torch.stack([x, x]), torch.stack([y, y + 1])
    ),
    "jvp": lambda f: lambda x, y: func.jvp(f, (x, y), (y.mT, y)),
    "vjp": lambda f: lambda x, y: func.vjp(lambda z: f(z, y)[0], x)[1](torch.ones_like(f(x, y)[0])),
    "jacrev": lambda f: func.jacrev(lambda x, y: f(x, y)[0]),
    "jacfwd": lambda f: func.jacfwd(lambda x, y: f(x, y)[0], argnums=1),
    "hessian": lambda f: func.hessian(lambda x, y: f(x, y)[0].sum() ** 2),
}


@pytest.mark.parametrize("pair", [(ours, theirs), (several, several_of_torch)], ids=["einsum", "program"])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_functorch(name, pair):
    torch.manual_seed(0)
    x, y = torch.randn(3, 4, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    torch.testing.assert_close(*(TRANSFORMS[name](f)(x, y) for f in pair))


def test_forward_derivatives():
    x, y = torch.randn(3, 4, dtype=torch.float64), torch.randn(4, 5, dtype=torch.float64)
    for f, g in ((ours, theirs), (lambda *a: several(*a)[0], lambda *a: several_of_torch(*a)[0])):
        f(x, y)  # known before
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(x, torch.ones_like(x))
            torch.testing.assert_close(*(forward_ad.unpack_dual(h(dual, y)).tangent for h in (f, g)))
            assert forward_ad.unpack_dual(f(x, y)).tangent is None
    z = torch.randn(3, 3, dtype=torch.complex128, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: einjit.einsum("ij,jk,lk->il", z, z, z), (z,), check_forward_ad=True)


def test_tracers_record_or_are_refused():
    from torch.fx.experimental.proxy_tensor import make_fx

    x = torch.randn(3, 3)
    traced = torch.fx.symbolic_trace(lambda a: einjit.einsum("ij,jk->ik", a, a) * 2)
    assert [n.target for n in traced.graph.nodes if n.op == "call_function"][0] is einjit.einsum
    torch.testing.assert_close(traced(x), x @ x * 2, rtol=1e-4, atol=1e-4)
    for _ in range(2):  # with a signature that is new, and with one that is known
        made = make_fx(lambda a: einjit.einsum("ij,jk->ki", a, a) * 2)(x)
        torch.testing.assert_close(made(x + 1), ((x + 1) @ (x + 1)).T * 2, rtol=1e-4, atol=1e-4)
        einjit.einsum("ij,jk->ki", x, x)
    for other in x.double(), torch.arange(9).reshape(3, 3), torch.ones(3, 3, dtype=torch.complex64):
        made = make_fx(lambda a, b: einjit.einsum("ij,jk->ki", a, b))(x, other)
        torch.testing.assert_close(made(x, other), einjit.einsum("ij,jk->ki", x, other), rtol=1e-4, atol=1e-4)
    program = einjit.compile("def f(a):\n    return tanh(a @ a)\n")
    for _ in range(2):
        with pytest.raises(einjit.errors.UnsupportedError, match="make_fx"):
            make_fx(program)(x)
        program(x)


@pytest.mark.parametrize("pair", [(ours, theirs), (several, several_of_torch)], ids=["einsum", "program"])
def test_gradients_in_batches(pair):
    functional = torch.autograd.functional
    x, y = torch.randn(3, 4, dtype=torch.float64), torch.randn(4, 2, dtype=torch.float64)
    for way in (
        lambda f: functional.jacobian(f, (x, y), vectorize=True),
        lambda f: functional.hessian(lambda x, y: sum(z.sum() ** 2 for z in f(x, y)), (x, y), vectorize=True),
        lambda f: functional.jacobian(
            lambda x: functional.jacobian(lambda x: f(x, y)[0], x, vectorize=True, create_graph=True), x, vectorize=True
        ),
    ):
        torch.testing.assert_close(*map(way, pair))
    f, operands = pair[0], (x.requires_grad_(), y.requires_grad_())
    assert torch.autograd.gradcheck(f, operands, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(f, operands, check_batched_grad=True)
    batch, ys = torch._vmap_internals._vmap, torch.randn(5, 4, 2, dtype=torch.float64)
    nested = batch(lambda u: batch(lambda v: f(x, u)[0] - f(x, v)[0])(ys))(ys)  # u is of the outer batch alone
    torch.testing.assert_close(nested, torch.stack([torch.stack([f(x, u)[0] - f(x, v)[0] for v in ys]) for u in ys]))


@pytest.mark.parametrize("wants", [False, True])
def test_tensors_from_outside_of_what_is_transformed(wants):
    """They are not wrapped, and what torch makes for the result is."""
    w, x = torch.randn(3, 3, dtype=torch.float64, requires_grad=wants), torch.randn(4, 3, dtype=torch.float64)
    kernel = einjit.compile("ij,jk->ik")
    for product in (lambda: einjit.einsum("ij,jk->ik", w, w), lambda: kernel(w, w)):
        for _ in range(2):
            for way in (
                lambda f: torch.func.vmap(f)(x),
                lambda f: torch.func.grad(lambda x: f(x).sin().sum())(x),
                lambda f: torch.func.jvp(f, (x,), (x,))[1],
                lambda f: torch.func.vmap(torch.func.grad(lambda x: f(x).sin().sum()))(x),
            ):
                got, wanted = way(lambda x: x @ product()), way(lambda x: x @ (w @ w))  # noqa: B023
                torch.testing.assert_close(got, wanted)
                assert got.requires_grad == wanted.requires_grad
                if wants:
                    of = [torch.autograd.grad(y.sum(), w)[0] for y in (got, wanted)]
                    torch.testing.assert_close(*of)


@pytest.mark.parametrize("backend", ["einjit", "eager"])
def test_einsum_inside_of_torch_compile(backend):
    import einjit.dynamo  # noqa: F401

    torch._dynamo.reset()
    x = torch.randn(3, 3, requires_grad=True)
    f = torch.compile(lambda a: einjit.einsum("ij,jk->ik", a, a).relu() + 1, backend=backend, fullgraph=True)
    torch.testing.assert_close(f(x), (x @ x).relu() + 1, rtol=1e-4, atol=1e-4)
    assert f(x).requires_grad


class Plain(torch.Tensor):
    pass


class Counting(torch.Tensor):
    seen = []

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        cls.seen.append(function)
        return super().__torch_function__(function, types, args, kwargs or {})


def test_classes_of_tensors():
    x = torch.ones(2, 2, requires_grad=True)
    y = einjit.einsum("ij->i", x.as_subclass(Plain))
    assert type(y) is Plain
    y.sum().backward()
    assert torch.equal(x.grad, torch.ones(2, 2))
    assert type(einjit.einsum("ij->i", torch.ones(2, 2).as_subclass(Counting))) is Counting
    assert einjit.einsum in Counting.seen
    assert torch.equal(einjit.compile("ij->i")(torch.ones(2, 2).as_subclass(Plain)), torch.full((2,), 2.0))


def test_threads_follow_torch(monkeypatch):
    x, before = torch.randn(200, 200), torch.get_num_threads()
    f, found = einjit.compile("ij,jk->ik"), []
    try:
        for n in (1, 2, 1):
            torch.set_num_threads(n)
            found.append(f(x, x))
            assert einjit.statistics()["threads"] <= n
            misses = einjit.statistics()["misses"]
            f(x, x)
            assert einjit.statistics()["misses"] == misses
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


def test_signal_handlers_run_what_is_being_compiled():
    lines = "".join(f"    v{k + 1} = tanh(v{k} @ x) + v{k}\n" for k in range(60))
    f, x = einjit.compile(f"def f(x):\n    v0 = x\n{lines}    return v60\n"), torch.eye(8) * 0.1
    results = []
    before = signal.signal(signal.SIGALRM, lambda *_: results.append(f(x)))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.005)
        results.append(f(x))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(results) == 2 and torch.equal(*results)


class Asked(torch.Tensor):
    """Counts how often it is asked whether it requires a gradient."""

    __torch_function__ = torch._C._disabled_torch_function_impl
    times = 0

    @property
    def requires_grad(self):
        Asked.times += 1
        return super().requires_grad

    @requires_grad.setter
    def requires_grad(self, value):
        self.requires_grad_(value)


def test_tensors_that_autograd_does_not_know_are_not_asked():
    numbers = torch.randn(2, 4, 4).tolist()  # views of a tensor have a history
    x, y = (torch.Tensor._make_subclass(Asked, torch.tensor(n)) for n in numbers)
    f = einjit.compile("ij,jk->ik")
    f(x, y)
    before = Asked.times
    f(x, y)
    assert Asked.times == before
    assert f(x.requires_grad_(), y).requires_grad and Asked.times > before
    wanted = y.as_subclass(torch.Tensor).sum(1).expand(4, 4)
    torch.testing.assert_close(torch.autograd.grad(f(x, y).sum(), x)[0], wanted)


def test_what_autograd_knows_is_found_out_by_two_threads_at_once():
    """torch lets other threads run while it makes a tensor; what is found is the same once more."""
    code = """if True:
        import threading, einjit, torch

        empty, together = torch.empty, threading.Barrier(2)

        def wait_and_make(*args, **words):
            if together.n_waiting or not found.is_set():
                together.wait(60)
                found.set()
            return empty(*args, **words)

        class Asked(torch.Tensor):
            __torch_function__ = torch._C._disabled_torch_function_impl
            times = 0

            @property
            def requires_grad(self):
                Asked.times += 1
                return super().requires_grad

        found, f, x = threading.Event(), einjit.compile("ij,jk->ik"), torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        torch.empty = wait_and_make
        threads = [threading.Thread(target=f, args=(x, x)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found.is_set()
        torch.empty = empty
        y = torch.Tensor._make_subclass(Asked, torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        f(y, y)
        assert not Asked.times
        assert f(x.requires_grad_(), y).requires_grad
    """
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Exchanged:
    """An array of another library, with DLPack's exchange functions: a view of a tensor."""

    def __init__(self, tensor):
        self.tensor = tensor
        self.extents = (ctypes.c_int64 * tensor.ndim)(*tensor.shape)

    def __dlpack__(self, **words):
        return self.tensor.__dlpack__(**words)

    def __dlpack_device__(self):
        return self.tensor.__dlpack_device__()

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_void_p)
    def view(self, place):
        out = (ctypes.c_uint64 * 6).from_address(place)  # data, device, rank and dtype, extents, strides, offset
        f32 = 2 << 32 | 32 << 40 | 1 << 48
        out[:] = self.tensor.data_ptr(), 1, self.tensor.ndim | f32, ctypes.addressof(self.extents), 0, 0
        return 0

    table = (ctypes.c_void_p * 7)(1, None, None, None, None, ctypes.cast(view, ctypes.c_void_p), None)
    capsule = ctypes.pythonapi.PyCapsule_New
    capsule.restype, capsule.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    name = b"dlpack_exchange_api"  # which the capsule borrows
    __dlpack_c_exchange_api__ = capsule(ctypes.addressof(table), name, None)


def test_gradients_beside_arrays_of_others_that_have_exchange_functions():
    f, x, y = einjit.compile("ij,jk->ik"), torch.randn(3, 4, requires_grad=True), torch.randn(4, 2)
    made = f(x, Exchanged(y))
    torch.testing.assert_close(made, f(x, y))
    torch.testing.assert_close(torch.autograd.grad(made.sum(), x)[0], y.sum(1).expand(3, 4))


FIRST_CALLS = {
    "no_grad": "with torch.no_grad(): f(x, x)",
    "inference_mode": "with torch.inference_mode(): f(torch.ones(3, 3), torch.ones(3, 3))",
    "fake": "from torch._subclasses.fake_tensor import FakeTensorMode\nwith FakeTensorMode(): f(x, x)",
    "vmap": "torch.func.vmap(lambda a: a @ f(x, x))(x)",
    "grad": "torch.func.grad(lambda a: f(a, x).sum())(x)",
    "jvp": "torch.func.jvp(lambda a: a @ f(x, x), (x,), (x,))",
    "dual": "import torch.autograd.forward_ad as ad\nwith ad.dual_level(): f(ad.make_dual(x, x), x)",
    "device": "torch.set_default_device('meta')\nf(x, x)\ntorch.set_default_device('cpu')",
    "dtype": "torch.set_default_dtype(torch.float64)\nf(x, x)\ntorch.set_default_dtype(torch.float32)",
    "deterministic": "torch.use_deterministic_algorithms(True)\nf(x, x)",
    "thread": "import threading\nt = threading.Thread(target=f, args=(x, x))\nt.start()\nt.join()",
}


SAME_AFTERWARDS = """
for _ in range(10):
    assert not f(x, x).requires_grad
    w = torch.ones(3, 3, requires_grad=True)
    for y in (w, w.t(), w[:2].t(), w * 1, torch.nn.Parameter(torch.ones(3, 3))):
        assert f(y, x[: y.shape[1]]).requires_grad, y
        assert not f(y.detach(), x[: y.shape[1]]).requires_grad
        with torch.no_grad():
            assert not f(y, x[: y.shape[1]]).requires_grad
    z = torch.ones(3, 3)
    f(z, x)
    assert f(z.requires_grad_(), x).requires_grad
    assert not f(z.requires_grad_(False), x).requires_grad
    z.copy_(w)
    assert f(z, x).requires_grad
"""


def test_what_autograd_knows_is_found_out_in_any_state():
    """The first call finds where torch has it, which must not hang on what is on at the time, nor tell anybody. Each in
    a process of its own, where torch is already loaded."""
    code = f"""if True:
        import einjit, os, torch, traceback
        from torch.overrides import TorchFunctionMode

        class Watch(TorchFunctionMode):
            seen = []

            def __torch_function__(self, function, types, args=(), kwargs=None):
                self.seen.append(function)
                return function(*args, **kwargs or {{}})

        for name, code in {FIRST_CALLS!r}.items():
            child = os.fork()
            if not child:
                status = 1
                try:
                    x, f = torch.ones(3, 3), einjit.compile("ij,jk->ik")
                    with Watch() as watch:
                        try:
                            exec(code)
                        except (RuntimeError, ValueError, NotImplementedError) as refused:
                            print(name, "is refused")
                        assert torch.empty not in watch.seen
                    exec({SAME_AFTERWARDS!r})
                    with Watch() as watch:
                        watch.seen.clear()
                        f(x, x)
                        assert not watch.seen, watch.seen
                    status = 0
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(status)
            assert os.waitpid(child, 0)[1] == 0, name
    """
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

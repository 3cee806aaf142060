"""e3nn as it is published, its layers generated through einjit.fx in the place of opt_einsum_fx; then the same layers
through torch.compile(backend="einjit")."""

import importlib
import sys
import warnings

import einjit
import einjit.fx
import pytest
import torch

original = pytest.importorskip("opt_einsum_fx")
pytest.importorskip("sympy", reason="of e3nn's own")


@pytest.fixture(scope="module")
def e3nn():
    """e3nn, imported with einjit.fx under opt_einsum_fx's name."""
    assert not any(name.partition(".")[0] == "e3nn" for name in sys.modules)
    sys.modules["opt_einsum_fx"] = einjit.fx
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = pytest.importorskip("e3nn")
            importlib.import_module("e3nn.util.test")
        assert sys.modules["e3nn.o3._linear"].optimize_einsums_full is einjit.fx.optimize_einsums_full
        yield found
    finally:
        sys.modules["opt_einsum_fx"] = original


IRREPS, EDGE = "4x0e+3x1o+2x2e", "1x0e+1x1o+1x2e"


def depthwise(o3):
    """Paths of mode uvu, a weight for each edge, as message passing has them."""
    first, second = o3.Irreps(IRREPS), o3.Irreps(EDGE)
    paths = [(i, j, mul, ir) for i, (mul, a) in enumerate(first) for j, (_, b) in enumerate(second) for ir in a * b]
    paths = [p for p in paths if p[3].l <= 2]
    return o3.TensorProduct(
        first,
        second,
        o3.Irreps([(mul, ir) for _, _, mul, ir in paths]),
        [(i, j, k, "uvu", True) for k, (i, j, _, _) in enumerate(paths)],
        shared_weights=False,
        internal_weights=False,
    )


LAYERS = {
    "linear": lambda o3: o3.Linear(IRREPS, "3x0e+2x1o+4x2e"),
    "fully connected": lambda o3: o3.FullyConnectedTensorProduct(IRREPS, EDGE, IRREPS),
    "elementwise": lambda o3: o3.ElementwiseTensorProduct(IRREPS, IRREPS, ["0e", "1o", "2e"]),
    "full": lambda o3: o3.FullTensorProduct("2x0e+1x1o", EDGE),
    "uvu": depthwise,
}


def made(e3nn, name, mode, monkeypatch=None):
    with warnings.catch_warnings(), monkeypatch.context() if monkeypatch else warnings.catch_warnings() as patched:
        warnings.simplefilter("ignore")
        if monkeypatch:
            for module in ("e3nn.o3._linear", "e3nn.o3._tensor_product._codegen"):
                patched.setattr(sys.modules[module], "optimize_einsums_full", original.optimize_einsums_full)
            patched.setattr(sys.modules["e3nn.util.jit"], "jitable", original.jitable)
        e3nn.set_optimization_defaults(jit_mode=mode)
        torch.manual_seed(0)
        return LAYERS[name](e3nn.o3)


def operands(layer, n, weights=True):
    torch.manual_seed(n)
    irreps = [layer.irreps_in1, layer.irreps_in2] if hasattr(layer, "irreps_in1") else [layer.irreps_in]
    found = [i.randn(n, -1) for i in irreps]
    if weights and not layer.internal_weights and layer.weight_numel:
        found.append(torch.randn(n, layer.weight_numel))
    return [x.requires_grad_() for x in found]


def results(layer, xs, parameters):
    y = layer(*xs)
    return [y, *torch.autograd.grad((y * torch.linspace(-1, 1, y.shape[-1])).sum(), [*xs, *parameters])]


def weights_of(layer):
    return [p for p in layer.parameters() if p.numel()]


@pytest.mark.parametrize("mode", ["eager", "script"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_the_originals(e3nn, monkeypatch, name, mode):
    ours, theirs = made(e3nn, name, mode), made(e3nn, name, mode, monkeypatch)
    if mode == "script":
        assert any(isinstance(m, torch.jit.ScriptModule) for m in ours.modules())
    for n in (1, 7):
        xs = operands(ours, n)
        for a, b in zip(results(ours, xs, weights_of(ours)), results(theirs, xs, weights_of(theirs))):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["linear", "fully connected", "elementwise"])
def test_layers_are_equivariant(e3nn, name):
    e3nn.util.test.assert_equivariant(made(e3nn, name, "eager"))


@pytest.mark.parametrize("name", LAYERS)
def test_layers_through_torch_compile(e3nn, name):
    layer = made(e3nn, name, "eager")
    torch._dynamo.reset()
    compiled, before = torch.compile(layer, backend="einjit"), einjit.statistics()["misses"]
    for n in (5, 9):
        xs = operands(layer, n)
        for a, b in zip(results(compiled, xs, weights_of(layer)), results(layer, xs, weights_of(layer))):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    learnt = einjit.statistics()["misses"]
    assert learnt > before
    for n in (11, 30, 2):  # other numbers of edges are not compiled again
        xs = operands(layer, n)
        torch.testing.assert_close(compiled(*xs), layer(*xs), rtol=1e-4, atol=1e-5)
    assert einjit.statistics()["misses"] == learnt

"""Random graphs of products, views, joins and writes: einjit.fx.compile gives eager's results and gradients, and results
that share memory with each other and with the inputs as eager's do."""

import contextlib
import random

import einjit.fx
import pytest
import torch

TURNS = ("{x}.transpose(0, 1)", "{x}.T", "{x}.permute(1, 0)", "{x}.t()", "{x}.mT", "{x}.swapaxes(-1, 0)")
FOLDS = (
    "{x}.reshape({n}, {m})", "torch.reshape({x}, ({n}, -1))", "{x}.contiguous().view({n}, {m})",
    "{x}.flatten().unflatten(0, ({n}, {m}))",
)  # fmt: skip
FROM_6_TO_4 = (
    "{x}[:, 1:5]", "{x}[..., :4]", "{x}.narrow(1, 2, 4)", "{x}.narrow(-1, 0, 4)", "{x}.split(4, 1)[0]",
    "{x}.chunk(3, -1)[1].repeat(1, 2)", "torch.cat([{x}.chunk(3, -1)[2], {x}[:, :2]], 1)",
)  # fmt: skip
FROM_4_TO_6 = (
    "torch.cat([{x}, {x}[:, 1:3]], 1)", "torch.cat(({x}[:, ::2], {x}), dim=-1)",
    "torch.cat([{x}, {x}[:, 0].unsqueeze(1).expand(-1, 2)], 1)",
)  # fmt: skip
OF_4_ROWS = (
    "torch.stack({x}.unbind(0)[:4], 0)", "torch.stack([{x}[i] for i in (0, 3, 2, 1)])",
    "{x}.select(0, 1)[None].expand(4, -1)", "{x}[2].unsqueeze(0).expand(4, {n})",
)  # fmt: skip
MAPS = ("torch.tanh({x})", "{x} * 0.5", "{x}.sin()", "torch.sort({x}, 1)[0]", "{x}.clone()")
WRITES = ("{x}.mul_(0.5)", "{x}.add_(1.0)", "{x}[:, 1:3].mul_(0.5)")


def program(rng):
    """A function of a (4, 6) and b (6, 4); every value is a matrix with extents of 4 and 6."""
    values, lines = [("a", 4, 6), ("b", 6, 4)], []
    for k in range(rng.randint(4, 14)):
        x, m, n = rng.choice(values)
        name = f"v{k}"

        def add(forms, rows, columns, **words):
            lines.append(f"{name} = {rng.choice(forms)}".format(x=x, m=m, n=n, **words))
            values.append((name, rows, columns))

        def other(fits):
            found = [v for v in values if fits(*v[1:])]
            return rng.choice(found) if found else None

        kind = rng.randrange(12)
        if kind < 2 and (y := other(lambda rows, _: rows == n)):
            add(("{x} @ {y}", "torch.einsum('ij,jk->ik', {x}, {y})"), m, y[2], y=y[0])
        elif kind == 2:
            add(TURNS, n, m)
        elif kind == 3:
            add(FOLDS, n, m)
        elif kind < 6:
            add(FROM_6_TO_4 if n == 6 else FROM_4_TO_6, m, 10 - n)
        elif kind == 6 and m == 4:
            add(OF_4_ROWS, 4, n)
        elif kind == 7:
            add(MAPS, m, n)
        elif kind == 8 and (y := other(lambda *shape: shape == (m, n))):
            add(("{x} + {y}",), m, n, y=y[0])
        elif kind == 9 and rng.random() < 0.7:
            lines.append(rng.choice(WRITES).format(x=x))
        elif kind > 9 and (y := other(lambda *shape: shape == (n, m))):
            add(("torch.einsum('ij,ji->ij', {x}, {y})",), m, n, y=y[0])
    results = sorted({rng.choice(values)[0] for _ in range(rng.randint(1, 4))})
    return "def f(a, b):\n" + "".join(f"    {line}\n" for line in lines) + f"    return {', '.join(results)},\n"


def arrays():
    torch.manual_seed(0)
    return torch.randn(4, 6, dtype=torch.float64), torch.randn(6, 4, dtype=torch.float64)


def effects(f):
    """Results, then what results and inputs hold when each result was written to."""
    inputs = arrays()
    results = f(*inputs)
    found = [y.clone() for y in results]
    for k, y in enumerate(results):
        with contextlib.suppress(RuntimeError):  # torch does not write to elements that are several
            y.add_(k + 1)
    return found + [y.clone() for y in (*results, *inputs)]


def gradients(f):
    inputs = [x.requires_grad_() for x in arrays()]
    results = f(*(x * 1.0 for x in inputs))
    loss = sum((y * y).sum() * (k + 1) for k, y in enumerate(results))
    found = torch.autograd.grad(loss, inputs, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for g, x in zip(found, inputs)]


def outcome(way, f):
    try:
        return way(f)
    except RuntimeError as refused:  # autograd does not follow every write
        return str(refused)


@pytest.mark.parametrize("first", [0, 10000])
def test_random_graphs(first):
    compiled = compared = 0
    for seed in range(first, first + 100):
        text, space = program(random.Random(seed)), {"torch": torch}
        exec(text, space)
        try:
            made = einjit.fx.compile(space["f"], arrays())
        except (torch.fx.proxy.TraceError, TypeError, RuntimeError):
            continue  # torch.fx cannot trace it, or eager refuses it
        compiled += sum(type(m).__name__ == "_Kernel" for m in getattr(made, "modules", list)())
        for way in (effects, gradients):
            wanted, got = outcome(way, space["f"]), outcome(way, made)
            if isinstance(wanted, str) or way is gradients and "inplace" in got:
                continue  # a part keeps what it reads until its gradient is asked for, where eager may keep a copy
            assert not isinstance(got, str), f"{seed}: {got}\n{text}"
            torch.testing.assert_close(got, wanted, msg=lambda m: f"{m}\nseed {seed}\n{text}")  # noqa: B023
            compared += 1
    assert compiled > 50 and compared > 120, (compiled, compared)

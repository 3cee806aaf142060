"""A program of opt_einsum_fx: one import is another, and a traced function becomes a better graph of torch calls."""

import einjit.fx as opt_einsum_fx
import torch


def einmatvecmul(a, b, vec):
    """Batched matrix-matrix-vector product."""
    return 0.5 * torch.einsum("zij,zj->zi", a, torch.einsum("zjk,zk->zj", b, 4 * vec))


traced = torch.fx.symbolic_trace(einmatvecmul)
example = torch.randn(7, 4, 5), torch.randn(7, 5, 3), torch.randn(7, 3)
optimized = opt_einsum_fx.optimize_einsums_full(model=traced, example_inputs=example)
print("before:", traced.code, "after:", optimized.code)
assert optimized.code.count("einsum(") == 2 and optimized.code.count("*") == 1  # one factor for two

scripted = torch.jit.script(opt_einsum_fx.jitable(optimized))  # TorchScript, as e3nn makes it
for batch in (7, 100):
    a, b, vec = torch.randn(batch, 4, 5), torch.randn(batch, 5, 3), torch.randn(batch, 3)
    for made in (optimized, scripted):
        torch.testing.assert_close(made(a, b, vec), einmatvecmul(a, b, vec), rtol=1e-4, atol=1e-5)

compiled = opt_einsum_fx.compile(traced, example)  # not in the original: einjit's kernels
print(compiled)
torch.testing.assert_close(compiled(*example), einmatvecmul(*example), rtol=1e-4, atol=1e-5)

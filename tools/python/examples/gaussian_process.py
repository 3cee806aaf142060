"""A Gaussian process in NumPy: the gradient of the marginal likelihood has a trace for each length scale.

    2 dL/dl_k = tr((alpha alpha^T - K^-1) dK/dl_k),   dK/dl_k [i, j] = K[i, j] (x_ik - x_jk)^2 / l_k^3

Written as one einsum over all of them nothing of the size of all dK/dl_k is ever there.
"""

import einjit
import numpy as np

rng = np.random.default_rng(0)
n, features, noise = 200, 6, 0.1
x = rng.standard_normal((n, features))
y = np.sin(x[:, 0]) + 0.1 * rng.standard_normal(n)
scales = np.linspace(1.0, 2.0, features)


@einjit.jit
def covariance(x, scales):
    z = x / scales
    square = einjit.einsum("ik,ik->i", z, z)
    apart = square.unsqueeze(1) + square.unsqueeze(0) - 2.0 * einjit.einsum("ik,jk->ij", z, z)
    return einjit.exp(-0.5 * apart)


def likelihood(scales):
    k = covariance(x, scales) + noise * np.eye(n)
    return -0.5 * y @ np.linalg.solve(k, y) - 0.5 * np.linalg.slogdet(k)[1]


def by_trace(scales):
    k = covariance(x, scales)
    inverse = np.linalg.inv(k + noise * np.eye(n))
    alpha = inverse @ y
    inner = np.outer(alpha, alpha) - inverse
    weighted = inner * k  # symmetric; (x_ik - x_jk)^2 = x_ik^2 - 2 x_ik x_jk + x_jk^2
    squares = 2 * einjit.einsum("ij,ik,ik->k", weighted, x, x) - 2 * einjit.einsum("ij,ik,jk->k", weighted, x, x)
    return 0.5 * squares / scales**3


step = 1e-5
by_differences = [
    (likelihood(scales + step * e) - likelihood(scales - step * e)) / (2 * step) for e in np.eye(features)
]
print("by traces     ", by_trace(scales).round(5))
print("by differences", np.round(by_differences, 5))
np.testing.assert_allclose(by_trace(scales), by_differences, rtol=1e-5, atol=1e-5)

path, info = einjit.contract_path("ij,ik,jk->k", inner := np.empty((n, n)), x, x)
print(info)

# The same gradient without a formula: what is linear in K comes back through einjit.grad.
k = covariance(x, scales)
inverse = np.linalg.inv(k + noise * np.eye(n))
alpha = inverse @ y
seed = 0.5 * (np.outer(alpha, alpha) - inverse)
by_grad = einjit.grad(lambda s: (covariance.function(x, s) * seed).sum())(scales)
np.testing.assert_allclose(by_grad, by_differences, rtol=1e-5, atol=1e-5)

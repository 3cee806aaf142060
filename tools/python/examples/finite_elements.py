"""A matrix-free finite element operator: gather, small contractions by sum factorization, scatter, as one kernel.

The Laplacian of Q2 elements on a periodic n x n grid of the unit square. One kernel serves every number of elements.
"""

import einjit
import numpy as np

PROGRAM = """
def apply(u: f64[nodes], place: i64[cells, i, j], b: f64[q, i], d: f64[q, i], w: f64[q]):
    x = u[place.flatten()].reshape(cells, i, j)
    gx = einsum("eij,qi,rj->eqr", x, d, b)
    gy = einsum("eij,qi,rj->eqr", x, b, d)
    back = einsum("eqr,qi,rj,q,r->eij", gx, d, b, w, w) + einsum("eqr,qi,rj,q,r->eij", gy, b, d, w, w)
    return index_add(nodes, 0, place.flatten(), back.flatten())
"""

points, weights = np.polynomial.legendre.leggauss(3)
points, weights = (points + 1) / 2, weights / 2
nodes = np.array([0.0, 0.5, 1.0])
basis = [np.polynomial.Polynomial.fromroots(np.delete(nodes, k)) for k in range(3)]
basis = [p / p(nodes[k]) for k, p in enumerate(basis)]
b = np.stack([[p(x) for p in basis] for x in points])
d = np.stack([[p.deriv()(x) for p in basis] for x in points])


def grid(n):
    """Numbers of the nodes of each cell, [cells, 3, 3]."""
    side = 2 * n
    row = (2 * np.arange(n)[:, None] + np.arange(3)) % side
    return (row[:, None, :, None] * side + row[None, :, None, :]).reshape(n * n, 3, 3)


apply = einjit.compile(PROGRAM, open="nodes,cells")
for n in (2, 8, 16):
    place = grid(n)
    u = np.random.default_rng(n).standard_normal(4 * n * n)
    got = apply(u, place, b, d, weights)

    # The same by a matrix that is put together element by element.
    element = einjit.einsum("qi,rj,qk,rl,q,r->ijkl", d, b, d, b, weights, weights)
    element = (element + einjit.einsum("qi,rj,qk,rl,q,r->ijkl", b, d, b, d, weights, weights)).reshape(9, 9)
    matrix = np.zeros((u.size, u.size))
    for cell in place.reshape(-1, 9):
        matrix[np.ix_(cell, cell)] += element
    np.testing.assert_allclose(got, matrix @ u, rtol=1e-11, atol=1e-11)
    assert abs(apply(np.ones_like(u), place, b, d, weights)).max() < 1e-12  # constants have no gradient

# Conjugate gradients on it: -Laplace u = f with a solution that is known.
n = 16
place = grid(n)
axis = np.arange(2 * n) / (2 * n)
exact = np.outer(np.sin(2 * np.pi * axis), np.cos(2 * np.pi * axis)).ravel()
mass = einjit.einsum("qi,q->i", b, weights)
load = np.zeros(exact.size)
np.add.at(load, place, np.outer(mass, mass) / n**2)
f = 8 * np.pi**2 * exact * load
u, r = np.zeros_like(f), f.copy()
p, rho = r.copy(), r @ r
for step in range(200):
    q = apply(p, place, b, d, weights)
    alpha = rho / (p @ q)
    u, r = u + alpha * p, r - alpha * q
    if np.sqrt(r @ r) < 1e-10:
        break
    rho, before = r @ r, rho
    p = r + rho / before * p
error = abs(u - u.mean() - exact).max()
print(f"{place.shape[0]} cells, {step} steps, error {error:.1e}")
assert error < 1e-2
print(einjit.explain(apply, u, place, b, d, weights))

"""An equivariant layer as e3nn writes them, trained through torch.compile(backend="einjit").

Nodes have scalars and vectors. Along each edge they meet the scalar and the vector of its direction: paths of mode uvw
(weights mix channels) and uvu (each edge has a weight for each channel), with Clebsch-Gordan coefficients as constants.
"""

import math

import torch

CHANNELS, NODES, EDGES = 8, 30, 200
cross = torch.zeros(3, 3, 3)  # Levi-Civita: vector times vector gives a vector
for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
    cross[i, j, k], cross[j, i, k] = 1 / math.sqrt(6), -1 / math.sqrt(6)
dot = torch.eye(3) / math.sqrt(3)


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = torch.nn.Parameter(torch.randn(4, CHANNELS, CHANNELS) / math.sqrt(CHANNELS))
        self.radial = torch.nn.Linear(6, 2 * CHANNELS)
        self.register_buffer("cross", cross)
        self.register_buffer("dot", dot)

    def forward(self, scalars, vectors, source, target, direction, length):
        s, v = scalars[source], vectors[source]
        w = torch.tanh(self.radial(length)).reshape(-1, 2, CHANNELS)
        to_scalar = torch.einsum("eu,uw->ew", s, self.mix[0])
        to_scalar = to_scalar + torch.einsum("eui,ej,ij,uw->ew", v, direction, self.dot, self.mix[1])
        to_vector = torch.einsum("eu,ei,uw->ewi", s, direction, self.mix[2])
        to_vector = to_vector + torch.einsum("eui,ej,ijk,uw->ewk", v, direction, self.cross, self.mix[3])
        to_scalar = torch.einsum("eu,eu->eu", to_scalar, w[:, 0]) / math.sqrt(EDGES / NODES)
        to_vector = torch.einsum("eui,eu->eui", to_vector, w[:, 1]) / math.sqrt(EDGES / NODES)
        return scalars.index_add(0, target, to_scalar), vectors.index_add(0, target, to_vector)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([Layer()])

    def forward(self, scalars, vectors, *graph):
        for layer in self.layers:
            scalars, vectors = layer(scalars, vectors, *graph)
        return scalars.mean(), vectors.mean((0, 1))


def graph(edges):
    source, target = torch.randint(NODES, (edges,)), torch.randint(NODES, (edges,))
    direction = torch.nn.functional.normalize(torch.randn(edges, 3), dim=-1)
    return source, target, direction, torch.randn(edges, 6)


def train(wrap, steps=6):
    torch.manual_seed(0)
    model = Model()
    step = wrap(model)
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    losses = []
    for k in range(steps):
        data = graph(EDGES + 10 * k)  # as many edges as there are: nothing is compiled for their number
        scalars, vectors = torch.randn(NODES, CHANNELS), torch.randn(NODES, CHANNELS, 3)
        energy, force = step(scalars, vectors, *data)
        loss = (energy - 1) ** 2 + (force**2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, model


eager, _ = train(lambda model: model)
compiled, model = train(lambda model: torch.compile(model, backend="einjit", dynamic=True))
print("loss, eager   ", *(f"{x:.4f}" for x in eager))
print("loss, compiled", *(f"{x:.4f}" for x in compiled))
assert all(math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-4) for a, b in zip(eager, compiled))

# It is equivariant: turned inputs give turned forces and the same energy.
turn = torch.linalg.qr(torch.randn(3, 3))[0]
turn = turn * torch.det(turn)
source, target, direction, length = graph(EDGES)
scalars, vectors = torch.randn(NODES, CHANNELS), torch.randn(NODES, CHANNELS, 3)
energy, force = model(scalars, vectors, source, target, direction, length)
turned = model(scalars, vectors @ turn.T, source, target, direction @ turn.T, length)
torch.testing.assert_close(turned[0], energy, rtol=1e-4, atol=1e-5)
torch.testing.assert_close(turned[1], turn @ force, rtol=1e-4, atol=1e-4)

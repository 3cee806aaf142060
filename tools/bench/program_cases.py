"""Programs of several steps for tools/bench/cases.py, as the fields that use them write them.

Takes  nothing, or a seed.
Gives  cases whose `program` einjit parses and Python runs by torch's or jax's names: arguments of axes are positional, and
       results are one. A case's `peer` is what torch has as one call for the same values.
"""
import random


def program(group, name, text, sizes, dtype="float32", **more):
    return {"name": name, "group": group, "program": text, "sizes": sizes, "dtype": dtype, **more}


def function(arguments, *lines):
    return f"def f({arguments}):\n" + "".join(f"    {line}\n" for line in lines)


# ---- networks of machine learning ----

def attention():
    shape = "f32[b, h, s, d]"
    for name, sizes, causal in (("attention_128", {"b": 8, "h": 12, "s": 128, "d": 64}, False),
                                ("attention_128_causal", {"b": 8, "h": 12, "s": 128, "d": 64}, True),
                                ("attention_2048", {"b": 1, "h": 12, "s": 2048, "d": 64}, False),
                                ("attention_2048_causal", {"b": 1, "h": 12, "s": 2048, "d": 64}, True)):
        lines = ['scores = einsum("bhsd,bhtd->bhst", q, k) * 0.125']
        if causal:
            lines.append('scores = where(arange(s)[:, None] >= arange(s)[None, :], scores, float("-inf"))')
        lines.append('return einsum("bhst,bhtd->bhsd", softmax(scores, -1), v)')
        peer = f"def f(q, k, v):\n    return scaled_dot_product_attention(q, k, v, is_causal={causal}, scale=0.125)\n"
        work = 4 * sizes["b"] * sizes["h"] * sizes["s"] ** 2 * sizes["d"] * 1e-9
        yield program("programs", name, function(f"q: {shape}, k: {shape}, v: {shape}", *lines), sizes, peer=peer,
                      gflop=work / 2 if causal else work)


def mlp():
    text = function("x: f32[rows, 64], w1: f32[64, 256], b1: f32[256], w2: f32[256, 64], b2: f32[64], g: f32[64], b: f32[64]",
                    "normed = layer_norm(x, (64,), g, b, 0.00001)",
                    "return x + (gelu(normed @ w1 + b1) @ w2 + b2)")
    for rows in (16, 256, 4096):
        work = 4 * rows * 64 * 256 * 1e-9
        yield program("programs", f"mlp_{rows}", text, {"rows": rows}, gflop=work)
        yield program("programs", f"mlp_{rows}_open", text, {"rows": rows}, open="rows", gflop=work)


# ---- finite elements: hexahedra of order p, p + 2 points of quadrature an axis ----

TO_POINTS, FROM_POINTS = "eijk,qi,rj,sk->eqrs", "eqrs,qi,rj,sk->eijk"


def mass(before=(), after="return out"):
    return (*before, f'points = einsum("{TO_POINTS}", u, b, b, b) * w', f'out = einsum("{FROM_POINTS}", points, b, b, b)', after)


def stiffness():
    lines = [f'u{i} = einsum("{TO_POINTS}", u, {", ".join("g" if i == j else "b" for j in range(3))})' for i in range(3)]
    numbers = ((0, 1, 2), (1, 3, 4), (2, 4, 5)) # of the six factors of a symmetric 3x3 matrix a point
    lines += [f"v{i} = " + " + ".join(f"w[{n}] * u{j}" for j, n in enumerate(numbers[i])) for i in range(3)]
    terms = [f'einsum("{FROM_POINTS}", v{i}, {", ".join("g" if i == j else "b" for j in range(3))})' for i in range(3)]
    return (*lines, "return " + " + ".join(terms))


def fem():
    basis, factor = "f32[q, i]", "f32[e, q, q, q]"
    for p in range(1, 9):
        n, q = p + 1, p + 2
        sizes = {"e": max(8, 40000 // q ** 3), "i": n, "q": q}
        work = 2 * 2 * (q * n * n * n + q * q * n * n + q * q * q * n) * sizes["e"] * 1e-9
        yield program("fem", f"mass_p{p}", function(f"u: f32[e, i, i, i], b: {basis}, w: {factor}", *mass()), sizes, gflop=work)
        # gradients share two products of the six of an interpolation, and as many on the way back
        shared = 2 * 2 * (2 * q * n * n * n + 3 * q * q * n * n + 3 * q * q * q * n) * sizes["e"] * 1e-9
        yield program("fem", f"stiffness_p{p}",
                      function(f"u: f32[e, i, i, i], b: {basis}, g: {basis}, w: f32[6, e, q, q, q]", *stiffness()), sizes, gflop=shared)
    for p in (2, 4):
        n, q = p + 1, p + 2
        e = max(8, 40000 // q ** 3)
        sizes = {"e": e, "i": n, "q": q, "nodes": e * p ** 3}
        # restriction: the values of an element's nodes by a table, and the results added up by the same one
        before = ("u = x[table.reshape(e * i * i * i)].reshape(e, i, i, i)",)
        after = "return index_add(nodes, 0, table.reshape(e * i * i * i), out.reshape(e * i * i * i))"
        yield program("fem", f"mass_restricted_p{p}",
                      function(f"x: f32[nodes], table: i64[e, i, i, i], b: {basis}, w: {factor}", *mass(before, after)), sizes)


# ---- small and medium networks of other fields ----

def quantum_circuit():
    qubits = "abcdefghijkl"
    gates = "".join(f", g{i}: c64[2, 2, 2, 2]" for i in range(6))
    lines, state = [], "psi"
    for i, at in enumerate((0, 4, 8, 2, 6, 10)):
        x, y = qubits[at], qubits[at + 1]
        to = qubits.replace(x, "X").replace(y, "Y")
        lines.append(f's{i} = einsum("XY{x}{y},{qubits}->{to}", g{i}, {state})')
        state = f"s{i}"
    return function(f"psi: c64[{', '.join('2' * 12)}]{gates}", *lines, f"return {state}")


QUATERNIONS = [[[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], [[0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1], [0, 0, -1, 0]],
               [[0, 0, 1, 0], [0, 0, 0, -1], [-1, 0, 0, 0], [0, 1, 0, 0]], [[0, 0, 0, 1], [0, 0, 1, 0], [0, -1, 0, 0], [-1, 0, 0, 0]]]



def recurrence(first, each, n):
    """Lines of s0 .. s{n - 1}: each takes the one before as {s}, at {t}."""
    return (f"s0 = {first}", *(f"s{t} = " + each.format(t=t, s=f"s{t - 1}") for t in range(1, n)), f"return s{n - 1}")


def fields():
    def one(name, arguments, *lines, dtype="float32", **sizes):
        return program("fields", name, function(arguments, *lines), sizes, dtype)

    yield program("fields", "quantum_circuit", quantum_circuit(), {}, "complex64")
    yield one("dmrg", "l: f64[a, w, a], m: f64[w, w, i, i], n: f64[w, w, i, i], r: f64[a, w, a], theta: f64[a, i, i, a]",
              'return einsum("awb,wxij,xykl,cyd,bjld->aikc", l, m, n, r, theta)', dtype="float64", a=32, w=5, i=2)
    yield one("tucker_step", "t: f32[i, j, k], v: f32[j, r], w: f32[k, r]",
              'y = einsum("ijk,jr,ks->irs", t, v, w)', 'return einsum("irs,jrs->ij", y, y)', i=48, j=40, k=32, r=6)
    yield one("parafac_step", "t: f32[i, j, k], v: f32[j, r], w: f32[k, r], inverse: f32[r, r]",
              'm = einsum("ijk,jr,kr->ir", t, v, w)', 'return einsum("ir,rs->is", m, (v.T @ v) * (w.T @ w) * inverse)', i=60, j=50, k=40, r=8)
    yield one("se3_filter", "x: f32[n, c, 3], y: f32[n, n, 5], radial: f32[n, n, r], w: f32[r, c, o], q: f32[3, 5, 3]",
              'return einsum("mci,nmj,nmr,rco,ijk->nok", x, y, radial, w, q)', n=24, c=8, o=8, r=4)
    yield one("recommender", "u: f32[b, f, d], w: f32[d, d], bias: f32[b]",
              'return sigmoid(einsum("bfd,de,bge->b", u, w, u) + bias)', b=256, f=12, d=16)
    yield one("factorization_machine", "x: f32[b, f], v: f32[f, k]",
              "s = x @ v", "return 0.5 * sum(s * s - (x * x) @ (v * v), -1)", b=512, f=40, k=8)
    yield one("crf_forward", "emit: f32[8, b, k], trans: f32[k, k]", *recurrence(
        "emit[0]", "logsumexp({s}[:, :, None] + trans[None, :, :], 1) + emit[{t}]", 8), b=32, k=12)
    yield one("hmm_log", "emit: f64[6, b, k], trans: f64[k, k]", *recurrence(
        "emit[0]", "logsumexp({s}[:, :, None] + trans[None, :, :], 1) + emit[{t}]", 6), dtype="float64", b=100, k=20)
    yield one("graph_attention", "x: f32[nodes, c], w: f32[c, d], a: f32[d], s: f32[d], near: i64[nodes, 8]",
              "h = x @ w", "z = h[near.reshape(nodes * 8)].reshape(nodes, 8, d)",
              'e = einsum("nkd,d->nk", z, a) + einsum("nd,d->n", h, s)[:, None]',
              "p = softmax(maximum(e, 0.2 * e), -1)", 'return einsum("nk,nkd->nd", p, z)', nodes=1000, c=32, d=16)
    yield one("kernel_ridge", "x: f32[n, d], y: f32[m, d], alpha: f32[m, o]",
              'gram = sum(x * x, -1)[:, None] + sum(y * y, -1)[None, :] - 2.0 * einsum("nd,md->nm", x, y)',
              "return exp(-0.1 * gram) @ alpha", n=200, m=300, d=10, o=3)
    yield one("conv_batchnorm", "x: f32[b, c, 66], w: f32[o, c, 3], mean: f32[o], scale: f32[o], shift: f32[o]",
              "windows = stack([x[:, :, 0:64], x[:, :, 1:65], x[:, :, 2:66]], 3)",
              'y = einsum("bclk,ock->bol", windows, w)',
              "return relu((y - mean[None, :, None]) * scale[None, :, None] + shift[None, :, None])", b=16, c=8, o=16)
    yield one("kalman", "p: f64[z, 6, 6], f: f64[6, 6], q: f64[6, 6], g: f64[z, 6, 3], h: f64[3, 6], r: f64[3, 3], eye: f64[6, 6]",
              'p1 = einsum("ij,zjk,lk->zil", f, p, f) + q', 'a = eye - einsum("zim,mj->zij", g, h)',
              'return einsum("zij,zjk,zlk->zil", a, p1, a) + einsum("zim,mn,zjn->zij", g, r, g)', dtype="float64", z=1000)
    yield one("quaternion_rotate", "p: f32[z, 4], v: f32[z, 4]", f"t = tensor({QUATERNIONS})",
              'pv = einsum("zi,zj,ijk->zk", p, v, t)', 'return einsum("zi,zj,ijk,j->zk", pv, p, t, tensor([1.0, -1.0, -1.0, -1.0]))', z=10000)
    yield one("greens_transmission", "left: c128[i, i], right: c128[i, i], g: c128[w, i, i]",
              'return real(einsum("ij,wjk,kl,wil->w", left, g, right, conj(g)))', dtype="complex128", i=24, w=64)
    yield one("mp2", "v: f64[o, a, o, a], e: f64[o], f: f64[a]",
              "d = e[:, None, None, None] - f[None, :, None, None] + e[None, None, :, None] - f[None, None, None, :] - 4.0",
              'return einsum("iajb->ij", v * (2.0 * v - einsum("iajb->ibja", v)) / d)', dtype="float64", o=8, a=24)
    yield one("fock", "eri: f64[n, n, n, n], d: f64[n, n], h: f64[n, n]",
              'return h + einsum("pqrs,rs->pq", eri, d) - 0.5 * einsum("prqs,rs->pq", eri, d)', dtype="float64", n=24)
    yield one("tensor_train_dot", "a: f64[n, r], b: f64[r, n, r], c: f64[r, n, r], d: f64[r, n], e: f64[n, r], f: f64[r, n, r], g: f64[r, n, r], h: f64[r, n]",
              'return einsum("iA,AjB,BkC,Cl,ia,ajb,bkc,cl->", a, b, c, d, e, f, g, h)', dtype="float64", n=10, r=12)
    yield one("ccsd_ladder", "t: f64[o, o, v, v], w: f64[v, v, v, v], x: f64[o, o, o, o]",
              'return einsum("ijcd,abcd->ijab", t, w) + einsum("klab,klij->ijab", t, x)', dtype="float64", o=6, v=16)
    yield one("heat_step", "u: f32[b, 66, 66], k: f32[64, 64]",
              "c = u[:, 1:65, 1:65]", "return c + k * (u[:, 0:64, 1:65] + u[:, 2:66, 1:65] + u[:, 1:65, 0:64] + u[:, 1:65, 2:66] - 4.0 * c)", b=16)
    yield one("shampoo", "g: f32[z, m, n], l: f32[z, m, m], r: f32[z, n, n], w: f32[z, m, n]",
              'return w - 0.01 * einsum("zij,zjk,zkl->zil", l, 0.9 * g + 0.1 * w, r)', z=16, m=32, n=48)
    yield one("ising_transfer", "t: f64[s, s], h: f64[z, s]", *recurrence(
        "h", "({s} @ t) * h", 8), dtype="float64", s=16, z=200)
    yield one("linear_attention", "q: f32[b, h, s, d], k: f32[b, h, s, d], v: f32[b, h, s, e]",
              "p = exp(q)", "r = exp(k)", 'top = einsum("bhsd,bhtd,bhte->bhse", p, r, v)', 'low = einsum("bhsd,bhtd->bhs", p, r)',
              "return top / low[:, :, :, None]", b=4, h=4, s=128, d=16, e=32)
    yield one("beamforming", "x: c64[f, m, t], a: c64[f, d, m]",
              'c = einsum("fmt,fnt->fmn", x, conj(x))', 'return real(einsum("fdm,fmn,fdn->fd", conj(a), c, a))', dtype="complex64", f=32, m=8, d=36, t=64)
    yield one("gaussian_mixture", "x: f32[z, d], mean: f32[k, d], precision: f32[k, d, d], weight: f32[k]",
              "r = x[:, None, :] - mean[None, :, :]", 'm = einsum("zki,kij,zkj->zk", r, precision, r)',
              "return softmax(weight - 0.5 * m, -1)", z=500, k=6, d=8)


# ---- chains that nobody tuned for ----

LETTERS = "abcdefghijklmnopqrstuvwxyz"
MAPS = ("relu({x})", "tanh({x})", "sigmoid({x})", "0.5 * {x} + 0.25", "{x} * {x}")
MOST_ELEMENTS, MOST_WORK = 1 << 18, 3e7


def volume(labels, sizes):
    n = 1
    for label in labels:
        n *= sizes[label]
    return n


def extent(rng):
    return int(2 ** rng.uniform(1, 6.02))


def einsum_step(rng, labels, sizes, fresh):
    """Labels of an operand and of the result, of a product that sums over one label or two; None where it is too large."""
    summed = rng.sample(labels, min(len(labels) - 1, rng.choice((1, 1, 2))))
    batch = [label for label in labels if label not in summed and rng.random() < 0.3]
    new = [next(fresh) for _ in range(rng.choice((1, 1, 2)))]
    for label in new:
        sizes[label] = extent(rng)
    operand = summed + batch + new
    result = [label for label in labels if label not in summed] + new
    rng.shuffle(operand)
    rng.shuffle(result)
    if len(result) > 4 or volume(operand, sizes) > MOST_ELEMENTS or volume(result, sizes) > MOST_ELEMENTS \
            or volume(set(labels) | set(new), sizes) > MOST_WORK:
        return None
    return operand, result


def chain(rng, n_steps):
    while True:
        fresh, sizes = iter(LETTERS), {}
        labels = [next(fresh) for _ in range(rng.choice((2, 3)))]
        sizes.update((label, extent(rng)) for label in labels)
        if volume(labels, sizes) > MOST_ELEMENTS:
            continue
        arguments, lines, value, products = [("x", labels)], [], "x", 0
        for at in range(n_steps):
            if rng.random() < 0.65 or (at == n_steps - 1 and products == 0):
                step = einsum_step(rng, labels, sizes, fresh)
                if step is None:
                    break
                operand, result = step
                arguments.append((f"y{at}", operand))
                text = f'einsum("{"".join(labels)},{"".join(operand)}->{"".join(result)}", {value}, y{at})'
                labels, products = result, products + 1
            elif rng.random() < 0.4: # a bias along the last label, or a factor
                arguments.append((f"y{at}", labels[-1:]))
                text = f"{value} {rng.choice('+*')} y{at}"
            else:
                text = rng.choice(MAPS).format(x=value)
            value = f"v{at}"
            lines.append(f"{value} = {text}")
        else:
            given = ", ".join(f"{name}: f32[{', '.join(str(sizes[label]) for label in of)}]" for name, of in arguments)
            return function(given, *lines, f"return {value}")


def chains(n, seed):
    rng = random.Random(seed)
    for at in range(n):
        yield program("chains", f"chain_{seed}_{at}", chain(rng, 3 + at % 4), {})


def programs():
    yield from attention()
    yield from mlp()

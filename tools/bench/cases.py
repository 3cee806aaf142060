#!/usr/bin/env python3
"""Writes a list of benchmark cases for einjit-bench --cases and tools/bench/peers.py.

    tools/bench/cases.py [--groups gemm,complex,batched,indexed,users,random,small,programs,fem,fields,chains]
                         [--random N] [--chains N] [--seed N] > cases.json

gemm      products of matrices of n = 64 .. 2048 and of odd sizes, each operand as it is (N) or transposed (T)
complex   the same in c64 and c128, with a conjugated operand too
batched   64 products of small matrices
indexed   rows gathered by an index, and added up by one, as on the edges of a graph; message passing
users     einsums as programs write them: two to four operands, small and large
random    contractions of two operands that nobody tuned for: up to three labels a class (m, n, k, batch) in any order,
          extents of 2 to 3,000; reproducible from the seed
small     programs that run for microseconds, so that what they take to compile counts: every pointwise function, products
          of 4 to 100 in all orders, reductions, transpositions, softmax and others of several steps (`compile_ms`)
programs  attention beside one call of torch's, an MLP block of 16 to 4096 rows, also open
fem       sum factorization: mass and stiffness of hexahedra of order 1 to 8, two of them with restriction by tables
fields    small and medium networks of other fields
chains    chains of 3 to 6 einsums and maps that nobody tuned for, of extents 2 to 64; reproducible from the seed
"""
import argparse
import json
import random
import sys

import program_cases

SIZES = [64, 128, 256, 512, 513, 1000, 1024, 2047, 2048]
FORMS = {"nn": "ij,jk->ik", "tn": "ji,jk->ik", "nt": "ij,kj->ik", "tt": "ji,kj->ik"}
SHORT = {"float32": "f32", "float64": "f64", "complex64": "c64", "complex128": "c128"}


def case(group, name, equation, sizes, dtype, **more):
    return {"name": f"{name}_{SHORT[dtype]}", "group": group, "equation": equation, "sizes": sizes, "dtype": dtype, **more}


def gemm():
    for dtype in ("float32", "float64"):
        for form, equation in FORMS.items():
            for n in SIZES:
                yield case("gemm", f"gemm_{form}_{n}", equation, dict.fromkeys("ijk", n), dtype)


def complex_gemm():
    for dtype in ("complex64", "complex128"):
        for n in (256, 512, 1024):
            sizes = dict.fromkeys("ijk", n)
            for form, equation in FORMS.items():
                yield case("complex", f"gemm_{form}_{n}", equation, sizes, dtype)
            text = f"def f(a: {SHORT[dtype]}[i, j], b: {SHORT[dtype]}[j, k]):\n    return conj(a) @ b\n"
            yield case("complex", f"gemm_cn_{n}", "ij,jk->ik", sizes, dtype, program=text)


def batched():
    for dtype in ("float32", "float64"):
        for n in (4, 5, 8, 16, 32):
            yield case("batched", f"bmm{n}_64", "bij,bjk->bik", {"b": 64, "i": n, "j": n, "k": n}, dtype)


def indexed():
    edges, nodes = 100000, 10000
    for width in (32, 64, 128, 256):
        gather = "def f(x: f32[nodes, c], src: i64[edges]):\n    return x[src]\n"
        scatter = "def f(m: f32[edges, c], dst: i64[edges]):\n    return index_add(%d, 0, dst, m)\n" % nodes
        yield {"name": f"gather_{width}_f32", "group": "indexed", "program": gather,
               "sizes": {"nodes": nodes, "edges": edges, "c": width}, "dtype": "float32"}
        yield {"name": f"scatter_{width}_f32", "group": "indexed", "program": scatter,
               "sizes": {"edges": edges, "c": width}, "dtype": "float32"}
    yield from messages(edges, nodes)


def messages(edges, nodes):
    """Message passing with 64 channels a node: weighted by a number, or a 4x4 matrix, an edge."""
    weighted = {"scalar": ("f32[nodes, 64]", "f32[edges]", "ec,e->ec"),
                "matrix": ("f32[nodes, 4, 16]", "f32[edges, 4, 4]", "ejc,eij->eic"),
                "matrix_right": ("f32[nodes, 16, 4]", "f32[edges, 4, 4]", "ecj,eij->eci")}
    for name, (x, w, equation) in weighted.items():
        text = (f"def f(x: {x}, src: i64[edges], dst: i64[edges], w: {w}):\n"
                f"    return index_add(nodes, 0, dst, einsum(\"{equation}\", x[src], w))\n")
        for order in ("sorted", "unsorted"):
            yield {"name": f"messages_{name}_{order}_f32", "group": "indexed", "program": text, "open": "edges",
                   "sizes": {"nodes": nodes, "edges": edges}, "dtype": "float32",
                   "sorted": ["dst"] if order == "sorted" else []}


UNARY = {"real": "neg abs square reciprocal sqrt rsqrt exp log log1p expm1 sin cos tan tanh sigmoid relu gelu silu "
                 "softplus erf sign floor ceil round".split(),
         "complex": "neg abs square reciprocal exp conj real imag".split()}
BINARY = {"real": "{} + {}|{} * {}|{} / {}|{} // {}|{} % {}|pow({}, {})|maximum({}, {})|where({} > 0, {}, 1)".split("|"),
          "complex": "{} + {}|{} * {}|{} / {}".split("|")}
STEPS = {
    "softmax": "softmax(x, -1)", "log_softmax": "log_softmax(x, -1)", "layer_norm": "layer_norm(x, 29)",
    "softmax_rows": "softmax(x, 0)", "mean_var": "(x - mean(x, -1, keepdim=True)) * var(x, -1, keepdim=True)",
    "logsumexp": "logsumexp(x, -1)", "gram": 'einsum("ij,kj->ik", x, x)', "norm": "sqrt(sum(x * x, -1))",
    "bias_relu": 'relu(einsum("ij,kj->ik", x, y) + 1)', "scaled_exp": 'exp(2 * einsum("ij,kj->ik", x, y))',
    "three": 'einsum("ij,kj,kl->il", x, y, x)', "hadamard": 'einsum("ij,ij,ij->i", x, y, x)',
    "trace": 'einsum("ij,ij->", x, y)', "outer": 'einsum("ij,kl->ikjl", x[:5], y[:7])',
}


def small():
    for dtype in ("float32", "float64", "complex64", "complex128"):
        short, kind = SHORT[dtype], "complex" if "complex" in dtype else "real"
        shape = {"i": 13, "j": 29}
        for name in UNARY[kind]:
            text = f"def f(x: {short}[i, j]):\n    return {name}(x)\n"
            yield case("small", f"map_{name}", "ij->ij", shape, dtype, program=text)
        for at, form in enumerate(BINARY[kind]):
            expr = form.format("x", "y")
            text = f"def f(x: {short}[i, j], y: {short}[i, j]):\n    return {expr}\n"
            yield case("small", f"binary_{at}", "ij,ij->ij", shape, dtype, program=text)
        for form, equation in FORMS.items():
            for n in (4, 8, 16, 33, 64, 100):
                yield case("small", f"gemm_{form}_{n}", equation, dict.fromkeys("ijk", n), dtype)
            yield case("small", f"gemm_{form}_odd", equation, {"i": 13, "j": 29, "k": 31}, dtype)
        for n in (3, 4, 8, 16, 32):
            yield case("small", f"bmm_{n}", "bij,bjk->bik", {"b": 50, "i": n, "j": n, "k": n}, dtype)
        for name, equation in (("transposed", "ij->ji"), ("row_sum", "ij->i"), ("column_sum", "ij->j"), ("sum", "ij->"),
                               ("permuted", "ijk->kji"), ("gemv", "ij,j->i"), ("gevm", "i,ij->j"), ("dot", "i,i->"),
                               ("outer", "i,j->ij"), ("three", "iaj,jb->abi"), ("diagonal", "ii->i"),
                               ("batched_dot", "ij,ij->i"), ("quadratic", "zi,ij,zj->z"), ("seed", "zij,zjk,zk->zi")):
            letters = sorted(set(equation) - set(",->"))
            for n in (13, 100) if len(letters) < 3 else (13,):
                yield case("small", f"{name}_{n}", equation, dict.fromkeys(letters, n), dtype)
        if kind == "real":
            for name, expr in STEPS.items():
                text = f"def f(x: {short}[i, j], y: {short}[i, j]):\n    return {expr}\n"
                yield case("small", f"steps_{name}", "ij,ij->ij", shape, dtype, program=text)


USERS = (
    ("matrix_chain", "ij,jk,kl->il", {"i": 64, "j": 256, "k": 32, "l": 256}),
    ("batched_matvec", "zij,zjk,zk->zi", {"z": 1000, "i": 4, "j": 5, "k": 8}),
    ("attention_scores", "bqhd,bkhd->bhqk", {"b": 4, "q": 64, "k": 64, "h": 8, "d": 32}),
    ("tensor_product", "zui,zj,ijk,uw->zwk", {"z": 500, "u": 16, "w": 16, "i": 3, "j": 5, "k": 3}),
    ("mttkrp", "ijk,jr,kr->ir", {"i": 100, "j": 80, "k": 60, "r": 16}),
    ("bilinear", "bi,oij,bj->bo", {"b": 128, "o": 16, "i": 32, "j": 32}),
    ("sum_factorization", "eijk,qi,rj,sk->eqrs", dict.fromkeys("ijkqrs", 4) | {"e": 500}),
    ("trace_of_products", "ij,jk,ki->", {"i": 200, "j": 150, "k": 100}),
    ("permutation", "abcd->dbca", dict.fromkeys("abcd", 24)),
    ("small_matmul", "ij,jk->ik", dict.fromkeys("ijk", 8)),
)


def users():
    for name, equation, sizes in USERS:
        yield case("users", name, equation, sizes, "float32")


def extents(rng, n, largest):
    """n extents of at least 2 whose product is at most `largest`; small ones are as likely as large ones."""
    out = []
    for left in range(n, 0, -1):
        most = min(3000, int(largest / 2 ** (left - 1)))
        out.append(max(2, min(most, int(2 ** rng.uniform(1, most.bit_length())))))
        largest /= out[-1]
    return out


def draw(rng, dtype):
    """One contraction of at most 2e10 operations and 64 MB an array; None where this draw is past that or trivial."""
    letters, classes, sizes = iter("abcdefghijkl"), {}, {}
    for name, counts, largest in (("m", (1, 3), 3000), ("n", (1, 3), 3000), ("k", (1, 3), 3000), ("z", (0, 1), 30)):
        n = rng.randint(*counts)
        classes[name] = [next(letters) for _ in range(n)]
        sizes.update(zip(classes[name], extents(rng, n, largest)))

    def shuffled(*names):
        labels = [label for name in names for label in classes[name]]
        rng.shuffle(labels)
        return "".join(labels)

    a, b, out = shuffled("m", "k", "z"), shuffled("n", "k", "z"), shuffled("m", "n", "z")
    volume = {term: 1 for term in (a, b, out)}
    for term in volume:
        for label in term:
            volume[term] *= sizes[label]
    work = 1
    for extent in sizes.values():
        work *= extent
    bytes_each = 4 if dtype == "float32" else 8
    if work > 1e10 or work < 1e4 or max(volume.values()) * bytes_each > 64e6:
        return None
    return f"{a},{b}->{out}", sizes


def random_cases(n, seed):
    rng = random.Random(seed)
    made = 0
    while made < n:
        dtype = ("float32", "float64")[made % 2]
        drawn = draw(rng, dtype)
        if drawn:
            yield case("random", f"random_{seed}_{made}", drawn[0], drawn[1], dtype)
            made += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", default="gemm,complex,batched,indexed,users,random,small,programs,fem,fields,chains")
    parser.add_argument("--random", type=int, default=100, metavar="N", help="how many random contractions")
    parser.add_argument("--chains", type=int, default=20, metavar="N", help="how many chains")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    makers = {"gemm": gemm, "complex": complex_gemm, "batched": batched, "indexed": indexed, "users": users,
              "random": lambda: random_cases(given.random, given.seed), "small": small,
              "programs": program_cases.programs, "fem": program_cases.fem, "fields": program_cases.fields,
              "chains": lambda: program_cases.chains(given.chains, given.seed)}
    unknown = [group for group in given.groups.split(",") if group not in makers]
    if unknown:
        parser.error(f"there is no group '{unknown[0]}': {', '.join(makers)}")
    cases = [one for group in given.groups.split(",") for one in makers[group]()]
    json.dump(cases, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()

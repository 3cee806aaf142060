"""Random programs full of what the optimizer rewrites: shared einsums, factors, sums of products, gathers, alternatives,
operands that count by their shape.

Gives  (parameters, body, ranges) as programs.py does, from a random number generator: statements over square matrices of one
       extent, so that all of them fit each other, a number s, and indices i.
"""

DTYPES = [["f64"], ["f64"], ["f32", "f64"], ["f64", "c128"], ["c128"], ["i64"], ["i32", "f64"], ["i32", "i64"], ["f32", "c64"]]

# One matrix to one: {0}, its extent {n}.
ONE = ["{0} * 2", "{0} / 3", "-{0}", "0.25 * {0}", "{0} * s", "s * {0} / 2", "{0} / 1.5", "{0} * 1", "{0} + 0", "{0} + {0}", "{0} - {0} * 0.5", "{0} * {0}", "conj({0})", "real({0})",
       "square({0})", "3 * {0} - {0}", "2.0 * -{0}", "{0}.transpose(0, 1)", "{0}.permute(1, 0).permute(1, 0)", "{0} @ {0}.transpose(0, 1)", "{0}.unsqueeze(0)[0]",
       "{0}.reshape(-1).reshape_as({0})", "{0}.reshape({n}, 1, {n})[:, 0]", "{0}.expand_as({0})", "{0}.sum_to_size({0}.shape)", "{0}.type_as({0})", "zeros_like({0}) + {0}",
       "cat([{0}, {0}])[:{n}]", "cat([{0}, 2 * {0}], 1)[:, {n}:]", "stack([{0}, 2 * {0}])[1]", "slice_scatter({0}, {0}[:1], 0, 0, 1)", "split_as(cat([{0}, 2 * {0}]), [{0}, {0}], 0, 1)",
       "{0}.index_add(0, i, {0}[i])", "index_add({n}, 0, i, {0}[i])", "index_add({n}, 0, i, 2 * {0}[i] @ {0})", "{0}[i][:{n}]", "{0}[i].transpose(0, 1) @ {0}[i]", "diag_embed({0})[..., 0]",
       "diag_embed({0}).sum(-1)", "einsum('ij->ji', {0})", "einsum('ij,->ij', {0}, s)", "einsum('ii,jk->jk', {0}, {0})", "einsum('ij,ij->', {0}, {0}) * {0}", "{0} * sum({0})", "{0} * sum({0}, 1, True)",
       "{0} - mean({0}, 0) / 2", "{0}.sum(0).expand_as({0})", "sum({0}, 0, True).expand({n}, {n})", "einsum('ij,kj->ik', {0}, {0})", "einsum('ij,j->ij', {0}, {0}.sum(0))", "{0}.to(c128)"]
TWO = ["einsum('ij,jk->ik', {0}, {1})", "einsum('ij,kj->ik', {0}, {1})", "einsum('ji,jk->ki', {0}, {1})", "einsum('ij,ij->ij', {0}, {1})", "einsum('ij,ik,il->jl', {0}, {1}, {0})",
       "einsum('ij,jk,kl->il', {0}, {1}, {0})", "einsum('ij,jk,kl,lm->im', {0}, {1}, {1}, {0})", "einsum('ij,kl->ik', {0}, {1})", "einsum('ii,jk->jk', {0}, {1})", "einsum('ij,jj->ji', {0}, {1})",
       "{0} + {1}", "{0} - {1}", "{0} * {1}", "{0} @ {1}", "matmul({0}, 3 * {1})", "tensordot({0}, {1}, ([0], [1]))", "{0} @ ({0} @ {1})", "choose({0} @ {1}, einsum('ij,jk', {0}, {1}))",
       "choose(({0} @ {1}) @ {0}, {0} @ ({1} @ {0}), equal=[(1, {0}, 0, {1}, -1)])", "2 * {0} - 3 * {1}", "{0} * {1} + {0} * 2", "{0} @ {1} + {0} @ {0}", "{0} * s + {1} * s", "{0} / 2 - {1} / 4",
       "where({0} == {1}, {0}, {1})", "where({0} != 0, 2 * {0}, {1})", "{0}[i][:{n}] + {1}[i][:{n}]", "index_add({n}, 0, i, {0}[i] * {1}[i])", "einsum('ec,ed->cd', {0}[i], {1}[i])",
       "einsum('ij,j->ij', {0}, einsum('jk->j', {1}))", "{0} * einsum('ij->', {1})", "slice_scatter({0}, {1}[:1], 0, 0, 1)", "{0}.index_add(1, i, {1}[:, i])", "{0}.type_as({0} * {1})"]
# ... and to results of other shapes.
LAST = ["{0}.sum(0)", "{0}.sum()", "sum({0} * {1})", "einsum('ij,ij->', {0}, {1})", "einsum('ij,jk->k', {0}, {1})", "einsum('ii', {0})", "mean({0} * {1}, -1)", "{0}[i]", "{0}[i] * {1}[i]", "stack([{0}, {1}])",
        "einsum('ij,kl->ijkl', {0}, {1})[0]", "prod({0}, 1)", "einsum('...i,i->...', {0}, {1}[0])", "{0}.reshape(-1) * s", "cat([{0}, {1}, {0}], 1)", "einsum('ij,ij->i', {0}, {1}) * s"]


def program(r):
    n, dtypes = r.choice([1, 2, 3, 3, 5, 12]), r.choice(DTYPES)
    parameters = [f"x{k}: {r.choice(dtypes)}[{n}, {n}]" for k in range(r.randint(1, 3))]
    values, lines = [p.partition(":")[0] for p in parameters], []

    def statement(forms):
        recent = values[-3:] if r.random() < 0.6 else values
        return r.choice(forms).format(r.choice(recent), r.choice(recent), n=n)
    for k in range(r.randint(2, 8)):
        lines.append(f"v{k} = {statement(ONE if r.random() < 0.5 else TWO)}")
        values.append(f"v{k}")
    results = r.sample(values, min(len(values), r.randint(1, 2))) + [statement(LAST) for _ in range(r.randint(0, 2))]
    r.shuffle(results)
    parameters += [f"s: {r.choice(dtypes)}[()]", f"i: i64[{n + 2}]"]
    return ", ".join(parameters), "; ".join(lines + ["return " + ", ".join(results)]), {"i": n}

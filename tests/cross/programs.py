"""Programs by hand: every operator of the program text in every form of arguments.

Gives  (parameters, body, ranges): parameters as in a program, the body an expression or statements that end in return,
       ranges the bound of the values of single parameters (indices).
"""

DTYPES = ("bool", "i32", "i64", "f32", "f64", "c64", "c128")
ALL = []


def add(parameters, *bodies, **ranges):
    for body in bodies:
        ALL.append((parameters, body, ranges))


M = "x: f32[3, 4]"
add(M, "sum(x)", "x.sum()", "sum(x, 1)", "sum(x, -1)", "sum(x, dim=0)", "sum(x, (0, 1))", "sum(x, [0, 1])",
    "sum(x, dim=(1,), keepdim=True)", "sum(x, 1, True)", "x.sum(0)", "x.sum((0, -1), True)", "x.sum(dim=[1], keepdim=False)",
    "sum(input=x, dim=1)", "x.sum(dim=None)", "x.sum(dim=None, keepdim=True)", "sum(x * x, dim=1) / sum(x)")
for name in ("amax", "amin", "mean"):
    add(M, f"{name}(x)", f"x.{name}()", f"{name}(x, 1)", f"x.{name}(-2, True)", f"x.{name}(dim=(0, 1))",
        f"{name}(x, dim=[0, -1], keepdim=True)", f"torch.{name}(x, dim=0)")
add(M, "prod(x)", "x.prod(1)", "prod(x, 0, keepdim=True)", "x.prod(dim=-1)", "logsumexp(x, 1)", "x.logsumexp(dim=(0, 1))",
    "logsumexp(x, dim=-1, keepdim=True)", "x.logsumexp(0, True)", "softmax(x, 1)", "softmax(x, dim=-2)", "x.softmax(-1)",
    "torch.softmax(input=x, dim=0)", "any(x > 0)", "any(x > 0, 1)", "(x > 10).any(dim=0, keepdim=True)")
add(M, "log_softmax(x, 1)", "x.log_softmax(dim=-2)", "exp(log_softmax(x * 30, 0))", "max(x)", "x.max(1)", "max(x, -1, True)", "min(x)",
    "x.min(dim=0, keepdim=True)", "max(x, x * x)", "x.min(other=x * x)", "var(x)", "var(x, 1)", "x.var(dim=(0, 1), keepdim=True)",
    "var(x, dim=0, correction=0)", "std(x)", "x.std(-1)", "x.var(1, unbiased=False)", "std(x, 1, correction=2, keepdim=True)", "clamp(x, -0.5, 0.5)", "x.clamp(min=0)",
    "clamp(x, max=0.25)", "x.clamp(x * x, 2 * x * x)", "flatten(x)", "x.T", "(x @ x.T).mT", "x.mT @ x", "masked_fill(x, x > 0, -1)",
    "x.masked_fill(~(x > 0.5), 0.0)", "where((x > 0) & (x < 0.5) | (x < -0.5), x, 0)", "addmm(x @ x.T, x, x.T)",
    "addmm(x, x @ x.T, x, beta=0.5, alpha=2)", "x.addmm(x @ x.T, mat2=x, alpha=-1)", "bmm(stack([x, x]), stack([x.T, x.T]))",
    "baddbmm(stack([x, x]), stack([x @ x.T, x @ x.T]), stack([x, x]), beta=2)", "x.detach() * x",
    "x * arange(4)", "arange(8, 0, -2) * x", "arange(1, 13, 3) + x", "arange(x.shape[-1]) * x", "x.sum(1) * arange(x.shape[0])",
    "argmax(x)", "x.argmax(1)", "argmax(x, dim=0, keepdim=True)", "argmin(x)", "x.argmin(-1, True)", "argmin(x, dim=-2)",
    "argmax(x, keepdim=True)", "argmax(x @ x.T, 1)", "argmin(x * x * -0.5, 0)", "argmax(log(x), 1)", "argmin(x / (x > 0), 0)",
    "argmax(floor(x), 1)", "tril(x)", "x.triu()", "tril(x, 1)", "triu(x, diagonal=-1)", "x.tril(-2) @ x.T.triu(9)", "tril(x / 0)",
    "x[::-1]", "x[:, ::-2]", "x[-2::-1, 3:0:-1]", "x[..., None, ::-1]", "x[1, ::-3]", "x[0:2:-1]", "x[9:-9:-1] * x", "x.flip(0)",
    "flip(x, (0, 1))", "flip(x, dims=[-1])", "flatten(stack([x, x]), 1)", "stack([x, x]).flatten(0, 1)", "x.flatten(start_dim=1)",
    "stack([x, x]).flatten(start_dim=-3, end_dim=-2) @ x.T", "flatten(x, 0, -1)", "x.slice_scatter(x[:, :2], 1, 3, 0, -2)",
    "gather(x, 1, argmin(x, 1, True))", "softmax(tril(x @ x.T), 1)")
for name in DTYPES:
    add(f"x: {name}[5, 4]", "tril(x)", "triu(x, 1)", "x[::-1, 1::-1]", "x.flip(-1)")
    add(f"x: {name}[5, 4], i: i64[3, 4]", "gather(x, 0, i)", i=5)
    add(f"x: {name}[5, 4], i: i32[5, 2]", "x.gather(1, i)", "gather(x, dim=-1, index=i[1:3])", i=4)
    if name[0] != "c":
        add(f"x: {name}[5, 4]", "argmax(x, 1)", "argmin(x)", "argmax(x[:, ::-1], 0)")
for name in DTYPES[1:5]:
    add(f"x: {name}[37]", "x % 2", "x % -3", "5 % x", "x * 7 % 3", "(x * 1000) % 7")
    if name[0] == "i":
        add(f"x: {name}[9]", "x & 3", "4 | x", "x ^ -1", "~x & 1 == 0", "where(x & 1 == 1, x, -x)")
add("x: f64[3, 4], y: f64[4]", "sum(x % y)", "(x * 3) % (y + 0.25)")
add("x: f32[6], i: i64[9]", "gather(x, 0, i)", "x.gather(-1, i) * i", i=6)
add("x: f64[2, 3, 4], i: i64[2, 2, 3]", "gather(x, 1, i)", "gather(x * 2, -2, i).sum(0)", "flatten(gather(x, 1, i), 1)", i=3)
add("x: f32[3, 4]", "masked_fill(x, x > 0, float('-inf'))", "x.masked_fill(x > 0, 2)")
add("x: i64[3, 4]", "masked_fill(x, x > 0, 7)")
add("x: bool[3, 4]", "x.masked_fill(x, False)")
add("x: i64[5], i: i64[7]", "one_hot(i, 4)", "one_hot(i, num_classes=6)", i=4)
add("x: c64[3, 4]", "var(x, 1)", "std(x)", "x.T", "detach(x)", "addmm(x, x @ x.T, x)")
for dtype in DTYPES:
    add(f"x: {dtype}[3, 4]", "sum(x)", "sum(x, 1)", "prod(x, 1)", "mean(x, 0)", "any(x, 1)")
    if dtype[0] != "c":
        add(f"x: {dtype}[3, 4]", "amax(x, 1)", "amin(x)", "logsumexp(x, 1)", "softmax(x, 0)")
    add(f"x: {dtype}[3, 0]", "sum(x, 1)", "sum(x)", "prod(x, 1)", "any(x, 1)", "mean(x, 0)", "x + 1", "sum(x, 0)")
    add(f"x: {dtype}[()]", "sum(x)", "x * 2", "x.reshape(1)", "x.expand(3)", "x.unsqueeze(0)", "prod(x, ())", "sum(x, ())")
add("x: f32[3, 0]", "logsumexp(x, 1)", "mean(x, 1)", "softmax(x, 1)", "amax(x, 0)", "x.sum(0).sum()", "x @ x.transpose(0, 1)",
    "x.transpose(0, 1) @ x")

# pointwise, with every dtype it takes
UNARY = "log log1p expm1 sqrt rsqrt sin cos tan tanh sigmoid erf gelu silu softplus".split()
for name in UNARY:
    for dtype in ("f32", "f64", "i32", "i64", "bool"):
        add(f"x: {dtype}[37]", f"{name}(x)")
    add("x: f32[2, 3]", f"x.abs().{name}()" if name not in ("gelu", "silu", "softplus") else f"{name}(input=x.abs())")
for name in ("neg", "abs", "exp", "reciprocal", "square", "conj", "real", "imag"):
    for dtype in DTYPES:
        if (name, dtype) == ("neg", "bool"):
            continue
        add(f"x: {dtype}[19]", f"{name}(x)")
    add("x: c64[5]", f"x.{name}()")
for name in ("relu", "sign", "floor", "ceil", "round"):
    for dtype in DTYPES[:5]:
        add(f"x: {dtype}[19]", f"{name}(x)", f"x.{name}()")
add("x: f32[9]", "round(x * 2) / 2", "-x", "+x", "- -x", "-(x)", "2 - -x", "torch.exp(x)", "torch.relu(-x)")
add("x: bool[9], y: bool[9]", "logical_not(x)", "x.logical_not()", "logical_and(x, y)", "x.logical_or(y)", "logical_or(x, other=y)",
    "x + y", "x * y", "maximum(x, y)", "minimum(x, y)", "x == y", "x != y", "x < y", "x >= y", "x / 2", "x * 2", "x + 1.5", "x - 1",
    "where(x, y, False)", "x + True", "x * 1j", "x ** 2", "2 ** x", "x // 2", "1 - x", "add(x, 1)", "x / y.to(f32)")

for a in DTYPES:
    for b in DTYPES:
        pair = f"x: {a}[5], y: {b}[5]"
        add(pair, "x + y", "x * y", "x / y", "x == y", "add(x, y)", "x.mul(y)", "where(x == y, x, y)", "cat([x, y])",
            "stack([x, y], dim=1)", 'einsum("i,i->", x, y)', 'einsum("i,j", x, y)', "x @ y", "tensordot(x, y, dims=1)")
        if not (a == b == "bool"):
            add(pair, "x - y")
            if a[0] != "c" and b[0] != "c":
                add(pair, "x // y", "x ** y", "div(x, y, rounding_mode='trunc')", "x.div(y, rounding_mode=\"floor\")")
        if a[0] in "bi" and b[0] in "bi":
            add(pair, "x & y", "x | y", "x ^ y", "~x", "bitwise_and(x, y) | bitwise_xor(y, x)", "x.bitwise_or(y) ^ ~y")
        if a[0] != "c" and b[0] != "c" and not (a == b == "bool"):
            add(pair, "x % y", "remainder(y, x)", "x.remainder(y) * 2")
        if a[0] != "c" and b[0] != "c":
            add(pair, "maximum(x, y)", "x.minimum(y)", "x < y", "x.ge(y)", "lt(x, y)")
    for literal in ("2", "2.5", "True", "1j", "-3", "0", "1e3", "(1 + 2j)", "(2 ** 3)", "(1 / 4)", "(7 // 2)", "-0.0"):
        x = f"x: {a}[5]"
        add(x, f"x * {literal}", f"{literal} + x", f"x == {literal}", f"where(x == x, x, {literal})", f"einsum(',i->i', {literal}, x)",
            f"cat([x, stack([x[0], {literal}])])")
        if literal not in ("0", "-0.0"):
            add(x, f"x / {literal}")
        if not (a == "bool" and literal == "True"):
            add(x, f"{literal} - x", f"x - {literal}")
            if a[0] != "c" and "j" not in literal:
                add(x, f"x // {literal}", f"x ** {literal}" if literal != "-3" or a not in ("i32", "i64", "bool") else "x ** 3",
                    f"div(x, {literal}, rounding_mode='trunc')")
        if a[0] != "c" and "j" not in literal:
            add(x, f"maximum(x, {literal})", f"x > {literal}", f"{literal} <= x")
    for b in DTYPES:
        add(f"x: {a}[7]", f"x.to({b})", f"to(x, {b})", f"x.to(dtype={b})", f"to(input=x, dtype={b})")
add(M, "x.to(torch.float64)", "x.to(torch.bool)", "x.to(torch.complex64)", "x.to(torch.int32) * 3 // 2")
add("x: f32[4], y: f32[4]", "div(x, y)", "div(x, other=y)", "div(x, y, rounding_mode=None)", "div(x, y, rounding_mode='floor')",
    "x.div(y)", "x.div(2.0, rounding_mode='trunc')", "floor_divide(x, y)", "pow(x.abs(), y)", "pow(2.0, x)", "pow(x, 2)",
    "x.pow(3)", "x.pow(exponent=2)", "x ** 2 ** 1", "-x ** 2", "2 ** -x", "x.mul(other=2)", "mul(x, other=y)", "sub(x, y)",
    "x.sub(y)", "x.where(x > 0, y)", "torch.where(x > y, x, 0)", "where(condition=x > y, input=x, other=y)", "where(x < 0, 0, 1)",
    "where(x < 0, 0.5, 1)", "x.eq(y)", "x.ne(other=y)", "(x < y) == (y > x)", "x / (2 * y)", "5 / (2 * y)", "2 * x / 3.0 * 5",
    "x / 0.0", "x / 3", "x * 1e30 * 1e30", "x * 1e-30 * 1e-30 * 1e30", "x * 3e38 * 1e-3", "1e300 * x", "x * float('inf')",
    "x + float('nan')", "x - float('-inf')", "x * (2 + 3) ** 2", "x * 1_000", "x + 0x10", "x + 1.5e1", "x * .5", "x * 5.")

# layout
C3 = "x: f32[2, 3, 4]"
add(C3, "x.permute(2, 0, 1)", "x.permute((2, 0, 1))", "x.permute([-1, 0, 1])", "permute(x, (1, 2, 0))", "permute(x, dims=(0, 2, 1))",
    "x.permute(dims=[2, 1, 0])", "x.transpose(0, 1)", "x.transpose(-1, 0)", "transpose(x, 1, 2)", "transpose(x, dim0=0, dim1=-1)",
    "x.transpose(dim0=1, dim1=1)", "x.reshape(6, 4)", "x.reshape((4, 6))", "x.reshape(-1)", "x.reshape(2, -1)", "reshape(x, (3, 8))",
    "reshape(x, [24])", "reshape(x, shape=(2, 2, -1))", "x.reshape(1, 24, 1)", "x.view(6, 4)", "x.view(-1, 2)",
    "x.permute(2, 0, 1).reshape(8, 3)", "x.permute(2, 1, 0).reshape(4, 6) * 2", "x.unsqueeze(0)", "x.unsqueeze(-1)", "unsqueeze(x, 2)",
    "unsqueeze(x, dim=-2)", "x[:1].squeeze()", "x[:1].squeeze(0)", "x[:, :1].squeeze(dim=1)", "squeeze(x[:1], -3)", "x.squeeze(0)",
    "squeeze(x[:1, :1], (0, 1))", "x[:, :1].expand(2, 5, 4)", "x[:, :1].expand(-1, 5, -1)", "x[0, 0].expand(3, 4)",
    "x.expand(5, 2, 3, 4)", "expand(x[:1], (3, 3, 4))", "x[:1].expand([3, -1, -1])", "expand(x, size=(1, 2, 3, 4))",
    "x[0]", "x[-1]", "x[1, 2]", "x[1, 2, 3]", "x[:]", "x[0:1]", "x[:, 1:3]", "x[:, :, ::2]", "x[..., 1]", "x[..., 1:]", "x[..., None]",
    "x[None]", "x[None, ..., None]", "x[0, ..., 0]", "x[:, None, 1:, ::3]", "x[-2:, -1]", "x[:-1]", "x[1:1]", "x[5:]", "x[-9:9]",
    "x[:, 2:1]", "x[:, 1::2, -3:-1]", "x[1:][0]", "x[:, 1][:, 2]", "x[1, None, :, None, 2]", "x[..., -1, :]", "x[0][0][0]", "x[...]",
    "x[()]", "x[0, :, :][..., ::2].sum(0)", "x.transpose(0, 2)[1:, ::2].reshape(-1)", "x[0, 1] * x[1, :, 2:3]", "(x + 1)[0]",
    "x[:, 1:2, :] * x", "x[:, -1:].transpose(1, 2)", "x[None, :, None].reshape(2, 12)", "x[::2, ::2, ::2]", "x[:, :, 3:0]", "x[:, ::5]",
    "cat([x, x])", "cat((x, x), 1)", "cat([x, x[:, :, :1]], dim=-1)", "cat(tensors=[x, x], dim=0)", "cat([x])", "cat([x, x[:0]], 0)",
    "torch.cat([x, 2 * x], dim=2)", "cat([x[:, :0], x], 1).sum(1)", "stack([x, -x])", "stack((x, x), 1)", "stack([x, x], dim=-1)",
    "stack(tensors=[x], dim=3)", "stack([x[0, 0, 0], x[1, 1, 1]])", "cat([x.permute(2, 1, 0), x.permute(2, 1, 0)], 1)",
    "cat([x, x, x], 1)[:, 2:7]", "stack([x, x], 2).permute(3, 1, 2, 0).reshape(-1, 3)")
add("x: f32[a, b], y: f32[b, c]", "x.reshape(b, a)", "x.reshape(a * b)", "(x @ y).reshape(1, a, c)", "x.reshape(a * b, 1).expand(a * b, c)",
    "x[:, None].expand(a, 4, b)", "index_add(a * 2, 0, tensor([0, 0, 1]), y[:3])", "x.reshape(2 * b, -1).sum(0)", "x.view(-1, a)")
add("x: f32[5, 3], i: i64[7], j: i32[3]", "x[i]", "x[j]", "index_select(x, 0, i)", "x.index_select(0, j)", "index_select(x, dim=0, index=i)",
    "x[i][j]", "x[i].sum(0)", "x[:, j]", "x[..., j]", "index_select(x, -1, j)", "x[i] * x[i]", "index_add(5, 0, i, x[i])",
    "index_add(6, 0, dst=i, value=x[i])", "index_add(9, 1, j, x)", "index_add(n=3, dim=-1, dst=j, value=x)", "index_add(3, 0, j, x[:3, 0])",
    "index_add(5, 0, i, x[i].to(i32))", "index_add(5, 0, i, x[i] > 0)" if False else "index_add(5, 0, i, x[i]) + x",
    "x[i[2:4]]", "x[tensor([0, 2, 1])]", "x[i.to(i32)]", "x[2 - j]", "x.transpose(0, 1)[j]", "index_add(3, 0, j, x.transpose(0, 1))",
    "einsum('ec,ed->cd', x[i], x[i])", "x[i][:, j]", i=5, j=3)
add("x: c64[4, 3], y: i32[4, 3], z: bool[4, 3], i: i64[6], k: i32[4]", "x[i]", "y[i]", "z[i]", "index_add(3, 0, k, x)", "index_add(3, 0, k, y)",
    "index_add(2, 1, k[:3], y)" if False else "index_add(3, 0, k, x * y)", "cat([x, y])", "stack([y, z])", "where(z, x, y)", i=4, k=3)

# contractions
AB = "x: f32[3, 4], y: f32[4, 5]"
add(AB, "x @ y", "matmul(x, y)", "x.matmul(y)", "matmul(input=x, other=y)", "torch.matmul(x, y)", "x @ y[:, 0]", "x[0] @ y", "x[0] @ y[:, 0]",
    "tensordot(x, y, 1)", "tensordot(x, y, dims=1)", "tensordot(x, y, dims=([1], [0]))", "tensordot(x, y, ([1], [0]))",
    "tensordot(x, y, dims=[[-1], [-2]])", "tensordot(x, y, dims=0)", "tensordot(x, x)", "tensordot(x, x, 2)", "tensordot(x, x, ([0, 1], [0, 1]))",
    "tensordot(x, x, dims=((0,), (0,)))", "torch.tensordot(a=x, b=y, dims=1)", 'einsum("ij,jk->ik", x, y)', 'einsum("ij,jk", x, y)',
    'einsum("ij,jk", [x, y])', "einsum(' i j , j k -> k i ', x, y)", 'einsum("ij,jk->", x, y)', 'einsum("...j,jk->...k", x, y)',
    'einsum("ij->ji", x)', 'einsum("ij->", x)', 'einsum("ij", x)', 'einsum("ji", x)', 'einsum("ij,ij->ij", x, x)', 'einsum("ij,kj->ik", x, x)',
    'einsum("i...->...", x)', 'einsum("...->...", x)', 'einsum("...ij->...ji", x)', 'einsum("ij,kl->ijkl", x, y)', 'einsum("ij,jk,kl->il", x, y, y.transpose(0, 1))',
    '0.5 * einsum("ij,jk->ik", 2 * x, y / 3.0)', '2.0 * einsum("ij,jk->ik", x, y) / 3.0', 'einsum("ij,jk->ik", x, einsum("jk,kl->jl", y, y.transpose(0, 1)))',
    "a = 2 * x; return einsum('ij,ij->', a, a)", "a = 2 * x; return a * a", "y2 = 3 * y; a = 2 * x; return einsum('ij,jk->ik', a, y2), a.sum(), y2",
    "mul = x * 2; permute = mul + 1; return mul @ y, permute", "x = x * 2; x = x + 1; return x", "return x, y", "return x, x, x", "return (x @ y,)",
    "return x,", "z = x @ y; w = z + z; return w, z", "z = x; z = z; return z * 2", "a = b = x + 1; return a * b",
    "sum = x.sum(1); return sum[:, None] + x", "return 1.0 * x, 0 * y", "return x * 0 + 1", "return x.sum() * y", "k = einsum('ij->j', x); return k[:, None] * y",
    "relu = relu(x @ y); return relu.sum(0)" if False else "r = relu(x @ y); return r.sum(0)", "(x @ y) @ (x @ y).transpose(0, 1)", "softmax(x @ y, dim=-1) @ y.transpose(0, 1)",
    "return tensor([1.0, 2.0])", "return tensor(3)", "return x, tensor([True, False])", "return 2 * tensor([[1, 2], [3, 4]])")
add("x: f32[2, 3, 4], y: f32[2, 4, 5], v: f32[4]", "x @ y", "x @ v", "v @ y", "matmul(x, y[0])", "matmul(x[0], y)", "x[:, None] @ y[None]", "matmul(x[:1], y)",
    "tensordot(x, y, dims=([0, 2], [0, 1]))", "tensordot(x, y, dims=([2, 0], [1, 0]))", "tensordot(x, v, 1)", 'einsum("bij,bjk->bik", x, y)',
    'einsum("bij,bjk,j->", x, y, v)', 'einsum("...ij,...jk->...ik", x, y)', 'einsum("bij,j->bi", x, v)', 'einsum("bij->b", x)', 'einsum("bij,bjk->kib", x, y)')
add("x: f32[3, 3], y: f32[3, 1], s: f32[()], z: f32[3, 3, 3]", 'einsum("ii", x)', 'einsum("ii->i", x)', 'einsum("ij,ij->ij", x, y)', 'einsum("ij,jk->ik", y, x)',
    'einsum(",ij->ij", s, x)', 'einsum(",->", s, s)', 'einsum("->", s)', 'einsum("", s)', 'einsum("iij->ij", z)', 'einsum("iii->i", z)', 'einsum("iji->j", z)',
    'einsum("iij,jk->ik", z, x)', 'einsum("ii,jj->", x, x)', 'einsum("ii,i->i", x, x[0])', 'einsum("...ii->...i", z)', 'einsum("i...i", z)', "s * x", "x + s",
    'einsum("...,...->...", x, z)', 'einsum("...a,...a->...", z, x)', 'einsum("a...,b...->ab", x, z)', 'einsum("...a,a...", x, z)' if False else 'einsum("a...,a...->...", x, z)')
SEMI = "x: f32[3, 4], y: f32[4, 5], p: bool[3, 4], q: bool[4, 5], m: i32[3, 4], n: i64[4, 5]"
for reduce in ("sum", "max", "min", "logsumexp", "or"):
    for combine in ("mul", "add"):
        words = f'reduce="{reduce}", combine="{combine}"'
        if reduce != "or":
            add(SEMI, f'einsum("ij,jk->ik", x, y, {words})', f'einsum("ij,jk", m, n, {words})', f'einsum("ij->i", x, {words})', f'einsum("ij,jk->", x, n, {words})',
                f'einsum("...j,jk->...k", x, y, {words})', f'einsum("ij,ij->ij", x, x, {words})', f'einsum("ij,jk,kl->il", x, y, y.transpose(0, 1), {words})')
        add(SEMI, f'einsum("ij,jk->ik", p, q, {words})', f'einsum("ij->", p, {words})')
add(SEMI, 'einsum("ij,jk->ik", x, y, reduce="max")', 'einsum("ij,jk->ik", [p, q], reduce="or")', 'einsum("ij,jk->ik", x, y, combine="add")')

# constants
add("x: f32[2, 2]", "x @ tensor([[1.0, 0.0], [0.0, 1.0]])", "x * tensor([1, 2])", "x + tensor([1.0, 2.0], dtype=f64)", "x * tensor([1.0, 2.0], dtype=torch.float64)",
    "x * tensor(2.0)", "x * tensor([[True], [False]])", "x * tensor([1j, 2])", "x @ structural(tensor([[1.0, 0.0], [0.0, -1.0]]))", "tensor([1, 2]) * 3",
    "einsum('ij,jk->ik', x, structural(tensor([[0.0, 2.0], [0.0, 0.0]])))", "x + tensor([-1.0, +2.0])", "x * tensor([1 / 3, 2 ** 0.5])", "x @ tensor([[1, 2], [3, 4]], dtype=i32)",
    "tensor([1.0, 2.0]).sum() * x", "tensor([[1.0, 2.0], [3.0, 4.0]])[0] * x", "x * tensor(2, dtype=f64)", "x[tensor([1, 0, 1])]", "x + tensor([[]]).sum()",
    "where(tensor([True, False]), x, 0)", "index_add(2, 0, tensor([1, 1]), x)", "einsum('ij,ij->', x, tensor([[1.0, 2.0], [3.0, 4.0]]))", "x * tensor([[0.5, float('inf')]])")
add("x: f32[2, 6], w: f32[6], b: f32[6]", "layer_norm(x, (6,))", "layer_norm(x, [6])", "layer_norm(x, normalized_shape=(6,))", "layer_norm(x, (6,), w)",
    "layer_norm(x, (6,), w, b)", "layer_norm(x, (6,), weight=w, bias=b, eps=1e-3)", "layer_norm(x, (6,), bias=b)", "layer_norm(x, (2, 6))", "layer_norm(x, (6,), None, b)",
    "layer_norm(x, (6,), w, b, 1e-2)", "layer_norm(x.reshape(2, 2, 3), (2, 3))", "layer_norm(x.to(f64), (6,), w)")
add("x: i32[4], y: i32[4]", "x * 2147483647 + y", "x * x * x * 123456789", "x // y", "x // 3", "x // -3", "div(x, 3, rounding_mode='trunc')", "x / 2", "x ** 2", "x ** y", "sum(x * 1000000000)",
    "einsum('i,i->', x * 100000, y * 100000)", "-x", "abs(x)", "x.prod()", "mean(x)", "x * 0.5 * 2", "x * y * 0.5", "x.to(f32) / 3", "sqrt(x * x)", "x == 2.0", "x < 2.5", "x + 2147483647")
add("x: i64[4], y: i64[4]", "x * 9223372036854775807", "x * 4611686018427387904 * 2", "einsum('i,i->', x * 9223372036854775807, y)", "x - 9223372036854775807 - 2", "x // y", "y.pow(x)")
add("x: c64[3, 4], y: c128[4, 3]", "x @ y", "x * 1j", "conj(x)", "x.conj() * x", "real(x) + imag(x)", "abs(x)", "x / (2 + 1j)", "x / x", "exp(x)", "einsum('ij,ji->', x, y)", "sum(x)", "prod(x, 1)",
    "mean(x, 0)", "x == x", "x != 0", "square(x)", "reciprocal(x)", "x * 2.5", "x.to(c128)", "x.transpose(0, 1) - y", "einsum('ij->ji', conj(x))", "where(real(x) > 0, x, 0)", "real(1j * x)")

# operands that count by their shape or dtype
add("x: f32[3, 4], y: f64[1, 4], z: i32[4], s: f32[()]", "x.sum_to_size(y.shape)", "x.sum_to_size(z.shape)", "x.sum_to_size(s.shape)", "sum_to_size(x, y.shape)",
    "x.sum_to_size(size=x.shape)", "(x * y).sum_to_size(y.shape)", "(x * 1j).sum_to_size(z.shape)",
    "z.expand_as(x)", "y.expand_as(x)", "s.expand_as(x)", "expand_as(y, other=x)", "x.expand_as(x)", "s.expand_as(s)",
    "x.reshape(2, 6).reshape_as(x)", "y.reshape_as(z)", "z.view_as(y)", "reshape_as(input=z, other=y)", "s.reshape_as(s)", "s.unsqueeze(0).reshape_as(s)",
    "x.type_as(y)", "y.type_as(x)", "z.type_as(s) / 3", "z.type_as(x * 1j)", "type_as(z, other=z)", "x.type_as(x * 1j)", "type_as(2, y) * x",
    "zeros_like(x)", "zeros_like(z) + 1", "zeros_like(x > 0)", "zeros_like(input=x * 1j)", "torch.zeros_like(y)", "zeros_like(x) + y", "zeros_like(2) + z",
    "zeros_like(x).sum_to_size(y.shape)", "x * 0 + zeros_like(x)", "z.expand_as(x).sum_to_size(z.shape)", "z.expand_as(x).sum_to_size(y.shape)", "z.unsqueeze(0).sum_to_size(z.shape)", "z.sum_to_size(s.shape)", "z.sum_to_size(z.shape)", "2.5 * y.expand_as(x)", "y.expand_as(x) @ x.transpose(0, 1)",
    "x.type_as(y).type_as(x)", "einsum('ij,ij->', y.expand_as(x), x)", "z.expand_as(x).type_as(s) * s")
add("x: f32[3, 4], v: i64[3], s: f64[()]", "diag_embed(v)", "x.diag_embed()", "torch.diag_embed(x)", "diag_embed(input=x) @ x.unsqueeze(-1)", "s.unsqueeze(0).diag_embed()", "diag_embed(v > 0)",
    "einsum('...ii->...i', diag_embed(x))", "diag_embed(v).sum(0)", "diag_embed(x * 1j)", "diag_embed(x[:0])", "diag_embed(x[:, :0])", "diag_embed(v) @ x")
add("x: f32[4, 5], y: f32[2, 5], w: f64[4, 2], i: i32[5]", "slice_scatter(x, y, dim=0, start=1, end=3)", "slice_scatter(x, y, 0, 2)", "x.slice_scatter(y, 0, 0, 2)", "slice_scatter(x, y, step=2)",
    "slice_scatter(x, w, dim=1, start=-2)", "slice_scatter(x, w, dim=-1, start=0, end=4, step=2)", "slice_scatter(x, w, 1, 1, 5, 3)", "x.slice_scatter(src=y, end=2)", "slice_scatter(x, x)",
    "slice_scatter(x, x[:0], 0, 4)", "slice_scatter(x, y, start=1, end=3)[1:3]", "slice_scatter(zeros_like(x), y, 0, 1, None, 2)", "slice_scatter(x.to(i32), i.unsqueeze(0), 0, 0, 1)",
    "slice_scatter(x, y, 0, -3, -1).sum(0)", "slice_scatter(input=x, src=2 * y, dim=0, start=2, end=9)", "slice_scatter(slice_scatter(x, y, 0, 2), y, 0, 0, 2)")
add("x: f32[5, 3], y: f32[2, 3], z: f32[3, 3], c: i32[5, 7]", "split_as(x, [y, z], dim=0, part=0)", "split_as(x, [y, z], 0, 1)", "split_as(x, [y, z], -2, 1) @ z", "split_as(x, [x], 0, 0)", "split_as(c, [x, x[:, :1], x], 1, 1)",
    "split_as(cat([y, z]), [y, z], 0, 1)", "split_as(cat([y, z], 0), [y, z], 0, 0) * y", "split_as(x, (y, z), dim=0, part=1).sum()", "split_as(c, [x[:, :0], c], dim=-1, part=0)", "cat([split_as(x, [y, z], 0, 1), split_as(x, [y, z], 0, 0)])")
add("x: f32[5, 3], i: i64[7], j: i32[3], v: f64[7, 3], w: f32[5, 3]", "x.index_add(0, i, v)", "x.index_add(1, j, w)", "x.index_add(dim=-1, index=j, source=w)", "index_add_to(x, 0, i, v)", "x.index_add(0, i, x[i])",
    "zeros_like(x).index_add(0, i, v)", "x.index_add(0, i[:0], v[:0])", "x.to(i64).index_add(0, i, v.to(i32))", "(x * 1j).index_add(0, i, v)", "x.index_add(0, i, 2 * v) / 2", "(x * 3).index_add(0, i, v * 3)",
    "x[:, 0].index_add(0, i, v[:, 1])", "x.index_add(0, i, v).index_add(1, j, w)", "x.index_add(0, i, v) @ x.transpose(0, 1)", "index_add(5, 0, i, v).index_add(0, i, v)", i=5, j=3)
add("x: f32[3, 4], y: f32[4, 3], z: f32[3, 3]", "choose(x @ y, einsum('ij,jk->ik', x, y))", "choose(x)", "choose(z @ x, x, equal=[(1, x, 0, y, 0)])", "choose(x @ y, z, equal=[(1, x, 0, x, 1)]) * 2",
    "choose((x @ y) @ z, x @ (y @ z))", "choose(x.sum(0) + y.sum(1), y.sum(1) + x.sum(0), equal=[(1, x, 1, y, 0), (1, x, 0, y, -1)])", "choose(x * 2, x + x, 2 * x).sum(1)")
add("x: f32[3, 4], y: f32[4, 3]", "sum = x.sum(1); return sum[:, None] + x", "einsum = x @ y; return einsum @ x", "exp = x.exp(); log = exp.log(); return log - x, exp", "tensor = x * torch.tensor([1.0, 2.0, 3.0, 4.0]); return tensor",
    "f32 = x.to(f64); return f32.to(torch.float32), f32", "cat = torch.cat([x, x]); stack = torch.stack([cat, cat]); return stack", "where = torch.where(x > 0, x, 0); return where.sum(0)", "mul = 2 * x; add = mul + x; return add * mul")

"""The names that a program finds when Python itself runs it: torch's functions under NumPy 2's dtype rules.

Takes  a program's text and NumPy arrays.
Gives  its results as torch computes them. Operands meet as NumPy's arrays and Python's numbers do (literals are weak),
       functions of real numbers take integers as f64; the functions that torch lacks (index_add into zeros,
       semirings, structural) are written here.
Not here: the text form of einjit; Python reads the text.
"""
import types

import numpy as np
import torch as _torch

DTYPE = {"bool": _torch.bool, "i32": _torch.int32, "i64": _torch.int64, "f32": _torch.float32, "f64": _torch.float64,
         "c64": _torch.complex64, "c128": _torch.complex128}
_TO_NUMPY = {_torch.bool: np.dtype(bool), _torch.int32: np.dtype(np.int32), _torch.int64: np.dtype(np.int64),
             _torch.float32: np.dtype(np.float32), _torch.float64: np.dtype(np.float64),
             _torch.complex64: np.dtype(np.complex64), _torch.complex128: np.dtype(np.complex128)}
_TO_TORCH = {v: k for k, v in _TO_NUMPY.items()}
_WHOLE = (_torch.bool, _torch.int32, _torch.int64)
_SINGLE = {_torch.float64: _torch.float32, _torch.complex128: _torch.complex64}
_DOUBLE = {single: double for double, single in _SINGLE.items()}
_rounding = {"written": {}, "single": _SINGLE, "double": _DOUBLE}
_instead = {}
_pick = [0]


class Refused(Exception):
    pass


def _promote(values):
    kinds = [_TO_NUMPY[x.t.dtype] if isinstance(x, T) else x for x in values]
    return _TO_TORCH[np.result_type(*kinds)]


def _as(x, dtype):
    return x.t.to(dtype) if isinstance(x, T) else _torch.tensor(x, dtype=dtype)


def _meet(*values):
    dtype = _promote(values)
    return [_as(x, dtype) for x in values]


def _floating(x, real=False):
    if x.is_complex() and real:
        raise Refused("complex")
    return x.double() if x.dtype in _WHOLE else x


# ---- pointwise ----

def _real_function(compute, real=True):
    return lambda input: T(compute(_floating(_meet(input)[0], real)))


def _ordered(compute):
    def run(input):
        x = _meet(input)[0]
        if x.is_complex():
            raise Refused("complex")
        return T(x.clone() if x.dtype == _torch.bool else compute(x))
    return run


def _rounded(compute):
    def run(input):
        x = _meet(input)[0]
        if x.is_complex():
            raise Refused("complex")
        return T(x.clone() if x.dtype in _WHOLE else compute(x))
    return run


def _arithmetic(compute):
    def run(input):
        x = _meet(input)[0]
        return T(x.clone() if x.dtype == _torch.bool else compute(x))
    return run


def _binary(compute, whole=None):
    def run(input, other):
        x, y = _meet(input, other)
        return T(compute(x, y) if whole is None or x.dtype not in _WHOLE else whole(x, y))
    return run


def _compare(compute):
    def run(input, other):
        x, y = _meet(input, other)
        return T(compute(x, y))
    return run


def _logic(compute):
    def run(input, other):
        return T(compute(input.t, other.t))
    return run


def _true_divide(x, y):
    x, y = _floating(x), _floating(y)
    return x / y


def _whole_divide(mode):
    def run(x, y):
        safe = _torch.where(y == 0, _torch.ones_like(y), y)
        return _torch.where(y == 0, _torch.zeros_like(x), _torch.div(x, safe, rounding_mode=mode))
    return run


def _float_divide(mode):
    if mode == "floor":
        return lambda x, y: _torch.from_numpy(np.asarray(np.floor_divide(x.numpy(), y.numpy())))
    return lambda x, y: _torch.div(x, y, rounding_mode=mode)


def _divide(input, other, rounding_mode=None):
    if rounding_mode is None:
        return _binary(_true_divide)(input, other)
    return _binary(_float_divide(rounding_mode), _whole_divide(rounding_mode))(input, other)


def _power(x, y):
    if x.dtype in _WHOLE:
        one, minus = x == 1, x == -1
        odd = (y % 2 != 0)
        small = _torch.where(one, 1, _torch.where(minus, _torch.where(odd, -1, 1), 0)).to(x.dtype)
        return _torch.where(y < 0, small, _torch.pow(x, y.clamp(min=0)))
    return _torch.pow(x, y)


def _sign(x):
    return _torch.where(_torch.isnan(x), x, _torch.sign(x)) if x.is_floating_point() else _torch.sign(x)


def _where(condition, input, other):
    x, y = _meet(input, other)
    return T(_torch.where(condition.t, x, y))


F = _torch.nn.functional
_POINTWISE = {
    "neg": lambda input: T(-_meet(input)[0]),
    "abs": _arithmetic(_torch.abs),
    "exp": _real_function(_torch.exp, real=False),
    "reciprocal": _real_function(_torch.reciprocal, real=False),
    "gelu": _real_function(F.gelu), "silu": _real_function(F.silu),
    "softplus": _real_function(lambda x: _torch.logaddexp(x, _torch.zeros_like(x))),
    "relu": _ordered(_torch.relu), "sign": _ordered(_sign),
    "square": _arithmetic(_torch.square),
    "floor": _rounded(_torch.floor), "ceil": _rounded(_torch.ceil), "round": _rounded(_torch.round),
    "conj": _arithmetic(lambda x: _torch.conj(x).resolve_conj()),
    "real": lambda input: T(_meet(input)[0].real.clone() if _meet(input)[0].is_complex() else _meet(input)[0]),
    "imag": lambda input: T(_meet(input)[0].imag.clone() if _meet(input)[0].is_complex()
                            else _torch.zeros_like(_meet(input)[0])),
    "logical_not": lambda input: T(_torch.logical_not(input.t)),
    "add": _binary(_torch.add), "sub": _binary(_torch.sub), "mul": _binary(_torch.mul), "div": _divide,
    "floor_divide": lambda input, other: _divide(input, other, "floor"),
    "trunc_divide": lambda input, other: _divide(input, other, "trunc"),
    "maximum": _binary(_torch.maximum), "minimum": _binary(_torch.minimum),
    "eq": _compare(_torch.eq), "ne": _compare(_torch.ne), "lt": _compare(_torch.lt), "le": _compare(_torch.le),
    "gt": _compare(_torch.gt), "ge": _compare(_torch.ge),
    "logical_and": _logic(_torch.logical_and), "logical_or": _logic(_torch.logical_or),
    "where": _where,
    "remainder": _binary(_torch.remainder, lambda x, y: _torch.where(y == 0, 0, _torch.remainder(x, _torch.where(y == 0, 1, y)))),
    "bitwise_and": _binary(_torch.bitwise_and), "bitwise_or": _binary(_torch.bitwise_or),
    "bitwise_xor": _binary(_torch.bitwise_xor), "bitwise_not": lambda input: T(_torch.bitwise_not(_meet(input)[0])),
}
for _name in "log log1p expm1 sqrt rsqrt sin cos tan tanh sigmoid erf".split():
    _POINTWISE[_name] = _real_function(getattr(_torch, _name))


def _pow(input, exponent=None, other=None):
    return _binary(_power)(input, other if exponent is None else exponent)


# ---- contractions ----

def _whole_einsum(equation, xs):
    """torch's einsum; bool in numbers, i32 in i64, which its sums on the way are."""
    if xs[0].dtype == _torch.bool:
        return _torch.einsum(equation, *[x.long() for x in xs]) != 0
    if xs[0].dtype == _torch.int32:
        return _torch.einsum(equation, *[x.long() for x in xs]).int()
    return _torch.einsum(equation, *xs)


def _written_out(equation, xs, combine):
    """All labels spread out: the terms of a semiring einsum, and how many axes are left to reduce."""
    ins, arrow, out = equation.replace(" ", "").partition("->")
    terms = ins.split(",")
    letters = [t.replace("...", "") for t in terms]
    dots = max([x.dim() - len(t) for x, t in zip(xs, letters)])
    spare = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in equation][:dots]
    full = []
    for term, names, x in zip(terms, letters, xs):
        full.append(term.replace("...", "".join(spare[dots - (x.dim() - len(names)):])))
    if not arrow:
        joined = "".join(letters)
        out = ("..." if "..." in ins else "") + "".join(sorted(c for c in set(joined) if joined.count(c) == 1))
    out = out.replace("...", "".join(spare))
    every = out + "".join(sorted(set("".join(full)) - set(out)))
    result = None
    for term, x in zip(full, xs):
        one = "".join(dict.fromkeys(term))
        x = _torch.einsum(f"{term}->{one}", x.long() if x.dtype == _torch.bool else x).to(x.dtype)
        x = x.permute([one.index(c) for c in every if c in one])
        for k, c in enumerate(every):
            if c not in one:
                x = x.unsqueeze(k)
        result = x if result is None else result * x if combine == "mul" else result + x
    return result, len(every) - len(out), _extents_behind(result, len(out))


def _extents_behind(x, n):
    return list(range(n, x.dim()))


def _einsum(equation, *operands, reduce="sum", combine="mul"):
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = operands[0]
    xs = _meet(*operands)
    if reduce == "sum" and combine == "mul":
        return T(_whole_einsum(equation, xs))
    if reduce == "logsumexp":
        xs = [_floating(x, True) for x in xs]
    terms, n, dims = _written_out(equation, xs, combine)
    if not n:
        return T(terms)
    if reduce == "sum":
        return T(terms.sum(dims).to(terms.dtype) if terms.dtype != _torch.bool else terms.any(dims))
    if reduce == "or":
        return T(terms.any(dims))
    return T({"max": _torch.amax, "min": _torch.amin, "logsumexp": _torch.logsumexp}[reduce](terms, dims))


def _matmul(input, other):
    x, y = _meet(input, other)
    if x.dtype == _torch.bool:
        return T(_torch.matmul(x.long(), y.long()) != 0)
    return T(_torch.matmul(x, y))


def _tensordot(a, b, dims=2):
    x, y = _meet(a, b)
    if x.dtype == _torch.bool:
        return T(_torch.tensordot(x.long(), y.long(), dims) != 0)
    return T(_torch.tensordot(x, y, dims))


# ---- reductions ----

def _dims(x, dim):
    if dim is None:
        return list(range(x.dim()))
    return [dim] if isinstance(dim, int) else list(dim)


def _reduction(compute, prepare=lambda x: x):
    def run(input, dim=None, keepdim=False):
        x = prepare(_meet(input)[0])
        dims = _dims(x, dim)
        return T(compute(x, dims, keepdim) if dims else x.clone())
    return run


def _wide(x):
    return x.long() if x.dtype in _WHOLE else x


def _product(x, dims, keepdim):
    for k in sorted((d % x.dim() for d in dims), reverse=True):
        x = _torch.prod(x, k, keepdim=keepdim)
    return x


def _layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    given = [x for x in (input, weight, bias) if x is not None]
    dtype = _promote(given)
    dtype = _torch.float64 if dtype in _WHOLE else dtype
    shape = [normalized_shape] if isinstance(normalized_shape, int) else list(normalized_shape)
    return T(F.layer_norm(_as(input, dtype), shape, None if weight is None else _as(weight, dtype),
                          None if bias is None else _as(bias, dtype), eps))


# ---- layout ----

def _flat(args):
    return list(args[0]) if len(args) == 1 and isinstance(args[0], (list, tuple)) else list(args)


def _squeeze(input, dim=None):
    x = _meet(input)[0]
    return T(x.squeeze() if dim is None else x.squeeze(tuple(dim) if isinstance(dim, (list, tuple)) else dim))


def _upwards(item, n):
    """The index of a slice whose step torch does not have."""
    return _torch.tensor(range(*item.indices(n)), dtype=_torch.long)


def _sliced(x, items):
    """x[items]; negative steps, which torch lacks, along axes that stay, beforehand."""
    if not any(isinstance(i, slice) and i.step is not None and i.step < 0 for i in items):
        return x[items]
    taken = sum(i is not None and i is not Ellipsis for i in items)
    full, axis = [], 0
    for item in items if Ellipsis in items else (*items, Ellipsis):
        if item is Ellipsis:
            full += [slice(None)] * (x.dim() - taken)
            axis += x.dim() - taken
            continue
        if isinstance(item, slice) and item.step is not None and item.step < 0:
            x = x.index_select(axis, _upwards(item, x.shape[axis]))
            item = slice(None)
        full.append(item)
        axis += item is not None
    return x[tuple(full)]


def _gather_places(input, dim, index):
    x = _meet(input)[0]
    return T(_torch.arange(x.numel()).reshape(x.shape).gather(dim, index.t.long()))


def _ranked(compute):
    def run(input, dim=None, keepdim=False):
        x = _meet(input)[0]
        if x.is_complex():
            raise Refused("complex")
        return T(compute(x.int() if x.dtype == _torch.bool else x, dim, keepdim))
    return run


def _index_add(n, dim, dst=None, value=None, index=None, source=None):
    index, value = (dst or index).t, (value or source).t
    shape = list(value.shape)
    shape[dim] = n
    zeros = _torch.zeros(shape, dtype=value.dtype)
    return T(zeros.index_add(dim, index, value))


# ---- operands that count by their shape ----

def _sum_to_size(input, size):
    x = _meet(input)[0]
    return T(x.sum_to_size(size).to(x.dtype))  # torch's sums of i32 are i64, if there is anything to sum


def _split_as(input, tensors, dim, part):
    sizes = [_meet(t)[0].shape[dim] for t in tensors]
    return T(_torch.split(_meet(input)[0], sizes, dim)[part])


def _slice_scatter(input, src, dim=0, start=None, end=None, step=1):
    x, y = _meet(input, src)
    if step < 0:  # torch has none: the places, one by one
        return T(x.index_copy(dim, _torch.arange(x.shape[dim])[_upwards(slice(start, end, step), x.shape[dim])], y))
    return T(_torch.slice_scatter(x, y, dim, start, end, step))


def _index_add_to(input, dim, index, source):
    x, y = _meet(input, source)
    return T(x.index_add(dim, index.t, y))


def _choose(first, *others, equal=()):
    """Any of the alternatives that are right for these extents: which one, run() says."""
    ways = (first,) + others
    wrong = {way for way, x, p, y, q in equal if _meet(x)[0].shape[p] != _meet(y)[0].shape[q]}
    right = [x for way, x in enumerate(ways) if way not in wrong]
    return right[min(_pick[0], len(right) - 1)]


def _tensor(data, dtype=None):
    return T(_torch.tensor(data, dtype=dtype))


def _extreme(compute, of_two):
    def run(input, dim=None, keepdim=False, other=None):
        other = dim if isinstance(dim, T) else other
        if other is not None:
            return _SCOPE[of_two](input, other)
        x = _meet(input)[0]
        if x.is_complex():
            raise Refused("complex")
        return T(compute(x) if dim is None else compute(x, dim, keepdim).values)
    return run


def _spread(compute):
    def run(input, dim=None, correction=1, keepdim=False, unbiased=None):
        correction = correction if unbiased is None else int(unbiased)
        return T(compute(_floating(_meet(input)[0]), dim, correction=correction, keepdim=keepdim))
    return run


def _clamp(input, min=None, max=None):
    for limit, name in ((min, "maximum"), (max, "minimum")):
        input = input if limit is None else _SCOPE[name](input, limit)
    return input


def _addmm(compute, first, second):
    def run(input, *args, beta=1, alpha=1, **words):
        a, b = [*args, *(words[name] for name in (first, second) if name in words)]
        return T(compute(*_meet(input, a, b), beta=beta, alpha=alpha))
    return run


_SCOPE = dict(
    _POINTWISE, pow=_pow, einsum=_einsum, matmul=_matmul, tensordot=_tensordot,
    sum=_reduction(lambda x, d, k: x.sum(d, k), _wide), prod=_reduction(_product, _wide),
    mean=_reduction(lambda x, d, k: x.mean(d, k), _floating),
    amax=_reduction(lambda x, d, k: _torch.amax(x, d, k)), amin=_reduction(lambda x, d, k: _torch.amin(x, d, k)),
    logsumexp=_reduction(lambda x, d, k: _torch.logsumexp(x, d, k), lambda x: _floating(x, True)),
    any=_reduction(lambda x, d, k: _torch.any(x, d, k), lambda x: x != 0),
    log_softmax=lambda input, dim: T(_torch.log_softmax(_floating(_meet(input)[0], True), dim)),
    max=_extreme(_torch.max, "maximum"), min=_extreme(_torch.min, "minimum"),
    var=_spread(_torch.var), std=_spread(_torch.std),
    clamp=_clamp, masked_fill=lambda input, mask, value: T(_meet(input)[0].masked_fill(mask.t, value)),
    addmm=_addmm(_torch.addmm, "mat1", "mat2"), baddbmm=_addmm(_torch.baddbmm, "batch1", "batch2"),
    bmm=lambda input, mat2: T(_torch.bmm(*_meet(input, mat2))),
    arange=lambda *x: T(_torch.arange(*x)),
    one_hot=lambda input, num_classes: T(_torch.nn.functional.one_hot(input.t.long(), num_classes)),
    argmax=_ranked(_torch.argmax), argmin=_ranked(_torch.argmin),
    tril=lambda input, diagonal=0: T(_torch.tril(_meet(input)[0], diagonal)),
    triu=lambda input, diagonal=0: T(_torch.triu(_meet(input)[0], diagonal)),
    gather=lambda input, dim, index: T(_meet(input)[0].gather(dim, index.t.long())), gather_places=_gather_places,
    flip=lambda input, *args, dims=None: T(_meet(input)[0].flip(_flat(args) if dims is None else dims)),
    flatten=lambda input, *args, **words: T(_torch.flatten(_meet(input)[0], *args, **words)), detach=lambda input: T(_meet(input)[0].detach()),
    softmax=lambda input, dim: T(_torch.softmax(_floating(_meet(input)[0], True), dim)),
    layer_norm=_layer_norm,
    permute=lambda input, *args, dims=None: T(_meet(input)[0].permute(_flat(args) if dims is None else dims)),
    transpose=lambda input, dim0, dim1: T(_meet(input)[0].transpose(dim0, dim1)),
    reshape=lambda input, *args, shape=None: T(_meet(input)[0].reshape(_flat(args) if shape is None else shape)),
    expand=lambda input, *args, size=None: T(_meet(input)[0].expand(_flat(args) if size is None else size)),
    unsqueeze=lambda input, dim: T(_meet(input)[0].unsqueeze(dim)), squeeze=_squeeze,
    cat=lambda tensors, dim=0: T(_torch.cat(_meet(*tensors), dim)),
    stack=lambda tensors, dim=0: T(_torch.stack(_meet(*tensors), dim)),
    index_select=lambda input, dim, index: T(_torch.index_select(_meet(input)[0], dim, index.t)),
    index_add=_index_add, to=lambda input, dtype: T(_meet(input)[0].to(dtype)),
    sum_to_size=_sum_to_size, split_as=_split_as, slice_scatter=_slice_scatter, index_add_to=_index_add_to,
    expand_as=lambda input, other: T(_meet(input)[0].expand_as(_meet(other)[0])),
    reshape_as=lambda input, other: T(_meet(input)[0].reshape_as(_meet(other)[0])),
    type_as=lambda input, other: T(_meet(input)[0].to(_meet(other)[0].dtype)),
    zeros_like=lambda input: T(_torch.zeros_like(_meet(input)[0])),
    diag_embed=lambda input: T(_torch.diag_embed(_meet(input)[0])),
    structural=lambda input: input, choose=_choose, tensor=_tensor,
    empty=lambda *size, dtype=_torch.float32: T(_torch.empty(_flat(size), dtype=dtype)),
)
_SCOPE["view"], _SCOPE["view_as"] = _SCOPE["reshape"], _SCOPE["reshape_as"]
_METHODS = [n for n in _SCOPE if n not in ("einsum", "tensordot", "cat", "stack", "index_add", "layer_norm",
                                           "split_as", "zeros_like", "structural", "choose", "tensor", "empty", "where", "arange", "gather_places")]


class T:
    """A tensor whose operators follow the rules above."""

    def __init__(self, t):
        self.t = t.to(_instead[t.dtype]) if t.dtype in _instead else t

    def __getitem__(self, items):
        items = items if isinstance(items, tuple) else (items,)
        return T(_sliced(self.t, tuple(i.t.long() if isinstance(i, T) else i for i in items)))

    @property
    def shape(self):
        return self.t.shape

    @property
    def T(self):
        if self.t.ndim != 2:
            raise Refused("no matrix")
        return T(self.t.T)

    @property
    def mT(self):
        return T(self.t.mT)

    def __invert__(self):
        return _SCOPE["bitwise_not"](self)

    def index_add(self, dim, index, source):
        return _index_add_to(self, dim, index, source)

    def where(self, condition, other):
        return _where(condition, self, other)

    def __neg__(self):
        return _SCOPE["neg"](self)

    def __pos__(self):
        return self

    __hash__ = None


def _method(name):
    return lambda self, *args, **words: _SCOPE[name](self, *args, **words)


for _name in _METHODS:
    setattr(T, _name, _method(_name))
for _sign_name, _name in (("add", "add"), ("sub", "sub"), ("mul", "mul"), ("truediv", "div"),
                          ("floordiv", "floor_divide"), ("pow", "pow"), ("matmul", "matmul"), ("mod", "remainder"),
                          ("and", "bitwise_and"), ("or", "bitwise_or"), ("xor", "bitwise_xor")):
    setattr(T, f"__{_sign_name}__", lambda a, b, f=_name: _SCOPE[f](a, b))
    setattr(T, f"__r{_sign_name}__", lambda a, b, f=_name: _SCOPE[f](b, a))
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(T, f"__{_name}__", lambda a, b, f=_name: _SCOPE[f](a, b))


def _symbols(function, arrays):
    """Extents' names, as the annotations bind them to the observed arrays."""
    found = {}
    for annotation, a in zip(function.__annotations__.values(), arrays):
        inside = annotation.partition("[")[2].rpartition("]")[0]
        for name, extent in zip([s.strip() for s in inside.split(",")], a.shape):
            if name.isidentifier():
                found[name] = extent
    return found


def _call(text, tensors):
    """The results of a program over tensors, as it returns them."""
    scope = dict(_SCOPE, **DTYPE, float=float, complex=complex,
                 torch=types.SimpleNamespace(**_SCOPE, **{n: getattr(_torch, n) for n in
                                             ("float32", "float64", "complex64", "complex128", "int32", "int64", "bool")}))
    exec(compile("from __future__ import annotations\n" + text, "program", "exec"), scope)
    function = [v for v in scope.values() if isinstance(v, types.FunctionType) and v.__code__.co_filename == "program"][-1]
    scope.update(_symbols(function, tensors))
    results = function(*[T(t) for t in tensors])
    return results if isinstance(results, tuple) else (results,)


def _as_tensor(a):
    return _torch.from_numpy(np.ascontiguousarray(a).reshape(a.shape).copy())


def run(text, arrays, precision="written", pick=0):
    """The results of a program, run by Python: a list of arrays. `precision` single or double: every value so instead,
    to see what rounding does to this program. `pick`: which of several alternatives."""
    _pick[0] = pick
    _instead.clear()
    _instead.update(_rounding[precision])
    return [r.t.resolve_conj().numpy() if isinstance(r, T) else np.asarray(r) for r in _call(text, map_tensors(arrays))]


def map_tensors(arrays):
    return [_as_tensor(a) for a in arrays]


def _by(y, seed, tensors):
    """Zeros where y does not depend on a tensor."""
    if not y.requires_grad:
        return [_torch.zeros_like(t) for t in tensors]
    found = _torch.autograd.grad(y, tensors, seed, allow_unused=True, create_graph=True)
    return [_torch.zeros_like(t) if g is None else g for g, t in zip(found, tensors)]


def gradients(text, arrays, seed, twice=False):
    """Of a program's first result, whose adjoint is `seed`, by every floating or complex array, as autograd has them; twice:
    then those of the sum of all their squared magnitudes."""
    _instead.clear()
    _pick[0] = 0
    tensors = map_tensors(arrays)
    floating = [t.requires_grad_() for t in tensors if t.is_floating_point() or t.is_complex()]
    found = _by(_call(text, tensors)[0].t, _as_tensor(seed), floating)
    if twice and floating:
        found = _by(sum((g * g.conj()).real.sum().double() for g in found), None, floating)
    return [g.detach().resolve_conj().resolve_neg().numpy() for g in found]

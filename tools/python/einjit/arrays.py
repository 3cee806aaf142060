"""What Python does for arrays that the extension cannot take as they are: other dtypes, lists, lazy views, results for
jax.

NumPy, torch and jax are imported only when an operand is theirs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from . import _einjit
from .errors import DtypeError, InvalidError

Array = Any
"""numpy.ndarray, torch.Tensor, jax.Array, or anything with DLPack or the buffer protocol."""

DTYPE_NAMES = {
    "bool": "bool",
    "int8": "i8",
    "uint8": "u8",
    "int16": "i16",
    "int32": "i32",
    "int64": "i64",
    "float16": "f16",
    "bfloat16": "bf16",
    "float32": "f32",
    "float64": "f64",
    "complex64": "c64",
    "complex128": "c128",
}
"""The library's names of the dtypes that it computes with, by NumPy's and torch's."""


def is_torch(x: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def overridden(function: object, arrays: Sequence[object], operands: Sequence[object], options: dict[str, Any]) -> Any:
    """What a class of tensors makes of a call (torch's __torch_function__), or a node where torch.fx traces; else
    NotImplemented."""
    torch = sys.modules.get("torch")
    if torch is None:
        return NotImplemented
    proxy = next((x for x in arrays if isinstance(x, torch.fx.Proxy)), None)
    if proxy is not None:
        return proxy.tracer.create_proxy("call_function", function, tuple(operands), options)
    if torch.overrides.has_torch_function(arrays):
        return torch.overrides.handle_torch_function(function, arrays, *operands, **options)
    return NotImplemented


def _is_numpy(x: object) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(x, (numpy.ndarray, numpy.generic))


# ---- hooks of the extension ----


def accept(kind: type) -> bool:
    """Whether arrays of this type are read as they are: not what tracers hand around, nor tensors of a class that has
    a say in what is done with them."""
    torch = sys.modules.get("torch")
    if torch is not None and issubclass(kind, torch.Tensor):
        plain = kind is torch.Tensor or kind.__torch_function__ is torch._C._disabled_torch_function_impl  # type: ignore[attr-defined]
        return bool(plain and kind.__torch_dispatch__ is torch.Tensor.__torch_dispatch__)  # type: ignore[attr-defined]
    if torch is not None and issubclass(kind, torch.fx.Proxy):
        return False
    masks = sys.modules.get("numpy.ma")
    if masks is not None and issubclass(kind, masks.MaskedArray):
        return False
    jax = sys.modules.get("jax")
    return jax is None or not issubclass(kind, jax.core.Tracer)


def coerce(x: object, why: str) -> Array:
    """An array in the place of x, which cannot be read: NumPy's array of a list or a number, or a tensor without its
    lazy flags. The dtype stays. Raises a DtypeError or an InvalidError that says why not."""
    if is_torch(x):
        return _tensor_with_memory(x, why)
    if isinstance(x, (list, tuple, int, float, complex)):
        import numpy

        return numpy.asarray(x)
    if _is_numpy(x) and ("strides" in why or not accept(type(x))):
        refuse_masks([x])
        import numpy

        return numpy.array(x)
    dtype = getattr(x, "dtype", None)
    reason = DtypeError if "dtype" in why or dtype is None else InvalidError
    raise reason(
        f"an operand of type {type(x).__module__}.{type(x).__qualname__}"
        f"{f' and dtype {dtype}' if dtype is not None else ''} {why}"
    )


def _tensor_with_memory(x: Any, why: str) -> Array:
    if x.device.type != "cpu":
        raise InvalidError(f"a tensor on the device '{x.device}': einjit computes on the CPU")
    import torch

    if type(x).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__:
        raise InvalidError(f"a {type(x).__name__}, which has no memory of its own")
    if "lazy" in why:
        return x.resolve_conj().resolve_neg()
    if not accept(type(x)):
        with torch._C.DisableTorchFunctionSubclass():
            return x.as_subclass(torch.Tensor).resolve_conj().resolve_neg()
    raise (DtypeError if "dtype" in why else InvalidError)(
        f"a torch tensor of dtype {x.dtype} and layout {x.layout} {why}"
    )


def wrap(made: Array, like: object) -> Array:
    """An array of ours as the kind of `like`, without a copy."""
    if _is_numpy(like):
        import numpy

        return numpy.asarray(made)[()]
    root = type(like).__module__.partition(".")[0]
    if root in ("jax", "jaxlib"):
        import jax

        return jax.dlpack.from_dlpack(made)
    space = getattr(like, "__array_namespace__", None)
    return space().from_dlpack(made) if space else made


def asarray(x: object) -> Array:
    """x as it is where it is an array of some kind, else NumPy's array of it."""
    if hasattr(x, "__dlpack__") or isinstance(x, (memoryview, _einjit.Array)):
        return x
    import numpy

    return numpy.asarray(x)


# ---- dtypes that the library does not compute with ----

_NUMPY_WIDER = {"i": "i4", "u": "i8", "f": "f8", "c": "c16"}
SIGNED = {
    "uint16": "int32",
    "uint32": "int32",
    "uint64": "int64",
}
"""Signed integers that wrap as these do, of as many bits at least."""


def widened(operands: Sequence[object], wanted: object = None) -> tuple[list[Array], Callable[[Array], Array]]:
    """Operands in dtypes that the library computes with, and what turns the result into the dtype that it should have.
    Unsigned integers of 16 bits and more are computed in a signed type that wraps alike, long doubles in f64."""
    if any(map(is_torch, operands)):
        return _widened_torch(operands)
    if all(hasattr(x, "__dlpack__") and not _is_numpy(x) for x in operands) and wanted is None:
        return _widened_jax(operands)
    if wanted is None and all(type(x).__name__ in ("memoryview", "array", "Array") for x in operands):
        return list(operands), lambda result: result  # buffers, as they are: NumPy need not be there
    return _widened_numpy(operands, wanted)


def refuse_masks(operands: Sequence[object]) -> None:
    """Masked elements would count as what lies below the mask."""
    import numpy

    if "numpy.ma" in sys.modules and any(numpy.ma.is_masked(x) for x in operands):
        raise InvalidError("an array with masked elements: fill them, or take .data")


def _widened_numpy(operands: Sequence[object], wanted: object) -> tuple[list[Array], Callable[[Array], Array]]:
    import numpy

    refuse_masks(operands)
    ours = {numpy.dtype(t) for t in ("bool", "i1", "u1", "i2", "i4", "i8", "f2", "f4", "f8", "c8", "c16")}
    if "ml_dtypes" in sys.modules:
        ours.add(numpy.dtype(sys.modules["ml_dtypes"].bfloat16))
    arrays = [numpy.asanyarray(x) for x in operands]
    dtype = numpy.result_type(*arrays) if wanted is None else numpy.dtype(wanted)  # type: ignore[call-overload]
    if dtype.newbyteorder("=") in ours:
        computed = dtype.newbyteorder("=")
    else:
        wider = _NUMPY_WIDER.get(dtype.kind)
        if wider is None:
            raise DtypeError(
                f"arrays of dtype {dtype}: einjit computes with bool, integers, floats and complex numbers"
            )
        computed = numpy.dtype(wider)
    promotes = wanted is None and computed == dtype  # the library does
    arrays = [a if promotes and a.dtype in ours else a.astype(computed, copy=False) for a in arrays]
    return arrays, lambda result: result.astype(dtype, copy=False) if dtype != computed else result


def _widened_jax(operands: Sequence[Any]) -> tuple[list[Array], Callable[[Array], Array]]:
    """Integers that the library has not, in arrays of jax; those of others are read as they are, or refused."""
    jax = sys.modules.get("jax")
    if jax is None or not all(isinstance(x, jax.Array) for x in operands):
        return list(operands), lambda result: result
    if not any(str(x.dtype) in SIGNED for x in operands):
        return list(operands), lambda result: result
    dtype = jax.numpy.result_type(*operands)
    computed = SIGNED.get(str(dtype), dtype)
    return [x.astype(computed) for x in operands], lambda result: result.astype(dtype)


def _widened_torch(operands: Sequence[object]) -> tuple[list[Array], Callable[[Array], Array]]:
    import functools

    import torch

    narrow = {
        torch.complex32: torch.complex64,
    }
    tensors: list[Any] = [x if is_torch(x) else torch.as_tensor(x) for x in operands]
    for x in tensors:
        if x.device.type != "cpu":
            raise InvalidError(f"a tensor on the device '{x.device}': einjit computes on the CPU")
        if x.is_quantized:
            raise DtypeError(f"tensors of dtype {x.dtype}")
    tensors = [x.resolve_conj().resolve_neg() for x in tensors]
    dtypes = {x.dtype for x in tensors}
    dtype = functools.reduce(torch.promote_types, dtypes)
    if dtypes.isdisjoint(narrow) and (len(dtypes) == 1 or dtypes.isdisjoint((torch.float16, torch.bfloat16))):
        return tensors, lambda result: result
    computed = narrow.get(dtype, dtype)
    return [x.to(computed) for x in tensors], lambda result: result.to(dtype)


def rank_of(x: object) -> int:
    """Axes of an array, list or number."""
    shape = getattr(x, "shape", None)
    if shape is not None:
        return len(shape)
    ndim = getattr(x, "ndim", None)
    if ndim is not None:
        return int(ndim)
    import numpy

    return numpy.asarray(x).ndim


def shape_of(x: object) -> tuple[int, ...]:
    """Extents of an array, list or number."""
    shape = getattr(x, "shape", None)
    if shape is None:
        import numpy

        shape = numpy.asarray(x).shape
    return tuple(int(n) for n in shape)


__all__ = ["Array", "accept", "coerce", "is_torch", "overridden", "rank_of", "shape_of", "widened", "wrap"]

"""The C library through ctypes, for checks against NumPy and torch.

Takes  the folder of a build, NumPy arrays of any strides.
Gives  contexts, programs, results as arrays; errors as EinjitError with code, line and column.
Keeps  operands and results in pages of their own with an unreadable page at one end, so that a read or write behind an
       end stops the process.
Not here: what a right result is (torch_scope.py).
"""
import ctypes as C
import mmap
import os

import numpy as np

DTYPES = ["bool", "i32", "i64", "f16", "bf16", "f32", "f64", "c64", "c128"]
NUMPY = {"bool": np.bool_, "i32": np.int32, "i64": np.int64, "f32": np.float32, "f64": np.float64,
         "c64": np.complex64, "c128": np.complex128}
CODES = {np.dtype(t): DTYPES.index(name) for name, t in NUMPY.items()}
VERIFY, NO_OPTIMIZE = 2, 1


class Tensor(C.Structure):
    _fields_ = [("data", C.c_void_p), ("dtype", C.c_int32), ("rank", C.c_int32),
                ("shape", C.POINTER(C.c_int64)), ("strides", C.POINTER(C.c_int64))]


class Error(C.Structure):
    _fields_ = [("code", C.c_int32), ("line", C.c_int32), ("column", C.c_int32), ("caret", C.c_int32),
                ("text", C.c_char * 488), ("source", C.c_char * 200)]


class Options(C.Structure):
    _fields_ = [("struct_bytes", C.c_size_t), ("allocator", C.c_void_p), ("log", C.c_void_p), ("log_user", C.c_void_p),
                ("backend", C.c_char_p), ("target", C.c_char_p), ("module_path", C.c_char_p),
                ("cache_bytes", C.c_size_t), ("threads", C.c_int32), ("flags", C.c_int32)]


class CompileOptions(C.Structure):
    _fields_ = [("struct_bytes", C.c_size_t), ("open", C.c_char_p), ("path", C.c_char_p), ("flags", C.c_int32),
                ("constants", C.c_char_p)]


class EinjitError(Exception):
    def __init__(self, name, err):
        self.name, self.line, self.column = name, err.line, err.column
        super().__init__(f"{name}: {err.text.decode(errors='replace')} (line {err.line} column {err.column})")


class Library:
    def __init__(self, build):
        os.environ.setdefault("EINJIT_CACHE_DIR", "none")
        os.environ.setdefault("EINJIT_MODULE", os.path.join(build, "lib", "libeinjit-llvm.so"))
        self.c = C.CDLL(os.path.join(build, "lib", "libeinjit.so"))
        self.c.einjit_status_name.restype = C.c_char_p
        for name in ("einjit_context_release", "einjit_graph_destroy", "einjit_shapes_destroy"):
            getattr(self.c, name).restype = None
            getattr(self.c, name).argtypes = [C.c_void_p]
        for name in ("einjit_graph_input_count", "einjit_graph_output_count", "einjit_shapes_output_count"):
            getattr(self.c, name).restype = C.c_size_t
            getattr(self.c, name).argtypes = [C.c_void_p]

    def check(self, status, err):
        if status:
            raise EinjitError(self.c.einjit_status_name(status).decode(), err)


class Context:
    def __init__(self, library, backend, target=None, flags=VERIFY):
        self.library, self.c, self.handle = library, library.c, C.c_void_p()
        self.name = "/".join(filter(None, (backend, target, "as written" if flags & NO_OPTIMIZE else None)))
        options = Options(struct_bytes=C.sizeof(Options), backend=backend.encode(),
                          target=target.encode() if target else None, flags=flags)
        err = Error()
        library.check(self.c.einjit_context_create(C.byref(self.handle), C.byref(options), C.byref(err)), err)

    def close(self):
        self.c.einjit_context_release(self.handle)

    def program(self, text):
        return Program(self, text)

    def einsum(self, equation, arrays, dtype, shape):
        """One einsum into a fresh array of that dtype and shape."""
        ins, keep = tensors(arrays)
        out = guarded(np.dtype(dtype), shape)
        outs, keep_out = tensors([out])
        err = Error()
        status = self.c.einjit_einsum(self.handle, equation.encode(), C.c_size_t(len(arrays)), ins, outs, C.byref(err))
        del keep, keep_out
        self.library.check(status, err)
        return out


def every_context(library):
    """Both backends, every target that runs here, and programs compiled as they are written."""
    found = [Context(library, "interp")]
    for target in ("avx512_2m", "avx512_bf16", "avx512", "avx2", "sse2"):
        context = Context(library, "llvm", target)
        try:  # a context may plan for any CPU; compiling for one that is not here is refused
            context.einsum("i->i", [np.ones(3, np.float32)], np.float32, (3,))
            found.append(context)
        except EinjitError as refused:
            context.close()
            if refused.name != "E_UNSUPPORTED":
                raise
            print(f"not checked: {target}: {refused}")
    return found + [Context(library, "llvm", flags=VERIFY | NO_OPTIMIZE)]


class Program:
    def __init__(self, context, text):
        self.context, self.c, self.handle = context, context.c, C.c_void_p()
        data = text if isinstance(text, bytes) else text.encode()
        err = Error()
        status = self.c.einjit_graph_parse(C.byref(self.handle), context.handle, data, C.c_size_t(len(data)),
                                           C.byref(err))
        context.library.check(status, err)

    def close(self):
        self.c.einjit_graph_destroy(self.handle)

    def print(self):
        """The text that the printer makes of it."""
        need, err = C.c_size_t(), Error()
        self.c.einjit_graph_print(self.handle, None, C.c_size_t(0), C.byref(need), C.byref(err))
        buffer = C.create_string_buffer(need.value + 1)
        status = self.c.einjit_graph_print(self.handle, buffer, C.c_size_t(need.value + 1), None, C.byref(err))
        self.context.library.check(status, err)
        return buffer.value.decode()

    def explain(self, arrays, stage, path=None):
        """The program after a stage of compiling for these inputs; path: the strategy."""
        options = CompileOptions(struct_bytes=C.sizeof(CompileOptions), path=path.encode() if path else None)
        ins, keep = tensors(arrays)
        need, err = C.c_size_t(), Error()

        def call(buffer, capacity):
            return self.c.einjit_explain(self.context.handle, self.handle, C.c_size_t(len(arrays)), ins, C.byref(options), stage.encode(),
                                         buffer, C.c_size_t(capacity), C.byref(need), C.byref(err))
        self.context.library.check(call(None, 0), err)
        buffer = C.create_string_buffer(need.value + 1)
        self.context.library.check(call(buffer, need.value + 1), err)
        del keep
        return buffer.value.decode()

    def optimize(self):
        """All passes, which know no input."""
        err = Error()
        self.context.library.check(self.c.einjit_optimize(self.handle, None, C.byref(err)), err)

    def shapes(self, ins, n):
        err, shapes, found = Error(), C.c_void_p(), []
        status = self.c.einjit_shapes_infer(C.byref(shapes), self.handle, C.c_size_t(n), ins, C.byref(err))
        self.context.library.check(status, err)
        for i in range(self.c.einjit_shapes_output_count(shapes)):
            dtype, rank, extents = C.c_int(), C.c_int(), C.POINTER(C.c_int64)()
            status = self.c.einjit_shapes_output(shapes, C.c_size_t(i), C.byref(dtype), C.byref(rank),
                                                 C.byref(extents), C.byref(err))
            self.context.library.check(status, err)
            found.append((np.dtype(NUMPY[DTYPES[dtype.value]]), tuple(extents[: rank.value])))
        self.c.einjit_shapes_destroy(shapes)
        return found

    def run(self, arrays, backwards=False):
        """All results, in memory whose strides are negative where `backwards`."""
        ins, keep = tensors(arrays)
        results = [guarded(dtype, shape) for dtype, shape in self.shapes(ins, len(arrays))]
        if backwards:
            results = [r[(Ellipsis,) + (slice(None, None, -1),) * r.ndim] for r in results]
        outs, keep_out = tensors(results)
        err = Error()
        status = self.c.einjit_call(self.context.handle, self.handle, C.c_size_t(len(arrays)), ins,
                                    C.c_size_t(len(results)), outs, C.byref(err))
        del keep, keep_out
        self.context.library.check(status, err)
        return results


def tensors(arrays):
    """The C tensors of arrays, and what must stay alive meanwhile."""
    made, keep = (Tensor * max(1, len(arrays)))(), []
    for tensor, a in zip(made, arrays):
        item = a.dtype.itemsize
        shape = (C.c_int64 * max(1, a.ndim))(*a.shape)
        strides = (C.c_int64 * max(1, a.ndim))(*[s // item for s in a.strides])
        keep.append((a, shape, strides))
        tensor.data = a.ctypes.data if a.size else None
        tensor.dtype, tensor.rank = CODES[a.dtype], a.ndim
        tensor.shape = C.cast(shape, C.POINTER(C.c_int64))
        tensor.strides = C.cast(strides, C.POINTER(C.c_int64))
    return made, keep


# ---- memory with a wall ----

_libc = C.CDLL(None, use_errno=True)
_libc.mmap.restype = C.c_void_p
_libc.mmap.argtypes = [C.c_void_p, C.c_size_t, C.c_int, C.c_int, C.c_int, C.c_long]
_libc.munmap.argtypes = [C.c_void_p, C.c_size_t]
_libc.mprotect.argtypes = [C.c_void_p, C.c_size_t, C.c_int]
_PAGE = mmap.PAGESIZE


class _Pages:
    def __init__(self, n):
        self.whole = (n + _PAGE - 1) // _PAGE * _PAGE + 2 * _PAGE
        self.base = _libc.mmap(None, self.whole, mmap.PROT_READ | mmap.PROT_WRITE,
                               mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        if self.base in (None, C.c_void_p(-1).value):
            raise MemoryError
        _libc.mprotect(self.base, _PAGE, 0)
        _libc.mprotect(self.base + self.whole - _PAGE, _PAGE, 0)

    def __del__(self):
        _libc.munmap(self.base, self.whole)


def guarded(dtype, shape, at_end=True):
    """An array full of a pattern, whose last (or first) byte touches an unreadable page."""
    dtype = np.dtype(dtype)
    n = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    pages = _Pages(n)
    start = pages.base + pages.whole - _PAGE - n if at_end else pages.base + _PAGE
    raw = (C.c_char * n).from_address(start)
    raw._pages = pages
    a = np.frombuffer(raw, dtype=dtype, count=n // dtype.itemsize) if n else np.empty(0, dtype)
    a.view(np.uint8)[...] = 0xAB if dtype != np.bool_ else 1
    return a.reshape(shape)


def guarded_copy(a, at_end=True):
    """A copy with the same strides' order and signs, in walled memory."""
    axes = sorted(range(a.ndim), key=lambda k: -abs(a.strides[k]))
    flip = tuple(slice(None, None, -1) if s < 0 else slice(None) for s in a.strides)
    copy = guarded(a.dtype, [a.shape[k] for k in axes], at_end).transpose(np.argsort(axes))[(Ellipsis,) + flip]
    copy[...] = a
    return copy

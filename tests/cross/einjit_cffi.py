"""The whole library in plain cffi (ABI mode), over the header that is installed: what a binding needs, in a hundred lines.

Takes  the folder of an installation; needs cffi, and a C compiler to preprocess the header.
Gives  contexts that compute, search and can be stopped; a class of exception for every status; lists of what there is.
"""
import os
import subprocess
import tempfile

import cffi


def declarations(include, compiler="cc"):
    """The header without directives and attributes: cffi knows the types of <stdint.h> by itself."""
    with tempfile.TemporaryDirectory() as empty:
        for name in ("stddef.h", "stdint.h"):
            open(os.path.join(empty, name), "w").close()
        command = [compiler, "-E", "-P", "-undef", "-nostdinc", "-I", empty, os.path.join(include, "einjit", "einjit.h")]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class EinjitError(Exception):
    """A status; the subclass says which: errors["E_RANK"]."""

    def __init__(self, text, line=0, column=0):
        super().__init__(text)
        self.line, self.column = line, column


class Library:
    def __init__(self, prefix, libdir="lib"):
        self.ffi = cffi.FFI()
        self.ffi.cdef(declarations(os.path.join(prefix, "include")))
        self.c = self.ffi.dlopen(os.path.join(prefix, libdir, "libeinjit.so"))
        names = (self.text(self.c.einjit_status_name(s)) for s in range(self.c.EINJIT_STATUS_COUNT))
        self.errors = {name: type(name, (EinjitError,), {}) for name in names}

    def text(self, pointer):
        return self.ffi.string(pointer).decode()

    def call(self, function, *arguments):
        """A function whose last parameter is the error."""
        err = self.ffi.new("einjit_error *")
        self.check(function(*arguments, err), err)

    def check(self, status, err):
        if status:
            raise self.errors[self.text(self.c.einjit_status_name(status))](self.text(err.text), err.line, err.column)

    def list(self, which):
        """Names of the operators, strategies, targets, passes or stages."""
        names, i = [], 0
        while pointer := self.c.einjit_list_name(getattr(self.c, "EINJIT_LIST_" + which.upper()), i, self.ffi.NULL):
            names.append(self.text(pointer))
            i += 1
        return names

    def tensor(self, out, data, dtype, shape):
        """Fills in a struct; returns what must live as long as it is used."""
        extents = self.ffi.new("int64_t[]", list(shape))
        out.data, out.dtype, out.rank, out.shape = data, dtype, len(shape), extents
        return extents


class Context:
    def __init__(self, library, progress=None, **options):
        self.library, ffi, c = library, library.ffi, library.c
        self.raised, self.keep = None, []
        asked = ffi.new("einjit_options *", {"struct_bytes": ffi.sizeof("einjit_options")})
        for name, value in options.items():
            self.keep.append(ffi.new("char[]", value.encode()) if isinstance(value, str) else value)
            setattr(asked, name, self.keep[-1])
        if progress:
            self.keep.append(ffi.callback("int(void *, const char *, double)", self.hook(progress)))
            asked.progress = self.keep[-1]
        out = ffi.new("einjit_context **")
        library.call(c.einjit_context_create, out, asked)
        self.handle = ffi.gc(out[0], c.einjit_context_release)

    def hook(self, progress):
        """What `progress(stage, done)` raises ends the call, and comes out of it."""
        def ask(_, stage, done):
            try:
                return bool(progress(self.library.text(stage), done))
            except BaseException as exception:
                self.raised = exception
                return True
        return ask

    def call(self, function, *arguments):
        self.raised = None
        try:
            self.library.call(function, *arguments)
        except self.library.errors["E_INTERRUPTED"]:
            raise self.raised if self.raised else self.library.errors["E_INTERRUPTED"]("interrupted") from None

    def einsum(self, equation, operands, out_shape):
        """f64 operands as pairs of a flat list and a shape; the result as a flat list."""
        ffi, c, keep = self.library.ffi, self.library.c, []
        tensors, result = ffi.new("einjit_tensor[]", max(1, len(operands))), ffi.new("einjit_tensor *")
        for tensor, (numbers, shape) in zip(tensors, operands):
            block = ffi.new("double[]", numbers)
            keep += [block, self.library.tensor(tensor, block, c.EINJIT_F64, shape)]
        n = 1
        for extent in out_shape:
            n *= extent
        block = ffi.new("double[]", n)
        keep.append(self.library.tensor(result, block, c.EINJIT_F64, out_shape))
        self.call(c.einjit_einsum, self.handle, equation.encode(), len(operands), tensors, result)
        return list(block)

    def path(self, terms, output, sizes, strategy="auto"):
        """Pairs of single-assignment ids, and log10 of the multiplications."""
        ffi, c = self.library.ffi, self.library.c
        pairs, n = ffi.new("int32_t[]", 4 * len(terms) + 4), ffi.new("size_t *")
        mults, largest = ffi.new("double *"), ffi.new("double *")
        self.call(c.einjit_path, self.handle, len(terms), [len(t) for t in terms], [label for t in terms for label in t],
                  len(output), output, len(sizes), sizes, strategy.encode(), pairs, 2 * len(terms) + 2, n, mults, largest)
        return [(pairs[2 * i], pairs[2 * i + 1]) for i in range(n[0])], mults[0]

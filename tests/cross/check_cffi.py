"""What a binding in plain cffi makes of the installed header and library (einjit_cffi.py), as a user would have it.

Takes  --build: a build, which is installed into a folder of its own; --cases: the shared cases.
Seen   every case's result or reason, lists, an exception for every status, structs that are filled in, searches that end.
Gives  exit code 77 (skipped) where there is no cffi.
"""
import argparse
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

try:
    import cffi  # noqa: F401
except ImportError:
    print("skipped: python3 has no cffi")
    sys.exit(77)
import einjit_cffi


def numbers(operand, n):
    """The values of operand j, element k, as shared/data/README.md has them."""
    found, mask = [], 0xFFFFFFFF
    for k in range(n):
        h = (k * 2654435761 + operand * 40503 + 12345) & mask
        h ^= h >> 15
        h = h * 2246822519 & mask
        h ^= h >> 13
        v = (h & 15) - 8
        found.append((v + 1 if v >= 0 else v) / 8.0)
    return found


def fnv(values):
    h = 0xCBF29CE484222325
    for byte in struct.pack(f"<{len(values)}d", *(v + 0.0 for v in values)):
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def elements(shape):
    n = 1
    for extent in shape:
        n *= extent
    return n


def check_case(context, case):
    """None, or what is wrong."""
    operands = [(numbers(j, elements(s)), s) for j, s in enumerate(case["shapes"])]
    try:
        got = context.einsum(case["equation"], operands, case.get("out_shape") or [])
    except einjit_cffi.EinjitError as error:
        code = type(error).__name__
        return None if not case["valid"] and code == case["reason"] else f"{code}: {error}"
    if not case["valid"]:
        return f"computed, and not refused with {case['reason']}"
    if case["exact_f64"] and f"{fnv(got):016x}" != case["fnv"].removeprefix("0x"):
        return "other bits"
    return None


def check_cases(context, path):
    wrong, n, exact = [], 0, 0
    with open(path) as lines:
        for case in map(json.loads, lines):
            n += 1
            exact += bool(case["valid"] and case["exact_f64"])
            fault = check_case(context, case)
            if fault:
                wrong.append(f"case {case['id']}, {case['equation']!r} of {case['shapes']}: {fault}")
    assert not wrong, "\n".join(wrong[:20])
    assert n > 1000 and exact > 500, (n, exact)
    print(f"{n} cases, {exact} of them to the bit")


def raised(call, *arguments):
    try:
        call(*arguments)
    except BaseException as exception:
        return exception
    return None


def check_statuses(library):
    ffi, c = library.ffi, library.c
    for status in range(1, c.EINJIT_STATUS_COUNT):
        err = ffi.new("einjit_error *", {"code": status, "text": b"why", "line": 3})
        name = library.text(c.einjit_status_name(status))
        found = raised(library.check, status, err)
        assert type(found) is library.errors[name] and str(found) == "why" and found.line == 3, name
    assert len(library.errors) == c.EINJIT_STATUS_COUNT


def check_structs(context):
    library = context.library
    for bytes_, field in (("einjit_statistics", "misses"), ("einjit_statistics", "disk_limit_bytes")):
        s = library.ffi.new(bytes_ + " *", {"struct_bytes": library.ffi.sizeof(bytes_)})
        library.call(library.c.einjit_context_statistics, context.handle, s)
        assert getattr(s, field) > 0, field
    s.struct_bytes = 7
    assert type(raised(library.call, library.c.einjit_context_statistics, context.handle, s)).__name__ == "E_INVALID"


def check_cancel(library):
    """A search over all orders of 16 operands, of which each two share a label: seconds, if nobody stops it."""
    n = 16
    terms = [[min(i, j) * n + max(i, j) for j in range(n) if j != i] for i in range(n)]
    sizes = [2 + label % 5 for label in range(n * n)]
    heard = []

    def stop(stage, done):
        heard.append((stage, done))
        return len(heard) == 3

    interrupted = raised(einjit_cffi.Context(library, stop, backend="interp").path, terms, [], sizes, "optimal")
    assert type(interrupted).__name__ == "E_INTERRUPTED", interrupted
    assert len(heard) == 3 and {stage for stage, _ in heard} == {"path"}, heard

    def fail(stage, done):
        raise KeyboardInterrupt(stage)

    context = einjit_cffi.Context(library, fail, backend="interp")
    assert type(raised(context.path, terms, [], sizes, "optimal")) is KeyboardInterrupt
    pairs, mults = einjit_cffi.Context(library, lambda *_: 0, backend="interp").path(terms[:4], [], sizes, "greedy")
    assert len(pairs) >= 3 and mults > 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--cmake", default="cmake")
    parser.add_argument("--libdir", default="lib")
    parser.add_argument("--cases", default=pathlib.Path(__file__).parents[3] / "shared/data/conformance.jsonl")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as prefix:
        subprocess.run([options.cmake, "--install", options.build, "--prefix", prefix], check=True, stdout=subprocess.DEVNULL)
        library = einjit_cffi.Library(prefix, options.libdir)
        assert "einsum" in library.list("operators") and "greedy" in library.list("strategies")
        assert {"avx512", "avx2"} <= set(library.list("targets")) and "fuse" in library.list("passes")
        check_statuses(library)
        check_cancel(library)
        context = einjit_cffi.Context(library, backend="auto", cache_dir="none")
        check_cases(context, options.cases)
        check_structs(context)
    lines = len(pathlib.Path(einjit_cffi.__file__).read_text().splitlines())
    print(f"a binding of {lines} lines")


if __name__ == "__main__":
    main()

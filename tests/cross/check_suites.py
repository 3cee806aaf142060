#!/usr/bin/env python3
"""NumPy's and opt_einsum's own tests of einsum, sent through the C library (einsum_shim.py) or the Python package.

Takes  the folder of a build (--build), or --package: the installed einjit; the installed packages, or opt_einsum's
unpacked source (--opt-einsum DIR), for some
       packages come without tests.
Gives  for each suite how many tests passed, failed, and were left out and why; 0 when no other failed, 1 otherwise; 77
where
       neither NumPy's nor opt_einsum's tests are there.
Keeps  the suites where they are: nothing of them is copied. np.einsum is replaced before they are imported; for
opt_einsum also
       np.tensordot, and contract itself, so that whole equations reach the library, with its own search for paths.
"""
import argparse
import collections
import importlib.util
import os
import subprocess
import sys

try:
    import numpy as np
    import pytest
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

OBJECTS = "arrays of Python objects"
LEFT_OUT = {
    "test_einsum_views": "views: results are new arrays",
    "test_output_order": "order=: results are row-major",
    "test_einsum_object_errors": OBJECTS, "test_object_loop": OBJECTS, "test_einsum_sums_object": OBJECTS,
}
LEFT_OUT_OF_PACKAGE = {"test_subscript_range": "labels above 51, which NumPy refuses, are labels"}


def numpy_suite():
    for name in ("numpy._core.tests.test_einsum", "numpy.core.tests.test_einsum"):
        try:
            found = importlib.util.find_spec(name)
        except ImportError:
            found = None
        if found:
            return [found.origin]
    return []


def opt_einsum_suite(folder):
    spec = importlib.util.find_spec("opt_einsum")
    if folder:
        sys.path.insert(0, folder)
        tests = os.path.join(folder, "opt_einsum", "tests")
    elif spec:
        tests = os.path.join(os.path.dirname(spec.origin), "tests")
    else:
        return []
    files = [os.path.join(tests, name) for name in ("test_contract.py", "test_edge_cases.py", "test_input.py")]
    return files if all(map(os.path.exists, files)) else []


class Package:
    """The installed package in the place of the shim: its functions have the arguments that the suites use."""

    def __init__(self):
        import einjit
        self.einsum, self.tensordot, self.calls = einjit.einsum, einjit.tensordot, {}


def library_shim(options):
    import einjit_lib
    import einsum_shim
    return einsum_shim.Shim(einjit_lib.Library(os.path.abspath(options.build)), options.backend)


# ---- one suite in a process of its own ----

def send_numpy(shim):
    np.einsum = shim.einsum


def send_opt_einsum(shim):
    np.einsum, np.tensordot = shim.einsum, shim.tensordot
    import opt_einsum
    from opt_einsum import parser
    whole = opt_einsum.contract

    def contract(subscripts, *operands, out=None, optimize=True, memory_limit=None, use_blas=True, backend="auto", **rest):
        """The whole equation, once opt_einsum has looked at it; a path of its own only says which of ours is asked
        for."""
        if optimize is not False:
            opt_einsum.contract_path(subscripts, *operands, optimize=optimize, memory_limit=memory_limit, use_blas=use_blas)
        if not isinstance(subscripts, str):
            subscripts, operands = parser.convert_interleaved_input((subscripts,) + operands)
        if set(rest) - {"dtype", "order", "casting"}:
            return whole(subscripts, *operands, out=out, optimize=optimize, **rest)
        return shim.einsum(subscripts, *operands, out=out, optimize=optimize if isinstance(optimize, str) else False, **rest)
    opt_einsum.contract = contract


class Results:
    """pytest's reports, a test each."""

    def __init__(self):
        self.passed, self.failed, self.left_out, self.skipped = 0, [], collections.Counter(), 0

    def pytest_runtest_logreport(self, report):
        name = report.nodeid.split("::")[-1].split("[")[0]
        if report.skipped:
            self.skipped += 1
        elif report.failed and name in LEFT_OUT:
            self.left_out[f"{name}: {LEFT_OUT[name]}"] += 1
        elif report.failed:
            self.failed.append(report.nodeid)
        elif report.when == "call":
            self.passed += 1


def run_suite(name, files, options):
    shim = Package() if options.package else library_shim(options)
    {"numpy": send_numpy, "opt_einsum": send_opt_einsum}[name](shim)
    LEFT_OUT.update(LEFT_OUT_OF_PACKAGE if options.package else {})
    results = Results()
    arguments = ["-q", "-p", "no:cacheprovider", "--no-header", "-W", "ignore", "-r", "N", "--rootdir", os.path.dirname(files[0]),
                 "--tb=short" if options.trace else "--tb=no", *(["-k", options.only] if options.only else [])]
    status = pytest.main([*arguments, *files], plugins=[results])
    print(f"\n{name}: {results.passed} passed, {len(results.failed)} failed, {sum(results.left_out.values())} left out,"
          f" {results.skipped} skipped")
    for what, n in results.left_out.items():
        print(f"  left out: {what}" + (f" ({n})" if n > 1 else ""))
    for nodeid in results.failed:
        print(f"  FAILED {nodeid}")
    print("  calls: " + ", ".join(f"{n} {what}" for what, n in shim.calls.items()))
    return 1 if results.failed or not results.passed or status not in (0, 1) else 0


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(here, "..", "..", "build"))
    parser.add_argument("--backend", default="llvm")
    parser.add_argument("--package", action="store_true", help="through the Python package instead of the C library")
    parser.add_argument("--opt-einsum", metavar="DIR", help="unpacked source of opt_einsum")
    parser.add_argument("--only", metavar="WORDS", help="pytest's -k")
    parser.add_argument("--quick", action="store_true", help="without opt_einsum's slowest searches for paths, which are its own")
    parser.add_argument("--trace", action="store_true", help="how a test failed")
    parser.add_argument("--suite", choices=("numpy", "opt_einsum"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.only = "not random-greedy and not auto-hq"
    suites = {"numpy": numpy_suite(), "opt_einsum": opt_einsum_suite(options.opt_einsum)}
    if options.suite:
        return run_suite(options.suite, suites[options.suite], options)
    worst = 77
    for name, files in suites.items():
        if not files:
            print(f"{name}: its tests are not installed")
            continue
        status = subprocess.run([sys.executable, "-W", "ignore", *sys.argv, "--suite", name], check=False).returncode
        worst = max(status, 0 if worst == 77 else worst) if status >= 0 else 1
    return worst


if __name__ == "__main__":
    sys.exit(main())

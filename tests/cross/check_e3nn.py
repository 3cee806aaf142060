#!/usr/bin/env python3
"""e3nn's own tests, with einjit.fx in the place of opt_einsum_fx, which writes the code of its layers; then with einjit
as torch.compile's backend, too.

Takes  the installed einjit, e3nn, torch and pytest; e3nn's tests, of the installed version: its unpacked source
       (--source DIR), or what pip downloads (wheels come without them).
Gives  for both ways how many tests passed, failed, and were skipped; those that failed are run once more with the
       original opt_einsum_fx and torch's own backend, and count where they pass there. 0 when none counts, 1 otherwise;
       77 where the tests cannot be had.
Keeps  e3nn as it is, and nothing of it here: what is downloaded lies in a temporary folder.
"""
import argparse
import glob
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile

try:
    import einjit.fx
    import pytest
    import torch

    version = importlib.metadata.version("e3nn")
except ImportError as missing:  # PackageNotFoundError is one
    print(f"skipped: {missing}")
    sys.exit(77)

WAYS = {
    "einjit.fx": "einjit.fx as opt_einsum_fx",
    "compile": "einjit.fx as opt_einsum_fx, torch.compile(backend='einjit')",
    "original": "the original",
}


def download(folder):
    """The unpacked source of the installed version; None: it is not to be had."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "e3nn", "--no-build-isolation",
         "--dest", folder, f"e3nn=={version}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    archives = glob.glob(os.path.join(folder, "e3nn-*.tar.gz"))
    if done.returncode or not archives:
        print(done.stderr.strip().rpartition("\n")[2])
        return None
    shutil.unpack_archive(archives[0], folder)
    return archives[0].removesuffix(".tar.gz")


# ---- one way in a process of its own ----

class Results:
    """pytest's reports, a test each."""

    def __init__(self):
        self.passed, self.failed, self.skipped = [], [], []

    def pytest_runtest_logreport(self, report):
        where = self.failed if report.failed else self.skipped if report.skipped else self.passed
        if (report.when == "call" or not report.passed) and report.nodeid not in where:
            where.append(report.nodeid)

    def pytest_collectreport(self, report):
        if report.failed:
            self.failed.append(report.nodeid)


def run_way(way, tests, options):
    if way != "original":
        sys.modules["opt_einsum_fx"] = einjit.fx
    if way == "compile":
        compile_model = torch.compile
        torch.compile = lambda model=None, **words: compile_model(model, **{"backend": "einjit", **words})
    import e3nn.o3._tensor_product._codegen as written
    import e3nn.util.jit as scripted
    ours = way != "original"
    assert (written.optimize_einsums_full is einjit.fx.optimize_einsums_full) == ours, "e3nn has opt_einsum_fx already"
    assert (scripted.jitable is einjit.fx.jitable) == ours
    if options.again:
        with open(options.again, encoding="utf-8") as file:
            names = json.load(file)
    else:
        names = [tests]
    results = Results()
    more = ["-k", options.only] if options.only else []
    pytest.main(["-q", "-p", "no:cacheprovider", "--no-header", "-W", "ignore", "-r", "N", "--rootdir", tests,
                 "--tb=short" if options.trace else "--tb=no", *more, *names], plugins=[results])
    with open(options.report, "w", encoding="utf-8") as file:
        json.dump({"passed": results.passed, "failed": results.failed, "skipped": results.skipped}, file)


def report_of(way, tests, folder, again=None):
    """What a process of its own found out; None: it ended before."""
    report = os.path.join(folder, f"{way}.json")
    command = [sys.executable, "-W", "ignore", *sys.argv, "--source", os.path.dirname(tests), "--way", way]
    command += ["--report", report]
    if again:
        command += ["--again", again]
    status = subprocess.run(command, check=False, cwd=folder).returncode
    if not os.path.exists(report):
        print(f"{WAYS[way]}: the process ended with {status}")
        return None
    with open(report, encoding="utf-8") as file:
        return json.load(file)


def compare(way, tests, folder):
    """Whether no test fails that passes with the original."""
    found = report_of(way, tests, folder)
    if found is None:
        return False
    wrong, also = found["failed"], []
    if wrong:
        names = os.path.join(folder, "again.json")
        with open(names, "w", encoding="utf-8") as file:
            json.dump([os.path.join(tests, name) for name in wrong], file)
        original = report_of("original", tests, folder, names)
        also = [name for name in wrong if original and name in original["failed"]]
        wrong = [name for name in wrong if name not in also]
    print(f"\ne3nn {version}, {WAYS[way]}: {len(found['passed'])} passed, {len(wrong)} failed, {len(also)} that fail "
          f"with the original, too, {len(found['skipped'])} skipped")
    for name in also:
        print(f"  with the original, too: {name}")
    for name in wrong:
        print(f"  FAILED {name}")
    return bool(found["passed"]) and not wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", metavar="DIR", help="e3nn's unpacked source")
    parser.add_argument("--only", metavar="WORDS", help="pytest's -k")
    parser.add_argument("--trace", action="store_true", help="how a test failed")
    parser.add_argument("--way", choices=WAYS, action="append", help="one of the ways alone")
    parser.add_argument("--report", help=argparse.SUPPRESS)
    parser.add_argument("--again", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.report:
        run_way(options.way[-1], os.path.join(options.source, "tests"), options)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        source = options.source or download(folder)
        tests = os.path.join(os.path.abspath(source), "tests") if source else ""
        if not os.path.isdir(tests):
            print(f"skipped: no tests of e3nn {version}")
            return 77
        sys.argv[0] = os.path.abspath(sys.argv[0])
        right = [compare(way, tests, folder) for way in options.way or ("einjit.fx", "compile")]
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())

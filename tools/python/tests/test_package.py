"""The package as it is installed: what it imports and holds, processes and interpreters, the README's example, the
command."""

import multiprocessing
import os
import pathlib
import subprocess
import sys

import einjit
import pytest

ROOT = pathlib.Path(__file__).parents[3]
FOLDER = pathlib.Path(einjit.__file__).parent


def python(code, **environment):
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_loads_nothing_else():
    listed = "import sys; print(*sorted(sys.modules))"
    loaded = set(python(f"import einjit; {listed}").split()) - set(python(listed).split())
    assert not {"numpy", "torch", "jax", "typing", "ctypes", "importlib.metadata", "re"} & loaded, loaded
    maps = python("import einjit; print(open('/proc/self/maps').read())")
    assert "_einjit" in maps and "libeinjit-llvm" not in maps


@pytest.mark.skipif(not einjit._einjit.codegen, reason="no code generator")
def test_the_next_process_finds_kernels_on_disk(tmp_path):
    code = """if True:
        import array, einjit
        x = memoryview(array.array("d", range(6)))
        assert memoryview(einjit.einsum("i,i->", x, x)).tolist() == 55
        s = einjit.statistics()
        print(s["disk_writes"], s["disk_hits"], "libeinjit-llvm" in open("/proc/self/maps").read())
    """
    here = {"EINJIT_ISOLATE": "0"}
    assert python(code, EINJIT_CACHE_DIR=str(tmp_path), **here).split() == ["1", "0", "True"]
    assert python(code, EINJIT_CACHE_DIR=str(tmp_path), **here).split() == ["0", "1", "False"]
    assert python(code, EINJIT_CACHE_DIR=str(tmp_path)).split() == ["0", "1", "False"]
    assert python(code, **here).split() == ["0", "0", "True"]


@pytest.mark.skipif(not einjit._einjit.codegen, reason="no code generator")
def test_llvm_is_in_another_process():
    code = """if True:
        import array, einjit, os, signal, threading, time
        x = memoryview(array.array("d", range(6)))

        def children():
            found = []
            for task in os.listdir("/proc/self/task"):
                found += map(int, open(f"/proc/self/task/{task}/children").read().split())
            return found

        assert memoryview(einjit.einsum("i,i->", x, x)).tolist() == 55
        assert "libeinjit-llvm" not in open("/proc/self/maps").read()
        (child,) = children()
        assert os.readlink(f"/proc/{child}/exe").endswith("einjit/libexec/einjit-codegen")
        os.kill(child, signal.SIGSTOP)  # the next compile is under way while it is killed
        threading.Timer(0.3, os.kill, (child, signal.SIGKILL)).start()
        try:
            einjit.einsum("i,i->i", x, x)
        except RuntimeError as error:
            assert error.code == "E_BACKEND" and "signal 9" in str(error), error
        else:
            raise SystemExit("no error")
        assert memoryview(einjit.einsum("i,i->i", x, x)).tolist() == [0, 1, 4, 9, 16, 25]
        assert len(children()) == 1 and einjit.statistics()["processes"] == 1
    """
    python(code)


def test_version_is_the_projects():
    assert f"project(einjit VERSION {einjit.__version__} " in (ROOT / "CMakeLists.txt").read_text()


def test_only_the_entry_is_exported():
    extension = next(FOLDER.glob("_einjit*.so"))
    symbols = subprocess.run(
        ["nm", "-D", "--defined-only", extension], capture_output=True, text=True, check=True
    ).stdout.split()
    assert [s for s in symbols[2::3]] == ["PyInit__einjit"]


class Squares:
    def __len__(self):
        return 8

    def __getitem__(self, k):
        import torch

        return einjit.einsum("ij,jk->ik", torch.eye(4) * k, torch.eye(4))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_data_loader(method):
    import torch

    einjit.einsum("ij,jk->ik", torch.eye(4), torch.eye(4))  # the code generator is loaded before a fork
    loader = torch.utils.data.DataLoader(Squares(), batch_size=4, num_workers=2, multiprocessing_context=method)
    got = torch.cat(list(loader))
    assert torch.equal(got, torch.eye(4) * torch.arange(8.0)[:, None, None])


def square(n):
    import numpy as np

    a = np.full((n, n), 2.0)
    return float(einjit.einsum("ij,jk->", a, a))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes(method):
    square(2)  # the code generator is loaded before the fork
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(square, [2, 3, 4]) == [4.0 * n**3 for n in (2, 3, 4)]


def test_errors_cross_processes():
    import pickle

    with pytest.raises(einjit.EinjitError) as caught:
        einjit.compile("i?")
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is type(caught.value) and str(again) == str(caught.value) and again.column == caught.value.column


def test_interpreter_backend_and_bad_settings():
    print_sum = "import einjit; print(einjit.einsum('i,i->', [1.0, 2.0], [3.0, 4.0]))"
    assert python(print_sum, EINJIT_BACKEND="interp").strip() == "11.0"
    code = (
        "import einjit\n"
        "try:\n    einjit.Program(equation='i')\nexcept einjit.errors.ValueError as e:\n    print(e.code)"
    )
    assert python(code, EINJIT_TARGET="z80").strip() == "E_VALUE"


def test_subinterpreters_are_refused():
    """In a process of its own: once there was one, Python does not tell torch's autograd that the GIL is given up."""
    code = """if True:
        try:
            import _interpreters as interpreters  # from 3.13 on
        except ImportError:
            import _xxsubinterpreters as interpreters
        try:
            print(interpreters.run_string(interpreters.create(), "import einjit"))
        except Exception as refused:
            print(refused)
    """
    assert "subinterpreters" in python(code)


def test_readme_example():
    text = (ROOT / "README.md").read_text().partition("## In Python")[2]
    code = text.partition("```python\n")[2].partition("```")[0]
    assert "plan: 2 steps" in python(code)


def test_command():
    done = subprocess.run(
        [sys.executable, "-m", "einjit", "explain", "ij,jk->ik", "-s", "i=2,j=3,k=4"],
        capture_output=True,
        text=True,
        check=False,
    )
    if not (FOLDER / "bin" / "einjit").exists():
        assert done.returncode == 2 and "without the command line" in done.stderr
    else:
        assert done.returncode == 0 and done.stdout, done.stderr


def test_docstrings():
    for name in einjit.__all__:
        assert getattr(einjit, name).__doc__, name

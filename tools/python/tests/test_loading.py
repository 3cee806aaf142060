"""The package beside other libraries that bring an LLVM or a runtime of their own: loaded in any order, used by threads
at the same time and in a forked child, each right afterwards.

EINJIT_TEST_ORDERS=all runs all 120 orders (some 10 minutes); else 3, other ones each day.
"""

import importlib.util
import itertools
import os
import subprocess
import sys
import time

import pytest

USES = {
    "torch": "x = torch.randn(64, 64)\nassert torch.isfinite(torch.linalg.svd(x)[1]).all()\n"
    "assert (einjit.einsum('ij,kj->ik', torch.ones(3, 4), torch.ones(3, 4)) == 4).all() if einjit else True",
    "jax": "assert jax.jit(lambda x: (x @ x.T).sum())(jax.numpy.ones((3, 4))) == 36",
    "numba": "assert numba.njit(lambda a: a * 2 + 1)(3) == 7",
    "llvmlite.binding": "llvmlite.binding.initialize_native_target()\n"
    "llvmlite.binding.initialize_native_asmprinter()\n"
    "module = llvmlite.binding.parse_assembly('define i32 @f() {\\n ret i32 42\\n}')\n"
    "machine = llvmlite.binding.Target.from_default_triple().create_target_machine()\n"
    "assert 'ret' in machine.emit_assembly(module)",
    "einjit": "import numpy\na = numpy.ones((5, 4))\nassert (einjit.einsum('ij,kj->ik', a, a) == 4).all()\n"
    "assert einjit.compile('def f(x):\\n    return exp(x) @ x')(a[:4]).shape == (4, 4)",
}
ORDERS = list(itertools.permutations(USES))

PROGRAM = """
import faulthandler, os, sys, threading, warnings
warnings.simplefilter("ignore")  # jax warns of os.fork()
einjit = None
order, uses = sys.argv[1].split(","), {uses!r}

def use(name):
    exec(uses[name], globals())

for name in order:  # each is used before the next is loaded
    exec("import " + name)
    use(name)
failed = []

def in_thread(name):
    try:
        for _ in range(3):
            use(name)
    except BaseException as error:
        failed.append((name, error))

einjit.clear_cache()
threads = [threading.Thread(target=in_thread, args=(name,)) for name in order]
for t in threads:
    t.start()
for t in threads:
    t.join()
assert not failed, failed
einjit.clear_cache()
child = os.fork()
if not child:
    status = 1
    try:
        faulthandler.dump_traceback_later(60, exit=True)
        torch.set_num_threads(1)  # as workers of a DataLoader do: what the parent's threads held is theirs
        for name in order:
            if name != "jax":  # whose threads a child does not have
                use(name)
        status = 0
    finally:
        os._exit(status)
assert os.waitpid(child, 0)[1] == 0, "the forked child failed"
for name in reversed(order):
    use(name)
print("right")
"""


def today():
    """Three of the orders; all of them in 40 days."""
    if os.environ.get("EINJIT_TEST_ORDERS") == "all":
        return ORDERS
    first = int(time.time() // 86400) % 40
    return ORDERS[first::40]


@pytest.mark.parametrize("order", today(), ids=",".join)
def test_orders(order):
    for name in order:
        if not importlib.util.find_spec(name.partition(".")[0]):
            pytest.skip(f"{name} is not installed")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("{uses!r}", repr(USES)), ",".join(order)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0 and done.stdout == "right\n", f"{done.returncode}: {done.stderr[-2000:]}"

"""The package where nothing else is installed: the buffer protocol in and out, the code generator, the command."""

import array
import subprocess
import sys
import time

before = time.perf_counter()
import einjit  # noqa: E402

print(f"import: {1e3 * (time.perf_counter() - before):.1f} ms")
assert "numpy" not in sys.modules
a = memoryview(array.array("d", range(6))).cast("B").cast("d", (2, 3))
b = memoryview(array.array("d", range(12))).cast("B").cast("d", (3, 4))
c = einjit.einsum("ij,jk->ik", a, b)
assert memoryview(c).tolist() == [[20, 23, 26, 29], [56, 68, 80, 92]], memoryview(c).tolist()
assert c.shape == (2, 4) and c.dtype == "f64"
assert einjit._einjit.codegen and "vfmadd" in einjit.compile("i,i->").text("asm", ("f64", (64,)), ("f64", (64,)))
printed = subprocess.run(
    [sys.executable, "-m", "einjit", "--version"], capture_output=True, text=True, check=True
).stdout
assert einjit.__version__ in printed, printed
explained = subprocess.run(
    [sys.executable, "-m", "einjit", "print", "-", "-s", "i=4", "--emit", "asm"],
    input="def f(x: f32[i]):\n    return x + 1.0\n",
    capture_output=True,
    text=True,
    check=False,
)
assert explained.returncode == 0 and explained.stdout, explained.stderr
print("alone: ok")

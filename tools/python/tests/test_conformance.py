"""The shared cases (../shared/data/conformance.jsonl) through NumPy's, torch's and jax's arrays: the same bits, the
same reasons."""

import json
import os
import pathlib

import einjit
import numpy as np
import pytest
import torch

SHARED = pathlib.Path(os.environ.get("EINJIT_SHARED", pathlib.Path(__file__).parents[4] / "shared"))
CASES = SHARED / "data" / "conformance.jsonl"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason=f"no cases in {CASES}")


def operand(j, shape):
    n = int(np.prod(shape, dtype=np.int64))
    with np.errstate(over="ignore"):
        h = np.arange(n, dtype=np.uint32) * np.uint32(2654435761) + np.uint32((j * 40503 + 12345) & 0xFFFFFFFF)
        h ^= h >> np.uint32(15)
        h *= np.uint32(2246822519)
        h ^= h >> np.uint32(13)
    v = (h & np.uint32(15)).astype(np.int64) - 8
    return (np.where(v >= 0, v + 1, v) / 8.0).reshape(shape)


def fnv(a):
    h = 0xCBF29CE484222325
    for byte in (np.ascontiguousarray(a, "<f8") + 0.0).tobytes():
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def cases():
    with open(CASES) as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.parametrize("kind", ["numpy", "torch", "jax"])
def test_cases(kind):
    make, read = {"numpy": (lambda a: a, np.asarray), "torch": (torch.from_numpy, lambda t: t.numpy())}.get(
        kind, (None, np.asarray)
    )
    if kind == "jax":
        jax = pytest.importorskip("jax")
        jax.config.update("jax_enable_x64", True)
        make = jax.numpy.asarray
    wrong, n = [], 0
    for case in cases()[:: 1 if kind != "jax" else 5]:
        arrays = [operand(j, s) for j, s in enumerate(case["shapes"])]
        n += 1
        try:
            got = read(einjit.einsum(case["equation"], *map(make, arrays)))
        except einjit.EinjitError as error:
            if case["valid"] or error.code != case["reason"]:
                wrong.append((case["equation"], case["shapes"], str(error)))
            continue
        if not case["valid"]:
            wrong.append((case["equation"], case["shapes"], f"not refused with {case['reason']}"))
        elif list(got.shape) != case["out_shape"] or case["exact_f64"] and f"{fnv(got):016x}" != case["fnv"]:
            wrong.append((case["equation"], case["shapes"], got.shape))
    assert n and not wrong, f"{len(wrong)} of {n}: {wrong[:5]}"

"""An amplitude of a quantum circuit through quimb, its contraction by einjit: pair by pair, and as one kernel."""

import einjit
import numpy as np
import quimb.tensor as qtn

circuit = qtn.Circuit(8)
rng = np.random.default_rng(0)
for layer in range(4):
    for qubit in range(8):
        circuit.apply_gate("U3", *rng.uniform(0, 2 * np.pi, 3), qubit)
    for qubit in range(layer % 2, 7, 2):
        circuit.apply_gate("CZ", qubit, qubit + 1)

bits = "01101001"
wanted = circuit.to_dense().ravel()[int(bits, 2)]
by_pairs = circuit.amplitude(bits, simplify_sequence="", backend="einjit")  # quimb's path, einjit.tensordot and einsum for each step
network = circuit.amplitude_tn(bits, simplify_sequence="")
labels = {index: k for k, index in enumerate(network.ind_map)}
operands = [x for t in network for x in (np.ascontiguousarray(t.data), [labels[i] for i in t.inds])]
at_once = einjit.einsum(*operands, [], optimize="auto")  # one einsum: einjit's path, one kernel
_, info = einjit.contract_path(*operands, [])
print(f"{bits}: {at_once:.6f}, {len(operands) // 2} tensors, {info.opt_cost:,} operations for {info.naive_cost:.1e}")
np.testing.assert_allclose([by_pairs, at_once], wanted, rtol=1e-10)

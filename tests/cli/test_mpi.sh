#!/usr/bin/env bash
# einjit run --mpi: the bits of a run in one process with any number of ranks, also when ranks were killed before.
#   test_mpi.sh FOLDER-OF-COMMANDS MPIRUN
# Exit code 77: skipped, with the reason.
set -u
einjit=$1/einjit mpirun=$2
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
# Containers run as root, with fewer CPUs than ranks; what these say otherwise stays as it is.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_plm_rsh_agent=/bin/false
"$mpirun" -n 2 true >out 2>&1 || { echo "skipped: $mpirun does not run: $(head -3 out)"; exit 77; }

fail() {
    echo "FAILED: $1" >&2
    cat err >&2
    exit 1
}
{ printf '\223NUMPY\1\0v\0'; printf '%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }"; printf '\232\231\31\77'; } >seed.npy
for i in 1 2 3 4 5; do
    cat >make.ein <<P
def f(x: f32[n]):
    return cos(x * unsqueeze(arange(48).to(f32), 1) * $i + arange(48).to(f32))
P
    "$einjit" run make.ein seed.npy -o $i.npy 2>err || fail "no arrays"
done
chain=('ab,bc,cd,de,ef->af' 1.npy 2.npy 3.npy 4.npy 5.npy --memory-limit 8K)
ring=('ab,bc,cd,de,ea->' 1.npy 2.npy 3.npy 4.npy 5.npy --memory-limit 4K)
"$einjit" run "${chain[@]}" -o chain.npy 2>err && "$einjit" run "${ring[@]}" -o ring.npy 2>err || fail "a run as a whole"
for n in 1 3; do
    "$mpirun" -n $n "$einjit" run --mpi "${chain[@]}" -o out.npy 2>err || fail "$n ranks"
    cmp chain.npy out.npy 2>err || fail "$n ranks, chain"
    "$mpirun" -n $n "$einjit" run --mpi "${ring[@]}" -o out.npy 2>err || fail "$n ranks"
    cmp ring.npy out.npy 2>err || fail "$n ranks, ring"
    [ -z "$(ls out.npy.* 2>/dev/null)" ] || fail "files that are left behind: $(ls)"
done

# one rank whose input is another, one that cannot read it
"$mpirun" -n 1 "$einjit" run --mpi "${ring[@]}" -o out.npy : -n 1 "$einjit" run --mpi 'ab,bc,cd,de,ea->' 2.npy "${ring[@]:2}" -o out.npy 2>err && fail "ranks of two computations"
grep -q 'rank 1 computes something else' err || fail "the rank is not named"
rm -f out.npy.*
"$mpirun" -n 1 "$einjit" run --mpi "${ring[@]}" -o out.npy : -n 1 "$einjit" run --mpi "${ring[@]}" --memory-limit 4K no.npy -o out.npy 2>err && fail "a rank without input"
rm -f out.npy.*

# what a rank of an earlier run had is gone on with; that of another computation is left as it is
"$einjit" run "${ring[@]}" --slices 3:41 -o out.npy.rank-7.npz 2>err || fail "slices for a file"
"$mpirun" -n 2 "$einjit" run --mpi "${ring[@]}" -o out.npy 2>err || fail "going on"
cmp ring.npy out.npy 2>err || fail "going on with sums of a file"
[ -z "$(ls out.npy.* 2>/dev/null)" ] || fail "files that are left behind: $(ls)"
"$einjit" run "${chain[@]}" --slices 3:41 -o out.npy.rank-7.npz 2>err || fail "slices for a file"
"$mpirun" -n 2 "$einjit" run --mpi "${ring[@]}" -o out.npy 2>err && fail "a file of another computation"
grep -q 'out.npy.rank-7.npz is of another computation' err || fail "the file is not named"
rm out.npy.*

# ranks that are killed: the same command goes on, also with fewer of them
many=('ab,bc,cd,de,ea,ac,bd->' 1.npy 2.npy 3.npy 4.npy 5.npy 1.npy 2.npy --memory-limit 2K --backend interp)
"$einjit" run "${many[@]}" -o many.npy 2>err || fail "many slices"
for n in 3 2; do
    "$mpirun" -n $n "$einjit" run --mpi "${many[@]}" -o out.npy 2>err &
    pid=$!
    sleep 0.$((RANDOM % 6))$((RANDOM % 10))
    pkill -KILL -P $pid -n 2>/dev/null # the youngest of the ranks
    wait $pid && break
done
"$mpirun" -n 2 "$einjit" run --mpi "${many[@]}" -o out.npy 2>err || fail "ranks after others were killed"
cmp many.npy out.npy 2>err || fail "ranks that were killed"
[ -z "$(ls out.npy.* 2>/dev/null)" ] || fail "files that are left behind: $(ls)"

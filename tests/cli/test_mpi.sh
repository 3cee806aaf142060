#!/usr/bin/env bash
# einjit run --mpi: the bits of a run in one process with any number of ranks, also when ranks were killed before.
#   test_mpi.sh FOLDER-OF-COMMANDS MPIRUN
# Exit code 77: skipped, with the reason.
. "$(dirname "$0")/support.sh"
mpirun=$2
# Containers run as root, with fewer CPUs than ranks; what these say otherwise stays as it is.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_plm_rsh_agent=/bin/false
"$mpirun" -n 2 true >out 2>&1 || { echo "skipped: $mpirun does not run: $(head -3 out)"; exit 77; }

fail() { # the first ends the test
    echo "FAILED: $1" >&2
    cat err >&2
    exit 1
}
arrays
in=(f32.1.npy f32.2.npy f32.3.npy f32.4.npy f32.5.npy)
chain=('ab,bc,cd,de,ef->af' "${in[@]}" --memory-limit 8K)
ring=('ab,bc,cd,de,ea->' "${in[@]}" --memory-limit 4K)
"$einjit" run "${chain[@]}" -o chain.npy 2>err && "$einjit" run "${ring[@]}" -o ring.npy 2>err || fail "a run as a whole"
for n in 1 3; do
    "$mpirun" -n $n "$einjit" run --mpi "${chain[@]}" -o out.npy 2>err || fail "$n ranks"
    cmp chain.npy out.npy 2>err || fail "$n ranks, chain"
    "$mpirun" -n $n "$einjit" run --mpi "${ring[@]}" -o out.npy 2>err || fail "$n ranks"
    cmp ring.npy out.npy 2>err || fail "$n ranks, ring"
    [ -z "$(ls out.npy.* 2>/dev/null)" ] || fail "files that are left behind: $(ls)"
done

# one rank whose input is another, one that cannot read it
"$mpirun" -n 1 "$einjit" run --mpi "${ring[@]}" -o out.npy : -n 1 "$einjit" run --mpi 'ab,bc,cd,de,ea->' f32.2.npy "${ring[@]:2}" -o out.npy 2>err && fail "ranks of two computations"
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
many=('ab,bc,cd,de,ea,ac,bd->' "${in[@]}" f32.1.npy f32.2.npy --memory-limit 2K --backend interp)
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

#!/usr/bin/env bash
# einjit run --slices and einjit reduce: the same bits as a whole run, however slices are divided over processes, also
# when these are interrupted or killed; and what is refused.
#   test_slices.sh FOLDER-OF-COMMANDS [interp]
. "$(dirname "$0")/support.sh"
[ "${2:-}" = interp ] && export EINJIT_BACKEND=interp
arrays

chain='ab,bc,cd,de,ef->af' ring='ab,bc,cd,de,ea->'
cat >max.ein <<'P'
def f(a, b, c, d, e):
    return einsum("ab,bc,cd,de,ef->af", a, b, c, d, e, reduce="max", combine="add")
P
check() { # program, dtype, limit, ranges: parts of all slices give the bits of a whole run
    local program=$1 dtype=$2 limit=$3 range
    shift 3
    local in=("$dtype.1.npy" "$dtype.2.npy" "$dtype.3.npy" "$dtype.4.npy" "$dtype.5.npy")
    rm -f part.*.npz
    run 0 "$einjit" run "$program" "${in[@]}" --memory-limit "$limit" -o whole.npy
    for range in "$@"; do
        run 0 "$einjit" run "$program" "${in[@]}" --memory-limit "$limit" --slices "$range" -o "part.$range.npz"
    done
    run 0 "$einjit" reduce part.*.npz -o reduced.npy
    cmp whole.npy reduced.npy >err || fail "$program of $dtype, slices $*"
}
for dtype in f32 f64 bf16 bool c64; do
    bytes=4
    case $dtype in f64 | c64) bytes=8 ;; bool) bytes=1 ;; esac
    check "$chain" $dtype $((2048 * bytes)) :20 20:
    check "$ring" $dtype $((1024 * bytes)) :7 7:8 8:31 31:
done
check max.ein f32 8192 :1 1:47 47:48
check "$ring" f32 4096 : 3:40 12:13 # some of them twice

# one file after the other: what is there already is gone on with
in=(f32.1.npy f32.2.npy f32.3.npy f32.4.npy f32.5.npy)
part=("$einjit" run "$ring" "${in[@]}" --memory-limit 4096 -o grown.npz --slices)
run 0 "$einjit" run "$ring" "${in[@]}" --memory-limit 4096 -o whole.npy
run 0 "${part[@]}" 5:9
run 0 "${part[@]}" 40:
rm reduced.npy
run 1 "$einjit" reduce grown.npz -o reduced.npy
says 'E_VALUE: slices 0:5 of 48 are missing' err
[ ! -e reduced.npy ] || fail "a result without all slices"
run 0 "${part[@]}" :
run 0 "$einjit" reduce grown.npz -o reduced.npy
cmp whole.npy reduced.npy >err || fail "a file that grew"
cp grown.npz renamed # no .npz in its name
run 0 "$einjit" reduce renamed -o reduced.npy
cmp whole.npy reduced.npy >err || fail "a file under another name"

# what is of another computation, or no part of one
run 1 "$einjit" run "$ring" f32.3.npy "${in[@]:1}" --memory-limit 4096 -o grown.npz --slices :4
says 'grown.npz is of another computation' err
run 0 "$einjit" run "$ring" f32.3.npy "${in[@]:1}" --memory-limit 4096 -o other.npz --slices :4
run 1 "$einjit" reduce grown.npz other.npz
says 'other.npz is of another computation' err
run 1 "$einjit" reduce f32.1.npy
says E_IO err
head -c 300 grown.npz >cut.npz
run 1 "$einjit" reduce cut.npz
says E_IO err
run 1 "$einjit" run "$ring" "${in[@]}" --memory-limit 4096 -o cut.npz --slices :
says E_IO err
run 1 "$einjit" run "$ring" "${in[@]}" --memory-limit 1G -o no.npz --slices :
says 'there are no slices' err
[ ! -e no.npz ] || fail "a file without slices"
for range in 3 x: :x 5:5 6:5 0:49 -1:4 '' 0:99999999999999999999; do
    run 2 "${part[@]}" "$range"
    says '--slices' err
done
for options in '-o a.npz' '--memory-limit 4096' '--memory-limit 4096 -o a.npy' '--memory-limit 4096 -o a.npz --strategy portfolio:seconds=1' \
    '--memory-limit 4096 -o a.npz --measure' '--memory-limit 4096 -o a.npz --json'; do
    run 2 "$einjit" run "$ring" "${in[@]}" --slices :4 $options
    says '--slices' err
done

# a process that is interrupted or killed leaves a file that can be gone on with, or none; the interpreter takes its time
many='ab,bc,cd,de,ea,ac,bd->'
export EINJIT_BACKEND=interp
part=("$einjit" run "$many" "${in[@]}" f32.1.npy f32.2.npy --memory-limit 2K -o ended.npz --slices)
run 0 "$einjit" run "$many" "${in[@]}" f32.1.npy f32.2.npy --memory-limit 2K -o whole.npy
interrupted=0
for try in 1 2 3 4 5; do
    for signal in INT KILL; do
        [ $signal = KILL ] || rm -f ended.npz
        "${part[@]}" : >out 2>err &
        pid=$!
        sleep 0.$((RANDOM % 5))$((RANDOM % 10))
        kill -$signal $pid 2>/dev/null
        wait $pid 2>/dev/null
        ! grep -q 'the same command goes on' err || interrupted=$((interrupted + 1))
        [ ! -e ended.npz ] || "$einjit" reduce ended.npz >out 2>err || says 'are missing' err
    done
done
[ $interrupted -gt 0 ] || fail "no run was interrupted between two slices"
run 0 "${part[@]}" :
run 0 "$einjit" reduce ended.npz -o reduced.npy
cmp whole.npy reduced.npy >err || fail "a run that was ended and gone on with"

end

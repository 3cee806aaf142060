# support.sh - what tests of single commands share; sourced with the folder of the commands in $1. They run in a folder of
# their own.
set -u
einjit=$1/einjit
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

fail() { # what went wrong
    failures=$((failures + 1))
    printf 'FAILED: %s\n' "$1" >&2
    sed 's/^/    /' out err >&2
}
run() { # code command...: must end with that code
    local want=$1 code
    shift
    "$@" >out 2>err </dev/null
    code=$?
    [ $code = "$want" ] || fail "exit code $code, not $want: $*"
}
says() { grep -qF -- "$1" "$2" || fail "no '$1' in $2"; } # text file
end() {
    [ $failures = 0 ] || echo "$failures failed" >&2
    exit $((failures > 0))
}
# f32.1.npy .. f32.5.npy, of 48 x 48, and the same in the other dtypes: made of one number, without a file to read.
arrays() {
    { printf '\223NUMPY\1\0v\0'; printf '%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }"; printf '\232\231\31\77'; } >seed.npy
    for i in 1 2 3 4 5; do
        cat >make.ein <<P
def f(x: f32[n]):
    y = cos(x * unsqueeze(arange(48).to(f32), 1) * $i + arange(48).to(f32))
    return y, y.to(f64), y.to(bf16), y > 0.25, y.to(c64)
P
        run 0 "$einjit" run make.ein seed.npy -o f32.$i.npy -o f64.$i.npy -o bf16.$i.npy -o bool.$i.npy -o c64.$i.npy
    done
}

#!/usr/bin/env bash
# What the stages print for three programs, against tests/golden/stages; EINJIT_BLESS=1 rewrites what is there.
#   test_golden.sh FOLDER-OF-COMMANDS SOURCE
set -u
einjit=$1/einjit golden=$2/tests/golden
printed=$(mktemp) || exit 1
trap 'rm -f "$printed"' EXIT
status=0

check() { # program, then options
    local name=$1 stage want
    shift
    for stage in graph opt bind path plan nest; do
        want=$golden/stages/$name.$stage
        # a named target, and no backend that would have to be there: the same on every machine
        if ! "$einjit" print "$golden/$name.ein" --emit $stage --target avx512 --backend interp "$@" >"$printed"; then
            status=1
        elif [ -n "${EINJIT_BLESS:-}" ]; then
            cp "$printed" "$want"
        elif ! diff -u "$want" "$printed"; then
            echo "$name: the stage $stage prints something else than $want; EINJIT_BLESS=1 accepts it" >&2
            status=1
        fi
    done
}
check einmatvecmul -s z=1000,i=4,j=5,k=8
check edges -s nodes=50,edges=1000,c=8,d=8 --open edges
check mlp -s batch=8,d=32,hidden=64
exit $status

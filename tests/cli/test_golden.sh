#!/usr/bin/env bash
# What the stages print for some programs, against tests/golden/stages (EINJIT_BLESS=1 rewrites what is there), and against
# the examples in lib/README.md.
#   test_golden.sh FOLDER-OF-COMMANDS SOURCE
set -u
einjit=$1/einjit golden=$2/tests/golden
printed=$(mktemp) wanted=$(mktemp) || exit 1
trap 'rm -f "$printed" "$wanted"' EXIT
status=0

compare() { # what is wanted, then the command's options
    local want=$1
    shift
    # a named target, and no backend that would have to be there: the same on every machine
    if ! "$einjit" print --target avx512 --backend interp "$@" >"$printed"; then
        status=1
    elif [ -n "${EINJIT_BLESS:-}" ]; then
        cp "$printed" "$want"
    elif ! diff -u "$want" "$printed"; then
        echo "$want is not what is printed now; EINJIT_BLESS=1 accepts it" >&2
        status=1
    fi
}
check() { # program, then options
    local name=$1 stage
    shift
    for stage in graph opt bind path plan nest; do
        compare "$golden/stages/$name.$stage" "$golden/$name.ein" --emit $stage "$@"
    done
}
check_passes() { # program, then sizes: what each pass does to it, with sizes and without
    local name=$1
    shift
    compare "$golden/stages/$name.stats" "$golden/$name.ein" --stats "$@"
    compare "$golden/stages/$name.passes" "$golden/$name.ein" --emit opt+
}

# An example: an indented line "$ einjit ...", then what it prints; "..." ends one that is cut.
check_examples() {
    local file=$1 example command n=0
    while IFS= read -r -d '~' example; do
        [[ $example == '$ einjit '* ]] || continue
        n=$((n + 1))
        command=${example%%$'\n'*}
        example=${example#*$'\n'}
        printf '%s' "${example%...$'\n'}" >"$wanted"
        (cd "$2" && "$einjit" ${command#'$ einjit '} --backend interp) >"$printed"
        [[ $example != *...$'\n' ]] || sed -i "$(($(wc -l <"$wanted") + 1)),\$d" "$printed"
        diff -u "$wanted" "$printed" || { echo "$file: not what '$command' prints" >&2; status=1; }
    done < <(awk '/^    /{ print (/^    [$] / ? "~" : "") substr($0, 5); next } { printf "~" } END { printf "~" }' "$file")
    [ $n -ge 6 ] || { echo "$file: $n examples" >&2; status=1; }
}

check einmatvecmul -s z=1000,i=4,j=5,k=8
check edges -s nodes=50,edges=1000,c=8,d=8 --open edges
check mlp -s batch=8,d=32,hidden=64
check_passes wasteful -s i=100,j=50,k=20
check_examples "$2/lib/README.md" "$2"
exit $status

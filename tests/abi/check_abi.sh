#!/bin/sh
# check_abi.sh [--update|--self-test] - what programs that are compiled against the library depend on.
#
# Holds the functions that libeinjit exports, and the public types, with their sizes and the places of their members, against
# einjit.abi. Any difference fails: after a change that is meant to be one, --update writes the file anew. --self-test changes a struct
# in a copy of the header, and must be told. 77: abigail-tools are not installed, or this is no x86-64.
set -eu
cd "$(dirname "$0")/../.."
reference=tests/abi/einjit.abi
[ "$(uname -m)" = x86_64 ] || { echo "skipped: the reference is for x86-64"; exit 77; }
command -v abidw >/dev/null && command -v abidiff >/dev/null || { echo "skipped: abidw is not installed (abigail-tools)"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The public calls alone, with the types that debug information tells; what they call is left undefined.
describe() { # HEADERS FILE
    { echo "-I$1"; find lib -name '*.h' | sed 's,/[^/]*$,,; s,^,-I,' | sort -u; } >"$folder/flags"
    ${CC:-cc} -std=c17 -g -O0 -fPIC -shared -fvisibility=hidden -D_GNU_SOURCE "@$folder/flags" lib/api/*.c -o "$folder/libeinjit.so"
    abidw --headers-dir "$1" --drop-private-types --no-corpus-path --no-comp-dir-path --no-show-locs --no-elf-needed \
        --no-architecture --drop-undefined-syms --out-file "$2" "$folder/libeinjit.so"
}

case "${1:-}" in
--update) describe include "$reference" ;;
--self-test)
    cp -r include "$folder/include"
    sed -i 's/^    int64_t \*shape;/    int32_t more;\n&/; s/^    const int64_t \*shape;/    int32_t more;\n&/' "$folder/include/einjit/einjit.h"
    describe "$folder/include" "$folder/changed.abi"
    ! abidiff "$reference" "$folder/changed.abi" >"$folder/said" && grep -q einjit_tensor "$folder/said"
    ;;
*)
    describe include "$folder/einjit.abi"
    abidiff "$reference" "$folder/einjit.abi" || { echo "if it is meant: tests/abi/check_abi.sh --update" >&2; exit 1; }
    ;;
esac

#!/bin/sh
# check_exports.sh HEADER LIBRARY [MODULE shared|static] - what crosses the borders of the shared objects.
#
# LIBRARY exports every function of HEADER and nothing else, and needs only the C library. MODULE exports
# einjit_codegen and nothing else; a static one carries its LLVM and needs only C libraries.
set -eu
header=$1 library=$2 module=${3:-} llvm=${4:-shared}
failed=0

complain() {
    echo "$1" >&2
    failed=1
}

exports() { # a library's own dynamic symbols, without versions
    nm -D --defined-only "$1" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u
}

declared=$(cat "$(dirname "$header")"/*.h | sed 's://.*$::' | tr '\n' ' ' | grep -o 'EINJIT_API[^;]*;' | grep -o 'einjit_[a-z0-9_]* *(' |
    tr -d ' (' | sort -u)
[ -n "$declared" ] || complain "no functions were found in $header"
exported=$(exports "$library")
for name in $declared; do
    echo "$exported" | grep -qx "$name" || complain "$library does not export $name"
done
for name in $exported; do
    echo "$declared" | grep -qx "$name" || complain "$library exports $name, which $header does not declare"
done

needs() { # the shared objects that one names
    readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p'
}

for needed in $(needs "$library"); do
    case $needed in
    libc.so.*|libm.so.*|libpthread.so.*|libdl.so.*|ld-linux*.so.*) ;;
    *) complain "$library needs $needed" ;;
    esac
done

if [ -n "$module" ]; then
    exported=$(exports "$module")
    [ "$exported" = einjit_codegen ] || complain "$module exports $(echo $exported), not einjit_codegen alone"
    for needed in $(needs "$module"); do
        case $llvm:$needed in
        shared:* | static:lib[cm].so.* | static:libpthread.so.* | static:libdl.so.* | static:ld-linux*.so.*) ;;
        static:libz.so.* | static:libzstd.so.* | static:libtinfo.so.*) ;; # where they were not found as archives
        *) complain "$module needs $needed" ;;
        esac
    done
fi
exit $failed

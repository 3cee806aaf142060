#!/bin/sh
# check_hpp.sh FOLDER - every function of the C headers in FOLDER that can fail, or gives back a handle, is in einjit.hpp.
#
# Builders, which store an einjit_value, are called through graph::add and need no method of their own.
set -eu
folder=$1
failed=0
wrapped=0
declarations=$(cat "$folder"/*.h | tr '\n' ' ' | sed 's:/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/: :g' | grep -o 'EINJIT_API[^;]*;')
for name in $(echo "$declarations" | grep -v 'einjit_value \*out, einjit_graph' |
    grep -E 'einjit_error \*err|_(release|destroy) ?\(' | grep -o 'einjit_[a-z0-9_]* *(' | tr -d ' ('); do
    case $name in
    einjit_path | einjit_path_watched) continue ;; # einjit_path_find does it, too
    esac
    wrapped=$((wrapped + 1))
    grep -q "[^a-z_]$name[^a-z_]" "$folder/einjit.hpp" || {
        echo "einjit.hpp has nothing for $name" >&2
        failed=1
    }
done
[ $wrapped -ge 30 ] || { echo "only $wrapped functions were found in $folder" >&2; failed=1; }
exit $failed

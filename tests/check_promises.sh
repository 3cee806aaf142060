#!/bin/sh
# check_promises.sh SOURCE - every test that the table of promises in lib/README.md names is there: a file of tests/, a
# function in one, or a test of ctest.
set -eu
cd "$1"
table=$(sed -n '/^## What is promised of input/,/^## Figures/p' lib/README.md | grep '^| ')
names=$(printf '%s\n' "$table" | sed 's/.*|\(.*\)|$/\1/' | grep -o '`[a-z_0-9]*`' | tr -d '\140' | sort -u)
[ "$(printf '%s\n' "$names" | wc -l)" -gt 20 ] || { echo "the table names no tests" >&2; exit 1; }
failed=0
for name in $names; do
    [ -z "$(find tests -name "$name.c")" ] || continue
    grep -rqE "(void $name\(void \*\*state\)|NAME $name COMMAND)" tests || { echo "there is no test '$name'" >&2; failed=1; }
done
exit $failed

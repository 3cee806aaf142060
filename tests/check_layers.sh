#!/bin/sh
# check_layers.sh SOURCE - the rules that keep the tree readable, over the files of SOURCE.
#
# A file of lib/ includes only headers of its own row and of rows above it; lib/ and include/ never name LLVM; real numbers
# are written and read in base_real.c alone, as printf and strtod follow the locale; a file name occurs once in the tree,
# and so does the name of a struct, union or enum of lib/ and jit/ (ej_*); no C file has more than 600 lines. Prints each
# fault, then fails.
#   check_layers.sh --self-test    shows that every rule can fail
set -eu

# Earliest first; a file's row is the part of its name before the first '_'. What belongs to a row without bearing its
# name follows behind '='.
rows='base target job graph facts opt grad bind cost path choose plan nest schedule recipe backend kernel api image=backend compile=kernel cache=kernel'

check_includes() { # files of lib/ -> faults
    awk -v rows="$rows" '
        BEGIN {
            n = split(rows, word, " ")
            for (i = 1; i <= n; i++) {
                if (split(word[i], pair, "=") == 2) row[pair[1]] = row[pair[2]]
                else row[word[i]] = i
            }
        }
        function row_of(path) {
            sub(/.*\//, "", path)
            sub(/[_.].*/, "", path)
            return path in row ? row[path] : 0
        }
        FNR == 1 && !row_of(FILENAME) { print FILENAME ": belongs to no row (see rows in check_layers.sh)" }
        /^[ \t]*#[ \t]*include[ \t]*"/ {
            split($0, part, "\"")
            if (part[2] ~ /^einjit\//) next
            if (!row_of(part[2])) print FILENAME ":" FNR ": includes " part[2] ", which is not of lib/"
            else if (row_of(part[2]) > row_of(FILENAME)) print FILENAME ":" FNR ": includes " part[2] ", a later row"
        }' "$@"
}

check_tree() { # folder -> faults
    cd "$1"
    check_includes $(find lib -name '*.[ch]' | sort)
    find lib include -type f | sort | xargs grep -nE 'llvm-c|LLVM[A-Z]' | sed 's/$/   (LLVM belongs to jit)/' || :
    find lib jit -name '*.[ch]' ! -name 'base_real.[ch]' | sort |
        xargs grep -nE '%[-+#0-9.*]*[eEfFgGaA]|\<(strto(d|f|ld)|atof|v?[fs]?scanf)\>' /dev/null |
        sed 's/$/   (numbers follow the locale here: ej_real_text, ej_real_read)/' || :
    find include lib jit tests tools -type f ! -name CMakeLists.txt ! -path '*/__pycache__/*' ! -path tools/python/test | sed 's:.*/::' | sort |
        uniq -d | sed 's/^/name used twice: /'
    find lib jit -name '*.[ch]' | sort | xargs cat |
        sed -nE 's/^(typedef )?(struct|union|enum) (ej_[a-z0-9_]+) .*\{.*/\3/p' |
        sort | uniq -d | sed 's/^/type defined twice: /'
    find include lib jit tests tools -name '*.[ch]' | sort | while read -r file; do
        lines=$(wc -l <"$file")
        [ "$lines" -le 600 ] || echo "$file: $lines lines, more than 600"
    done
}

expect() { # what the check must say about the tree in $folder
    check_tree "$folder" | grep -q "$1" || { echo "the check does not see: $1" >&2; exit 1; }
}

self_test() {
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    mkdir "$folder/include" "$folder/lib" "$folder/jit" "$folder/tests" "$folder/tools"
    echo '#include "graph.h"' >"$folder/lib/bind_good.c"
    : >"$folder/lib/graph.h"
    [ -z "$(check_tree "$folder")" ] || { echo "the check complains without reason" >&2; exit 1; }
    echo '# include "nest.h"' >"$folder/lib/plan_early.c"
    echo 'int x;' >"$folder/lib/extra_row.c"
    echo 'LLVMValueRef v;' >"$folder/lib/path_llvm.c"
    : >"$folder/tools/graph.h"
    echo 'printf("%-5.2f", x);' >"$folder/jit/lower_comma.c"
    echo 'x = strtod(text, &end);' >"$folder/lib/nest_comma.c"
    echo 'typedef struct ej_twice { int x; } ej_twice;' >"$folder/lib/nest_twice.c"
    echo 'enum ej_twice { A };' >"$folder/jit/lower_twice.c"
    yes '' | head -601 >"$folder/jit/lower_long.c"
    expect 'plan_early.c:1: includes nest.h, a later row'
    expect 'extra_row.c: belongs to no row'
    expect 'path_llvm.c:1:.*LLVM belongs to jit'
    expect 'lower_comma.c:1:.*numbers follow the locale'
    expect 'nest_comma.c:1:.*numbers follow the locale'
    expect 'name used twice: graph.h'
    expect 'type defined twice: ej_twice'
    expect 'lower_long.c: 601 lines'
}

if [ "$1" = --self-test ]; then
    self_test
else
    faults=$(check_tree "$1")
    [ -z "$faults" ] || { echo "$faults" >&2; exit 1; }
fi

#!/bin/sh
# check_layers.sh SOURCE [ARCHIVE] - the rules that keep the tree readable, over the files of SOURCE.
#
# A file of lib/ lies in the folder of its row, and includes only headers of its own row and of rows above it, none of a
# folder within its own. In ARCHIVE, which holds the objects of lib/, nothing calls a function of a later row. lib/ and
# include/ never name LLVM; real numbers are written and read in base_real.c alone, as printf and strtod follow the locale; a
# file name occurs once in the tree (README.md and __init__.py once a folder), and so does the name of a struct, union or enum
# of lib/ and jit/ (ej_*); no C or C++ file has lines of more than 120 columns, no C file more than 600 lines. Prints each
# fault, then fails.
#   check_layers.sh --self-test    shows that every rule can fail
set -eu

# Earliest first. A file's row is the part of its name before the first '_' or '.', and its folder has the row's name.
# row@folder: a row that lies in another folder; word=row: files that belong to a row without bearing its name.
rows='base target@base job@base graph facts opt grad bind cost path choose plan nest schedule recipe kernel cache export pipeline api
    backend=kernel image=kernel context=kernel key=kernel compile=pipeline'
read_rows='
    BEGIN {
        n = split(rows, word, " ")
        for (i = 1; i <= n; i++) {
            if (split(word[i], pair, "=") == 2) {
                row[pair[1]] = row[pair[2]]
                folder[pair[1]] = folder[pair[2]]
            } else {
                split(word[i] "@" word[i], pair, "@")
                row[pair[1]] = i
                folder[pair[1]] = pair[2]
            }
        }
    }
    function word_of(path) {
        sub(/.*\//, "", path)
        sub(/[_.].*/, "", path)
        return path
    }
    function row_of(path) { return word_of(path) in row ? row[word_of(path)] : 0 }'

check_includes() { # files of lib/ -> faults
    awk -v rows="$rows" "$read_rows"'
        function folder_of(path) {
            sub(/[^\/]*$/, "", path)
            return path
        }
        BEGIN {
            for (i = 1; i < ARGC; i++) {
                name = ARGV[i]
                sub(/.*\//, "", name)
                lies_in[name] = folder_of(ARGV[i])
            }
        }
        FNR == 1 && !row_of(FILENAME) { print FILENAME ": belongs to no row (see rows in check_layers.sh)" }
        FNR == 1 && row_of(FILENAME) && index(FILENAME, "lib/" folder[word_of(FILENAME)] "/") != 1 {
            print FILENAME ": lies elsewhere than in lib/" folder[word_of(FILENAME)]
        }
        /^[ \t]*#[ \t]*include[ \t]*"/ {
            split($0, part, "\"")
            if (part[2] ~ /^einjit\//) next
            here = folder_of(FILENAME)
            if (!row_of(part[2])) print FILENAME ":" FNR ": includes " part[2] ", which is not of lib/"
            else if (row_of(part[2]) > row_of(FILENAME)) print FILENAME ":" FNR ": includes " part[2] ", a later row"
            else if (lies_in[part[2]] != here && index(lies_in[part[2]], here) == 1)
                print FILENAME ":" FNR ": includes " part[2] " of a folder within its own"
        }' "$@"
}

check_calls() { # archive -> faults
    nm -A "$1" 2>/dev/null | awk -v rows="$rows" "$read_rows"'
        { split($1, place, ":"); object = place[2]; kind = $(NF - 1); name = $NF }
        kind ~ /^[TDRBV]$/ { home[name] = object }
        kind == "U" && row_of(object) { uses[++n_uses] = object; used[n_uses] = name }
        END {
            for (i = 1; i <= n_uses; i++)
                if (used[i] in home && row_of(home[used[i]]) > row_of(uses[i]))
                    print uses[i] ": needs " used[i] " of " home[used[i]] ", a later row"
        }'
}

check_tree() { # folder -> faults
    cd "$1"
    check_includes $(find lib -name '*.[ch]' | sort)
    find lib include -type f ! -name README.md | sort | xargs grep -nE 'llvm-c|LLVM[A-Z]' | sed 's/$/   (LLVM belongs to jit)/' || :
    find lib jit -name '*.[ch]' ! -name 'base_real.[ch]' | sort |
        xargs grep -nE '%[-+#0-9.*]*[eEfFgGaA]|\<(strto(d|f|ld)|atof|v?[fs]?scanf)\>' /dev/null |
        sed 's/$/   (numbers follow the locale here: ej_real_text, ej_real_read)/' || :
    find include lib jit tests tools -type f ! -name CMakeLists.txt ! -name README.md ! -name __init__.py ! -path '*/__pycache__/*' ! -path tools/python/test | sed 's:.*/::' | sort |
        uniq -d | sed 's/^/name used twice: /'
    find lib jit -name '*.[ch]' | sort | xargs cat |
        sed -nE 's/^(typedef )?(struct|union|enum) (ej_[a-z0-9_]+) .*\{.*/\3/p' |
        sort | uniq -d | sed 's/^/type defined twice: /'
    find include lib jit tests tools \( -name '*.[ch]' -o -name '*.[ch]pp' \) | sort |
        LC_ALL=C.UTF-8 xargs grep -nE '^.{121}' /dev/null | sed -E 's/^([^:]*:[0-9]+):.*/\1: more than 120 columns/' || :
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
    mkdir -p "$folder"/include "$folder"/jit "$folder"/tests "$folder"/tools
    for room in graph/text bind plan path nest opt; do mkdir -p "$folder/lib/$room"; done
    echo '#include "graph.h"' >"$folder/lib/bind/bind_good.c"
    : >"$folder/lib/graph/graph.h"
    : >"$folder/lib/graph/README.md"
    : >"$folder/lib/README.md"
    [ -z "$(check_tree "$folder")" ] || { echo "the check complains without reason" >&2; exit 1; }
    echo '# include "nest.h"' >"$folder/lib/plan/plan_early.c"
    echo 'int x;' >"$folder/lib/extra_row.c"
    echo 'int x;' >"$folder/lib/opt/graph_astray.c"
    echo 'int x;' >"$folder/lib/graph/text/graph_print.h"
    echo '#include "graph_print.h"' >"$folder/lib/graph/graph_inward.c"
    echo 'LLVMValueRef v;' >"$folder/lib/path/path_llvm.c"
    : >"$folder/tools/graph.h"
    echo 'printf("%-5.2f", x);' >"$folder/jit/lower_comma.c"
    echo 'x = strtod(text, &end);' >"$folder/lib/nest/nest_comma.c"
    echo 'typedef struct ej_twice { int x; } ej_twice;' >"$folder/lib/nest/nest_twice.c"
    echo 'enum ej_twice { A };' >"$folder/jit/lower_twice.c"
    printf '/* %0116d */\n' 0 >"$folder/jit/lower_wide.c"
    yes '' | head -601 >"$folder/jit/lower_long.c"
    echo 'int later(void); int early(void); int early(void) { return later(); }' >"$folder/bind_early.c"
    echo 'int later(void); int later(void) { return 0; }' >"$folder/plan_late.c"
    (cd "$folder" && ${CC:-cc} -c bind_early.c plan_late.c && ar rc calls.a bind_early.o plan_late.o)
    check_calls "$folder/calls.a" | grep -q 'bind_early.o: needs later of plan_late.o' ||
        { echo "the check does not see a call of a later row" >&2; exit 1; }
    rm "$folder"/calls.a "$folder"/*.[co]
    expect 'plan_early.c:1: includes nest.h, a later row'
    expect 'extra_row.c: belongs to no row'
    expect 'graph_astray.c: lies elsewhere than in lib/graph'
    expect 'graph_inward.c:1: includes graph_print.h of a folder within its own'
    expect 'path_llvm.c:1:.*LLVM belongs to jit'
    expect 'lower_comma.c:1:.*numbers follow the locale'
    expect 'nest_comma.c:1:.*numbers follow the locale'
    expect 'name used twice: graph.h'
    expect 'type defined twice: ej_twice'
    expect 'lower_wide.c:1: more than 120 columns'
    expect 'lower_long.c: 601 lines'
}

if [ "$1" = --self-test ]; then
    self_test
else
    faults=$(check_tree "$1" && { [ $# = 1 ] || check_calls "$2"; })
    [ -z "$faults" ] || { echo "$faults" >&2; exit 1; }
fi

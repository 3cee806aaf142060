#!/bin/sh
# check_install.sh SOURCE - installs the build and uses what was installed as somebody else would.
#
# Takes  BUILD (the build folder), LIBDIR (lib or lib64), CODEGEN (module, static or none), CMAKE, GENERATOR, CC, CXX, HELP2MAN
#        (may be empty).
# Seen   SONAME and links, headers, the README's examples (C99, C17, C++17, C++20) through find_package and through
#        pkg-config, the commands run from the prefix; all of it without variables, so that the code generator is found
#        where it was installed. Then the examples with einjit as a folder of their project, static, and that installed, also
#        with the code generator, which static programs load, too.
set -eu
source=$1
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
libdir=$prefix/$LIBDIR
unset EINJIT_MODULE LD_LIBRARY_PATH
export EINJIT_CACHE_DIR=$prefix/cache
backend=llvm
[ "$CODEGEN" != none ] || backend=interp
export EINJIT_BACKEND=$backend

fail() {
    echo "$*" >&2
    exit 1
}

"$CMAKE" --install "$BUILD" --prefix "$prefix" >"$prefix/log" || fail "$(cat "$prefix/log")"

# ---- files ----
soname=$(readelf -d "$libdir/libeinjit.so" | sed -n 's/.*(SONAME).*\[\(.*\)\].*/\1/p')
case $soname in
libeinjit.so.[0-9]*) ;;
*) fail "libeinjit.so has the SONAME '$soname'" ;;
esac
[ -e "$libdir/$soname" ] || fail "$soname is not installed"
for header in "$source"/include/einjit/*; do
    cmp -s "$header" "$prefix/include/einjit/${header##*/}" || fail "${header##*/} is not installed"
done
[ -e "$prefix/share/licenses/einjit/LICENSE" ] || fail "the license is not installed"
for file in bash-completion/completions/einjit zsh/site-functions/_einjit; do
    grep -q '_einjit_words' "$prefix/share/$file" || fail "the completion $file is not installed"
done
[ -z "$HELP2MAN" ] || [ -s "$prefix/share/man/man1/einjit-run.1" ] || fail "the manual pages are not installed"
[ "$CODEGEN" != module ] || [ -e "$libdir/einjit/libeinjit-llvm.so" ] || fail "the code generator is not installed"

[ "$CODEGEN" = none ] || [ -x "$prefix/libexec/einjit-codegen" ] || fail "the code generator's program is not installed"

# ---- the README's examples, word for word ----
example() { # language, which one of it
    awk -v fence="^\`\`\`$1\$" -v which="${2:-1}" '
        $0 ~ fence { inside = ++n == which; next }
        /^```/ { if (inside) exit }
        inside' "$source/README.md"
}
example c >"$prefix/example.c"
example c 2 >"$prefix/loop.c"
example c >"$prefix/as_cxx.cpp"
example cpp >"$prefix/example.cpp"
for file in example.c loop.c example.cpp; do
    grep -q 'int main' "$prefix/$file" || fail "README.md has no $file"
done
consume() { # FOLDER, what it is called, further arguments of cmake
    folder=$prefix/$1 called=$2
    shift 2
    {
        "$CMAKE" -G "$GENERATOR" -S "$source/tests/install" -B "$folder" -DCMAKE_C_COMPILER="$CC" \
            -DCMAKE_CXX_COMPILER="$CXX" -DEXAMPLE_C="$prefix/example.c" -DEXAMPLE_AS_CXX="$prefix/as_cxx.cpp" \
            -DEXAMPLE_CXX="$prefix/example.cpp" "$@" && "$CMAKE" --build "$folder"
    } >"$prefix/log" 2>&1 || fail "$called: $(cat "$prefix/log")"
    for program in c99 c17 EXAMPLE_AS_CXX17 EXAMPLE_AS_CXX20 EXAMPLE_CXX17 EXAMPLE_CXX20; do
        "$folder/$program" >/dev/null || fail "$called: $program gives $?"
    done
}
consume consumer find_package -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release

if command -v pkg-config >/dev/null; then
    flags=$(PKG_CONFIG_PATH=$libdir/pkgconfig pkg-config --cflags --libs einjit) || fail "pkg-config: no einjit"
    "$CC" -std=c11 -Wall -Wextra -Werror "$prefix/example.c" -o "$prefix/example" $flags || fail "pkg-config: $flags"
    LD_LIBRARY_PATH=$libdir "$prefix/example" || fail "the example built with pkg-config gives $?"
    "$CC" -std=c99 -pedantic -Wall -Wextra -Werror "$prefix/loop.c" -o "$prefix/loop" $flags || fail "pkg-config: loop.c"
    LD_LIBRARY_PATH=$libdir "$prefix/loop" || fail "the loop over batches gives $?"
    for standard in 17 20; do
        "$CXX" -std=c++$standard -pedantic -Wall -Wextra -Werror -x c++ -fsyntax-only "$prefix/loop.c" $flags ||
            fail "loop.c as C++$standard"
    done
fi

# As a folder of another project, static, on the interpreter (which is quicker to build); then what that installs.
EINJIT_BACKEND=interp
consume folder add_subdirectory -DEINJIT_SOURCE="$source" -DBUILD_SHARED_LIBS=OFF -DEINJIT_CODEGEN=OFF -DEINJIT_INSTALL=ON \
    -DCMAKE_BUILD_TYPE=Debug
"$CMAKE" --install "$prefix/folder" --prefix "$prefix/static" >"$prefix/log" || fail "$(cat "$prefix/log")"
[ -e "$prefix/static/$LIBDIR/libeinjit.a" ] || fail "libeinjit.a is not installed"
consume static-consumer "find_package, static" -DCMAKE_PREFIX_PATH="$prefix/static" -DCMAKE_BUILD_TYPE=Release

# The archive loads the code generator as the shared library does: by EINJIT_MODULE, and beside the program.
if [ "$CODEGEN" = module ]; then
    EINJIT_BACKEND=llvm
    ! "$prefix/static-consumer/c17" 2>/dev/null || fail "the static example finds a code generator where there is none"
    EINJIT_MODULE=$libdir/einjit/libeinjit-llvm.so "$prefix/static-consumer/c17" || fail "static, EINJIT_MODULE: c17 gives $?"
    mkdir "$prefix/static-consumer/einjit"
    cp "$libdir/einjit/libeinjit-llvm.so" "$prefix/static-consumer/einjit/"
    "$prefix/static-consumer/c17" || fail "static, the code generator beside the program: c17 gives $?"
fi
if [ "$CODEGEN" != none ]; then
    EINJIT_BACKEND=llvm EINJIT_CACHE_DIR=none EINJIT_ISOLATE=1 EINJIT_VERBOSE=1 LD_LIBRARY_PATH=$libdir \
        "$prefix/consumer/c17" 2>"$prefix/log" || fail "in a process of its own: $(cat "$prefix/log")"
    grep -q 'process [0-9]* generates code' "$prefix/log" || fail "no process of its own: $(cat "$prefix/log")"
fi
EINJIT_BACKEND=$backend

# ---- the commands ----
"$prefix/bin/einjit" --help >/dev/null || fail "einjit --help gives $?"
"$prefix/bin/einjit-bench" --help >/dev/null || fail "einjit-bench --help gives $?"
"$prefix/bin/einjit" print "ij,jk->ik" -s i=4,j=5,k=6 --emit nest | grep -q . || fail "einjit print gives nothing"
"$prefix/bin/einjit-bench" "ij,jk->ik" -s i=4,j=5,k=6 --min-time 0.01 >"$prefix/log" 2>&1 ||
    fail "einjit-bench: $(cat "$prefix/log")"
echo "installed, linked and run: $soname, $backend"

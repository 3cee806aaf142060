#!/bin/sh
# check_install.sh SOURCE - installs the build and uses what was installed as somebody else would.
#
# Takes  BUILD (the build folder), LIBDIR (lib or lib64), CODEGEN (module, static or none), CMAKE, GENERATOR, CC.
# Seen   SONAME and links, headers, the README's C example through find_package and through pkg-config, the commands
#        run from the prefix; all of it without variables, so that the code generator is found where it was installed.
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
[ "$CODEGEN" != module ] || [ -e "$libdir/einjit/libeinjit-llvm.so" ] || fail "the code generator is not installed"

# ---- the README's example, word for word ----
example=$prefix/example.c
awk '/^```c$/ { inside = 1; next } /^```/ { if (inside) exit } inside' "$source/README.md" >"$example"
grep -q 'int main' "$example" || fail "README.md has no example in C"

"$CMAKE" -G "$GENERATOR" -S "$source/tests/install" -B "$prefix/consumer" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$CC" \
    -DCMAKE_BUILD_TYPE=Release -DEXAMPLE="$example" >"$prefix/log" 2>&1 &&
    "$CMAKE" --build "$prefix/consumer" >>"$prefix/log" 2>&1 || fail "find_package: $(cat "$prefix/log")"
"$prefix/consumer/example" || fail "the example built with find_package gives $?"

if command -v pkg-config >/dev/null; then
    flags=$(PKG_CONFIG_PATH=$libdir/pkgconfig pkg-config --cflags --libs einjit) || fail "pkg-config: no einjit"
    "$CC" -std=c11 -Wall -Wextra -Werror "$example" -o "$prefix/example" $flags || fail "pkg-config: $flags"
    LD_LIBRARY_PATH=$libdir "$prefix/example" || fail "the example built with pkg-config gives $?"
fi

# ---- the commands ----
"$prefix/bin/einjit" --help >/dev/null || fail "einjit --help gives $?"
"$prefix/bin/einjit-bench" --help >/dev/null || fail "einjit-bench --help gives $?"
"$prefix/bin/einjit" print "ij,jk->ik" -s i=4,j=5,k=6 --emit nest | grep -q . || fail "einjit print gives nothing"
"$prefix/bin/einjit-bench" "ij,jk->ik" -s i=4,j=5,k=6 --min-time 0.01 >"$prefix/log" 2>&1 ||
    fail "einjit-bench: $(cat "$prefix/log")"
echo "installed, linked and run: $soname, $backend"

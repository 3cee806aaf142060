#!/usr/bin/env bash
# check_packages.sh SOURCE FOLDER files|root - the Debian packages: what is in them, and what they do in a fresh system.
#
# files   relations, sections, copyright and manual pages; no file is in two packages; extracted beside each other they
#         run, and the README's example is built by them through pkg-config and CMake
# root    in a Debian root that debootstrap makes (root's rights and a mirror are needed): installed by apt, the README's
#         example built through pkg-config, run with code from the code generator, then from the disk
#         without it, purged: no file is more, less or other than before
# Exit code 77: skipped, with the reason.
set -euo pipefail
source=$1 folder=$2 part=$3
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
unset EINJIT_MODULE EINJIT_BACKEND EINJIT_TARGET LD_LIBRARY_PATH
export LC_ALL=C
cmake=/usr/bin/cmake
[ -x "$cmake" ] || cmake=cmake

fail() {
    echo "$*" >&2
    exit 1
}
skip() {
    echo "skipped: $*"
    exit 77
}
command -v dpkg-shlibdeps >/dev/null && command -v dpkg-deb >/dev/null || skip "no dpkg-dev"
if [ "$part" = root ]; then
    [ "$(id -u)" = 0 ] || skip "a root is made by root"
    command -v debootstrap >/dev/null || skip "no debootstrap"
    mirror=${EINJIT_DEBIAN_MIRROR:-http://deb.debian.org/debian}
    /usr/lib/apt/apt-helper download-file "$mirror/dists/bookworm/InRelease" "$work/InRelease" >/dev/null 2>&1 || skip "no mirror at $mirror"
fi
werror=() # as the build beside it, so that a compiler's cache serves both
[ -z "${CI:-}" ] || werror=(-DEINJIT_WERROR=ON)
"$source/tools/package/build" "$folder" "${werror[@]}" >"$work/log" 2>&1 || fail "$(tail -40 "$work/log")"
shopt -s nullglob
packages=("$folder"/*.deb)
[ ${#packages[@]} -ge 4 ] || fail "only ${#packages[@]} packages"

# The README's first example in C.
awk '/^```c$/ { inside = 1; next } /^```/ { if (inside) exit } inside' "$source/README.md" >"$work/example.c"
grep -q 'int main' "$work/example.c" || fail "README.md has no example"

files() {
    version=$(dpkg-deb -f "${packages[0]}" Version)
    field() { dpkg-deb -f "$folder/$1_${version}_$(dpkg --print-architecture).deb" "$2"; }
    has() { # PACKAGE FIELD TEXT
        case "$(field "$1" "$2")" in
        *"$3"*) ;;
        *) fail "$2 of $1 is '$(field "$1" "$2")', without '$3'" ;;
        esac
    }
    for package in "${packages[@]}"; do
        name=$(dpkg-deb -f "$package" Package)
        dpkg-deb -x "$package" "$work/root"
        dpkg-deb -c "$package" | awk '$1 !~ /^d/ { print $6 }' >>"$work/all"
        [ -s "$work/root/usr/share/doc/$name/copyright" ] || fail "$name has no copyright"
        gzip -t "$work/root/usr/share/doc/$name/changelog.gz" || fail "$name has no changelog"
        [ "$(field "$name" Description | wc -l)" -ge 2 ] || fail "$name has no long description"
        [ -n "$(field "$name" Section)" ] || fail "$name has no section"
        [ "$name" = libeinjit0 ] || has "$name" Depends "libeinjit0 (= $version)"
    done
    [ -z "$(sort "$work/all" | uniq -d)" ] || fail "in two packages: $(sort "$work/all" | uniq -d)"
    [ -z "$(grep -v '^\./usr/' "$work/all")" ] || fail "outside of /usr: $(grep -v '^\./usr/' "$work/all")"
    has libeinjit0 Depends libc6
    case "$(field libeinjit0 Depends)" in *,*) fail "libeinjit0 needs more than the C library" ;; esac
    has libeinjit0 Recommends "einjit-codegen (= $version)"
    has einjit-codegen Depends libc6
    has einjit-tools Depends libjansson4
    case "$(field einjit-tools Depends)" in *llvm* | *LLVM*) fail "einjit-tools needs LLVM" ;; esac
    libdir=$(echo "$work"/root/usr/lib/*/)
    if command -v help2man >/dev/null; then
        gzip -dc "$work/root/usr/share/man/man1/einjit-cache.1.gz" | grep -q einjit || fail "no manual pages"
    fi
    [ -s "$work/root/usr/share/bash-completion/completions/einjit" ] || fail "no completion"
    if command -v pkg-config >/dev/null; then
        PKG_CONFIG_LIBDIR=${libdir}pkgconfig pkg-config --cflags --libs einjit >"$work/flags"
        ${CC:-cc} -std=c11 "$work/example.c" -o "$work/example" $(cat "$work/flags")
        LD_LIBRARY_PATH=$libdir EINJIT_CACHE_DIR=none "$work/example" || fail "the example gives $?"
    fi
    cat >"$work/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.22)
project(example C)
find_package(einjit 0.1 REQUIRED CONFIG COMPONENTS codegen tools)
if(NOT EXISTS "${einjit_CODEGEN_FILE}")
  message(FATAL_ERROR "there is no ${einjit_CODEGEN_FILE}")
endif()
add_executable(by_cmake example.c)
target_link_libraries(by_cmake PRIVATE einjit::einjit)
add_custom_command(TARGET by_cmake POST_BUILD COMMAND einjit::command --version COMMAND einjit::bench --version)
END
    { "$cmake" -S "$work" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/root/usr" && "$cmake" --build "$work/build"; } \
        >"$work/log" 2>&1 || fail "$(cat "$work/log")"
    EINJIT_CACHE_DIR=none "$work/build/by_cmake" || fail "the example built with CMake gives $?"
    "$work/root/usr/bin/einjit" --version | grep -q "$version" || fail "einjit does not run"
    echo "$(wc -l <"$work/all") files in ${#packages[@]} packages"
}

# ---- in a root of its own ----
inside() { chroot "$work/root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"; }
# Every path with its kind, mode and contents, but what apt and dpkg note down of their own work.
picture() {
    (cd "$work/root" && find . -xdev \( -path ./proc -o -path ./var/lib/dpkg -o -path ./var/lib/apt -o -path ./var/cache \
        -o -path ./var/log -o -path ./packages -o -path ./etc/ld.so.cache -o -path ./tmp -o -path ./root/.cache \) -prune -o \
        \( -type f -printf '%m %p ' -exec sh -c 'sha256sum <"$1"' - {} \; -o -printf '%m %y %p %l\n' \) | sort)
}
in_root() {
    debootstrap --variant=minbase --include=gcc,libc6-dev,pkg-config,libjansson4,libzip4,lua5.4,luajit bookworm \
        "$work/root" "$mirror" >"$work/log" 2>&1 || skip "debootstrap: $(tail -3 "$work/log")"
    mkdir "$work/root/packages"
    cp "${packages[@]}" "$work/example.c" "$work/root/packages"
    echo 'print(require "einjit".einsum("i,i->", {1, 2, 3}, {4, 5, 6}))' >"$work/root/packages/sum.lua"
    picture >"$work/before"
    inside sh -c 'apt-get install -y --no-install-recommends /packages/*.deb' >"$work/log" 2>&1 || fail "$(tail -20 "$work/log")"
    inside sh -ec 'cd /packages; cc example.c -o example $(pkg-config --cflags --libs einjit); ./example' ||
        fail "the example built with pkg-config gives $?"
    inside einjit cache list | grep -q 'zij,zjk,zk->zi' || fail "the example left no kernel on disk"
    inside test -e /usr/share/man/man1/einjit.1.gz -a -e /usr/share/bash-completion/completions/einjit || fail "no manual page"
    if [ -e "$folder"/lua-einjit_*.deb ]; then
        for lua in lua5.4 luajit; do
            inside $lua /packages/sum.lua | grep -q 32 || fail "$lua has no einjit"
        done
    fi
    inside dpkg --purge einjit-codegen >"$work/log" 2>&1 || fail "$(cat "$work/log")" # nothing needs it
    inside /packages/example || fail "without the code generator the kernel on disk is not used: $?"
    inside env EINJIT_CACHE_DIR=none /packages/example && fail "without code generator and disk the example computes"
    inside sh -c 'dpkg --purge $(dpkg-query -W -f "\${Package}\n" "*einjit*" | grep -v codegen)' >"$work/log" 2>&1 ||
        fail "$(cat "$work/log")"
    picture >"$work/after"
    cmp "$work/before" "$work/after" || fail "left behind, or changed: $(diff "$work/before" "$work/after" | head -20)"
    [ -z "$(inside dpkg-query -W -f '${Package} ${Status}\n' '*einjit*' 2>/dev/null | grep -v not-installed)" ] ||
        fail "dpkg still knows: $(inside dpkg-query -W '*einjit*')"
    echo "installed, built with, run and purged: $(wc -l <"$work/before") files as before"
}
case $part in
files) files ;;
root) in_root ;;
*) fail "files or root?" ;;
esac

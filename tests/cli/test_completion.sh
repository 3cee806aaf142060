#!/usr/bin/env bash
# Completion as the shells ask for it, and the manual pages.
#   test_completion.sh FOLDER-OF-COMMANDS FOLDER-OF-COMPLETIONS [HELP2MAN]     zsh is asked where it is installed
set -u
commands=$1 completions=$2 help2man=${3:-}
PATH=$commands:$PATH
failures=0
fail() {
    failures=$((failures + 1))
    printf 'FAILED: %s\n' "$1" >&2
}

. "$completions/einjit.bash" || fail 'einjit.bash cannot be read'
in_bash() { # words...: the candidates for the last one
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _einjit
    echo "${COMPREPLY[*]}"
}
in_zsh() {
    zsh -f -c 'words=("${@[2,-1]}") CURRENT=$(($# - 1))
        compadd() { print -r -- ${(M)candidates:#${words[-1]}*} }
        _files() { print files }
        complete_it() { source "$1" }
        complete_it "$1"' zsh "$completions/_einjit" "$@"
}
check() { # shell expected words...
    local shell=$1 expected=$2 got
    shift 2
    got=$("in_$shell" "$@")
    [ "$got" = "$expected" ] || fail "$shell completes '$*' to '$got', not '$expected'"
}
shells=bash
if command -v zsh >/dev/null; then shells='bash zsh'; else echo 'zsh is not installed: not tested' >&2; fi
for shell in $shells; do
    check $shell 'explain' einjit ex
    check $shell 'print path' einjit p
    check $shell '--seconds --seed' einjit path n.json --se
    check $shell '--gradient' einjit run --grad
    check $shell 'interp' einjit run --backend i
    check $shell 'avx512_2m avx512_bf16 avx512 avx2' einjit print x.ein --target avx
    check $shell 'greedy' einjit path n.json --strategy gre
    check $shell 'schedule' einjit print x.ein --emit sch
    check $shell '--huge-pages' einjit-bench --huge
done
check bash '' einjit run a
[ "$shells" = bash ] || check zsh 'files' einjit run 'ij->ji' ''

if [ -n "$help2man" ]; then
    for page in einjit einjit-run einjit-print einjit-explain einjit-cache einjit-path einjit-list einjit-bench; do
        file=$commands/man/$page.1
        if [ ! -s "$file" ]; then fail "no $file"; continue; fi
        grep -q "^$page "'\\- ' "$file" || fail "$page.1 does not say what $page is"
    done
    grep -q 'constants' "$commands/man/einjit-run.1" || fail 'einjit-run.1 lacks options'
else
    echo 'help2man is not installed: manual pages are not tested' >&2
fi
[ $failures = 0 ] || exit 1
echo 'completion and manual pages are as they should be'

# What completion offers, for bash and zsh: subcommands, options and values from what the commands themselves say.

_einjit_values() { # command, option: the words that it takes; nothing: others, or none
    local list=
    case $2 in
    --backend) echo llvm interp auto ;;
    --dtype | -d) echo f32 f64 c64 c128 i32 i64 bool f16 bf16 ;;
    --target) list=targets ;;
    --emit) list=stages ;;
    --strategy) list=strategies ;;
    --passes) list=passes ;;
    esac
    [ -z "$list" ] || "${1%-bench}" list "$list" 2>/dev/null
}

_einjit_words() { # the words so far, of which the last is to be completed: candidates for it
    local name=${1##*/} last values
    for last; do :; done
    values=$(_einjit_values "$1" "$_einjit_previous")
    if [ -n "$values" ]; then
        echo "$values"
    elif [ "$name" = einjit ] && [ $# = 2 ] && [ "${last#-}" = "$last" ]; then
        "$1" --help 2>/dev/null | sed -n 's/^  einjit \([a-z]*\) .*/\1/p'
    elif [ "${last#-}" != "$last" ]; then
        [ "$name" = einjit ] && [ $# -gt 2 ] && set -- "$1" "$2" || set -- "$1"
        "$@" --help 2>/dev/null | grep -oE '^ +(-[a-z], *)?--[a-z-]+' | grep -oE -e '--[a-z-]+'
    fi
}

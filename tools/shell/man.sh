#!/bin/sh
# man.sh HELP2MAN PAGE.1 COMMAND [SUBCOMMAND] - the manual page of a command, from its --help: the one source of both.
set -eu
help2man=$1 page=$2
shift 2
name=$(basename "$page" .1)
about=$("$@" --help | awk 'NF == 0 { n++; next } n == 1 { print; exit }' | sed 's/\.$//')
exec "$help2man" --no-info --name "$about" --version-string "$name $("$@" --version | sed 's/.* //')" --output "$page" "$*"

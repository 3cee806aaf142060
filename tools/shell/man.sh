#!/bin/sh
# man.sh HELP2MAN PAGE.1 COMMAND [SUBCOMMAND] - the manual page of a command, from its --help: the one source of both.
set -eu
help2man=$1 page=$2
shift 2
name=$(basename "$page" .1)
about=$("$@" --help | awk 'NF == 0 { n++; next } n == 1 { print; exit }' | sed 's/\.$//')
version=$("$@" --version | sed 's/.* //')
# help2man gives the command to a shell: by its name, so that no folder's name is read as one.
command=$(basename "$1")
PATH=$(cd "$(dirname "$1")" && pwd):$PATH
export PATH
shift
exec "$help2man" --no-info --name "$about" --version-string "$name $version" --output "$page" "$command${*:+ $*}"

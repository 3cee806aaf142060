#!/bin/sh
# check_lua.sh lua5.4|luajit SOURCE BUILD - the specs of tools/lua, and README's example, in one of the two. Exit code 77:
# it is not here.
set -eu
lua=$1 source=$2 build=$3
command -v "$lua" >/dev/null || { echo "skipped: no $lua"; exit 77; }
[ -e "$build/tools/lua/einjit_cdef.lua" ] || { echo "skipped: built without Lua's headers (liblua5.4-dev)"; exit 77; }
export LUA_PATH="$source/tools/lua/?.lua;$source/tools/lua/spec/?.lua;$build/tools/lua/?.lua" LUA_CPATH="$build/tools/lua/?.so"
export LD_LIBRARY_PATH="$build/lib"
[ ! -e "$source/../shared/data/conformance.jsonl" ] || export EINJIT_CASES="$source/../shared/data/conformance.jsonl"
said=$(sed -n '/^```lua$/,/^```$/{/^```/d;p;}' "$source/README.md" | "$lua" -)
case $said in
'f32[2, 2] {{7, 10}, {15, 22}}
0'*'
E_RANK'*) ;;
*) echo "README's example says: $said" >&2; exit 1 ;;
esac
exec "$lua" "$source/tools/lua/spec/run.lua" "$source/tools/lua/spec/einjit_spec.lua"

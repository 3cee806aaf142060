#!/usr/bin/env bash
# The commands as a user calls them: results, exit codes, what goes to stdout and to stderr.
#   test_commands.sh FOLDER-OF-COMMANDS JSON_GET SOURCE [interp]     interp: there is no code generator
set -u
einjit=$1/einjit bench=$1/einjit-bench json_get=$2 source=$3
[ "${4:-}" = interp ] && export EINJIT_BACKEND=interp
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

fail() { # what went wrong
    failures=$((failures + 1))
    printf 'FAILED: %s\n' "$1" >&2
    sed 's/^/    stdout: /' out >&2
    sed 's/^/    stderr: /' err >&2
}
run() { # code command...: must end with that code
    local want=$1 code
    shift
    "$@" >out 2>err </dev/null
    code=$?
    [ $code = "$want" ] || fail "exit code $code, not $want: $*"
    # errors start with the command, its reason, and are one line, with at most a source line and a caret below
    if [ "$want" = 1 ] || [ "$want" = 2 ]; then
        head -1 err | grep -Eq '^einjit(-bench)?: E_[A-Z_]+: [^ ]' || fail "no reason on stderr: $*"
        [ "$(grep -c '^einjit' err)" = 1 ] || fail "not one line of error: $*"
    fi
}
says() { grep -qF -- "$1" "$2" || fail "no '$1' in $2"; }      # text file
interrupt() { # what: Ctrl-C ends the command in the background, $pid, with exit code 1
    kill -INT "$pid"
    wait "$pid"
    code=$?
    [ $code = 1 ] || fail "an interrupted $1 ended with $code"
}
quiet() { [ ! -s "$1" ] || fail "$1 is not empty"; }
same() { cmp -s "$1" "$2" || fail "$1 and $2 differ"; }
json() { # path value: of what is on stdout
    local got
    got=$("$json_get" "$1" <out 2>err) || fail "stdout is not one JSON document"
    [ "$got" = "$2" ] || fail "$1 is '$got', not '$2'"
}

npy() { # file descr fortran_order shape bytes-as-printf
    local header="{'descr': '$2', 'fortran_order': $3, 'shape': $4, }"
    while [ $(((${#header} + 11) % 64)) != 0 ]; do header="$header "; done
    { printf '\223NUMPY\1\0'; printf "\\x$(printf %02x $(((${#header} + 1) % 256)))\\0"; printf '%s\n' "$header"
      printf "$5"; } >"$1"
}
f1='\0\0\200\77' f2='\0\0\0\100' f3='\0\0\100\100' f4='\0\0\200\100' f7='\0\0\340\100' f10='\0\0\40\101'
f15='\0\0\160\101' f22='\0\0\260\101' i0='\0\0\0\0\0\0\0\0' i1='\1\0\0\0\0\0\0\0' i9='\11\0\0\0\0\0\0\0'
npy a.npy '<f4' False '(2, 2)' "$f1$f2$f3$f4"
npy fortran.npy '<f4' True '(2, 2)' "$f1$f3$f2$f4"
npy big.npy '>f4' False '(2, 2)' '\77\200\0\0\100\0\0\0\100\100\0\0\100\200\0\0'
npy aa.npy '<f4' False '(2, 2)' "$f7$f10$f15$f22"
npy wide.npy '<f4' False '(3, 2)' "$f1$f1$f1$f1$f1$f1"
npy scalar.npy '<f4' False '()' "$f3"
npy empty.npy '<f4' False '(0, 2)' ''
npy half.npy '<f2' False '(2,)' '\0\0\0\0'
npy short.npy '<f4' False '(2, 2)' "$f1"
npy huge.npy '<f4' False '(1000000000, 1000000000)' "$f1"
npy over.npy '<f4' False '(4611686018427387904, 4)' "$f1"
npy bool.npy '|b1' False '(2,)' '\1\0'
npy text.npy '<U1' False '(1,)' 'a\0\0\0'
npy index.npy '<i8' False '(2,)' "$i1$i0"
npy beyond.npy '<i8' False '(2,)' "$i1$i9"
head -c 40 a.npy >cut.npy
: >nothing.npy
printf 'hello, this is no array at all' >foreign.npy
cat >two.ein <<'P'
def forward(x: f32[i, j], y: f32[j, k]):
    p = x @ y
    return p, sum(x, dim=1)
P
cat >gather.ein <<'P'
def forward(x: f32[n, c], src: i64[e]):
    return x[src]
P
printf 'def forward(x: f32[n, c]):\n    y = foo(x)\n    return y\n' >wrong.ein

# ---- help, version, usage
run 0 "$einjit" --help; says 'einjit run' out; quiet err
run 0 "$einjit" --version; grep -Eq '^einjit [0-9]+\.[0-9]+\.[0-9]+$' out || fail 'no version'
for command in run print explain path; do
    run 0 "$einjit" $command --help; says "usage: einjit $command" out; quiet err
    run 0 "$einjit" $command --version
    run 2 "$einjit" $command; quiet out
    run 2 "$einjit" $command --nonsense; says "'--nonsense'" err
done
run 0 "$bench" --help
run 0 "$bench" --version
run 2 "$bench"
run 2 "$einjit" nonsense

# ---- run
run 0 "$einjit" run 'ij,jk->ik' a.npy a.npy -o c.npy; quiet out; quiet err; same c.npy aa.npy
run 0 "$einjit" run 'ij,jk->ik' a.npy a.npy; says 'f32[2, 2]: 7 10 15 22' out
for file in fortran big; do run 0 "$einjit" run 'ij->ij' $file.npy -o c.npy; same c.npy a.npy; done
run 0 "$einjit" run 'ij,jk->ik' fortran.npy big.npy -o c.npy --backend interp --no-opt; same c.npy aa.npy
run 0 "$einjit" run 'ij,jk->ik' fortran.npy big.npy -o c.npy --strict; same c.npy aa.npy
run 0 "$einjit" print 'ij,jk,k->i' --strict -s i=9,j=9,k=9 --emit path; says '(0, 1) (3, 2)' out
run 0 "$einjit" print 'ij,jk,k->i' -s i=9,j=9,k=9 --emit path; says '(1, 2) (0, 3)' out
run 0 "$einjit" print 'def f(x): return (x * 2.0).permute(1, 0).permute(1, 0) @ x * 3.0' --strict; says 'mul_1 = x * 2.0' out; says 'matmul_1 * 3.0' out
! grep -q permute out || fail 'layouts do not merge'
run 0 "$einjit" explain 'ij,jk,k->i' --strict -s i=9,j=9,k=9; says '1620' out
run 1 "$einjit" run 'ij,jk->ik' a.npy a.npy --strict --strategy greedy; says 'E_VALUE: strict mode contracts from left to right' err
run 1 "$einjit" print 'ij,jk->ik' --strict --passes fuse; says "pass 'fuse' can change bits" err
run 0 "$bench" 'ij,jk,k->i' -s i=9,j=9,k=9 --strict --min-time 0 --json; json 0.ok true
run 0 env EINJIT_VERBOSE=1 EINJIT_CACHE_DIR=none "$einjit" run 'ij,jk->ik' fortran.npy big.npy -o c.npy --measure; same c.npy aa.npy; says 'measured' err; says '--measure' err
run 0 "$bench" 'ij,jk->ik' -s i=29,j=29,k=29 --measure --min-time 0 --json; json 0.ok true
run 2 "$einjit" print 'ij,jk->ik' --measure
run 0 "$einjit" run 'ij,jk->ik' a.npy a.npy --constants a,b -o c.npy; same c.npy aa.npy
run 0 "$einjit" run two.ein a.npy fortran.npy --constants y -o c.npy -o d.npy; run 0 "$einjit" run two.ein a.npy a.npy -o e.npy -o d.npy
same c.npy e.npy
run 1 "$einjit" run two.ein a.npy a.npy --constants y,q; says "E_NAME: no input of the graph is called 'q'" err
run 0 "$einjit" print two.ein -s i=2,j=2,k=2 --constants x,y; says 'p = tensor([[' out
run 0 "$einjit" print two.ein -s i=2,j=2,k=2 --constants x,y --emit key; says 'constants: x,y ' out
run 2 "$einjit" print two.ein -s i=2,j=2,k=2 --constants x --stats
run 0 "$einjit" run '->' scalar.npy -o c.npy; same c.npy scalar.npy
run 0 "$einjit" run 'ij->ij' empty.npy -o c.npy; same c.npy empty.npy
run 0 "$einjit" run 'i->i' bool.npy -o c.npy; same c.npy bool.npy
run 0 "$einjit" run two.ein a.npy a.npy -o c.npy -o d.npy; same c.npy aa.npy
run 0 "$einjit" run gather.ein a.npy index.npy; says '[2, 2]: 3 4 1 2' out
run 1 "$einjit" run gather.ein a.npy beyond.npy; says E_INDEX err
run 2 "$einjit" run two.ein a.npy a.npy -o c.npy
run 2 "$einjit" run two.ein a.npy a.npy -o c.npy -o c.npy
run 1 "$einjit" run 'ij->ji' a.npy -o no/such/folder.npy; says E_IO err
run 1 "$einjit" run 'ij,jk->ik' a.npy wide.npy; says "E_DIM: axis 'j' is 2 in operand 0 and 3 in operand 1" err
npy column.npy '<f4' False '(2, 1)' "$f1$f2"
run 0 "$einjit" run 'ij,jk->ik' column.npy a.npy; says 'f32[2, 2]: 4 6 8 12' out
run 0 "$einjit" run 'ij,jk->ik' column.npy a.npy --gradient a column.npy; says 'f32[2, 1]: 10 20' out
run 0 "$einjit" print 'abc,def ->abcdef' --emit graph; says 'einsum("abc,def->abcdef", a, b)' out
run 0 "$einjit" print '...ein' --emit graph; says 'einsum("...ein->...ein", a)' out
run 1 "$einjit" print '.'; says E_BAD_ELLIPSIS err
run 1 "$einjit" run 'ij,jk->ik'; says E_NO_OPERANDS err
run 1 "$einjit" run 'ij,j$->i' a.npy a.npy; says E_BAD_CHAR err; tail -1 err | grep -q '^ *^$' || fail 'no caret'
run 1 "$einjit" run 'ij->q' a.npy; says E_OUT_UNKNOWN err
run 1 "$einjit" run 'ij,jk->ik' a.npy; says E_OPERAND_COUNT err
run 1 "$einjit" run 'i->i' a.npy; says E_RANK err
run 1 "$einjit" run wrong.ein a.npy; says '(line 2, column 9)' err
run 1 "$einjit" run missing.ein a.npy; says E_IO err
run 1 "$einjit" run 'ij->ji' .; says E_IO err
for file in missing cut nothing foreign short huge; do run 1 "$einjit" run 'ij->ji' $file.npy; says E_IO err; done
run 1 "$einjit" run 'ij->ji' over.npy; says E_SIZE err
run 1 "$einjit" run 'i->i' text.npy; says E_DTYPE err
run 0 "$einjit" run 'i->i' half.npy; says 'f16[2]: 0 0' out
for option in '--backend x' '--target x' '--strategy x' '--threads 0' '--threads x' '--threads 99999999999' '--open q' \
    '-s i=2' '--emit plan' '--stats' '-o'; do
    run 2 "$einjit" run 'ij->ji' a.npy $option; quiet out
done

# options given again: lists grow, all others must say the same
run 2 "$einjit" print two.ein --emit plan -s i=3,i=9,j=4,k=5; says "size 'i' is given as 3 and as 9" err
run 2 "$einjit" print two.ein --emit plan -s i=3,j=4 -s k=5 -s i=4; says "size 'i' is given as 3 and as 4" err
run 0 "$einjit" print two.ein --emit plan -s i=3,j=4 -s k=5,i=3
run 2 "$einjit" print two.ein --emit plan --emit opt; says "--emit is given as 'plan' and as 'opt'" err
run 2 "$einjit" explain 'i->' -s i=3 --dot a.dot --dot b.dot; [ ! -e a.dot ] || fail 'a file was written'
run 2 "$einjit" explain 'i->' -s i=3 --dtype f32 --dtype f64; run 2 "$einjit" run 'i->' bool.npy --threads 1 --threads 2
run 0 "$einjit" explain 'i->' -s i=3 --dtype f64 --dtype f64; says f64 out
run 0 "$einjit" print two.ein --emit key -s i=3,j=4,k=5 --open i --open k; cp out once
run 0 "$einjit" print two.ein --emit key -s i=3,j=4,k=5 --open i,k; same out once; says i,k out
run 0 "$einjit" print two.ein --constants x --constants y -s i=2,j=2,k=2; says 'p = tensor([[' out
run 0 "$einjit" print two.ein --passes dce --passes cse; run 1 "$einjit" print two.ein --passes dce --passes nonsense

# what goes on, but not as asked, is said
run 0 "$einjit" run 'ij,jk->ik' wide.npy a.npy --open i,j; quiet err
npy row.npy '<f4' False '(1, 2)' "$f1$f2"
run 0 "$einjit" run 'ij,ij->' wide.npy row.npy --open i,j; says "extent 'i' of forward does not stay open" err
run 0 "$bench" 'ij,jk->ik' -s i=2,j=2,k=2 --open i --min-time 0; quiet err
printf 'def f(a: f32[z, n], b: f32[n, z]):\n    return a + b\n' >closes.ein
run 0 "$bench" closes.ein -s z=5,n=5 --open z,n --min-time 0; says "extent 'z'" err; says "extent 'n'" err
[ "$(wc -l <err)" = 2 ] || fail 'warnings are repeated'
export EINJIT_DUMP_DIR=/dev/null/dumps; run 0 "$einjit" run 'ij->ji' a.npy; unset EINJIT_DUMP_DIR
says 'cannot be written' err; [ "$(wc -l <err)" = 1 ] || fail 'warnings are repeated'

# - is standard input, or standard output
run 0 "$einjit" run 'ij,jk->ik' a.npy a.npy -o -; quiet err; same out aa.npy
given() { local file=$1; shift; run 0 sh -c 'file=$1; shift; exec "$@" <"$file"' sh "$file" "$@"; } # file command...
given a.npy "$einjit" run 'ij,jk->ik' - a.npy -o c.npy; same c.npy aa.npy
given a.npy "$einjit" run two.ein - a.npy -o c.npy -o -; same c.npy aa.npy
given two.ein "$einjit" run - a.npy a.npy -o c.npy -o d.npy; same c.npy aa.npy
given two.ein "$einjit" print - --emit graph; says 'def forward(' out
run 2 sh -c '"$0" run "ij,jk->ik" - - <a.npy' "$einjit"; says "'-' is standard input, which can be read once" err
run 2 "$einjit" run two.ein a.npy a.npy -o - -o -; quiet out
run 0 "$einjit" explain 'ij,jk,kl->il' -s i=9,j=500,k=9,l=500 --dot -; quiet err; head -1 out | grep -q digraph || fail 'no graph'
! grep -q 'operations  ' out || fail 'more than the graph'
run 0 "$einjit" explain 'ij,jk,kl->il' -s i=9,j=500,k=9,l=500 --svg -; tail -1 out | grep -q '</svg>' || fail 'no drawing'
run 2 "$einjit" explain 'ij->ji' -s i=3,j=3 --svg - --dot -; run 2 "$einjit" explain 'ij->ji' -s i=3,j=3 --svg - --json
[ ! -e ./- ] || fail 'there is a file called -'
for help in run explain path; do run 0 "$einjit" $help --help; says 'A file named - is standard input' out; done
run 0 "$bench" --help; says 'A file named - is standard input' out

# only spaces are ignored
run 1 "$einjit" run "$(printf 'ij,\tjk->ik')" a.npy a.npy; says 'E_BAD_CHAR: U+0009 cannot be a label' err
run 1 "$einjit" run "$(printf 'ij,jk\n->ik')" a.npy a.npy; says 'E_BAD_CHAR: U+000A cannot be a label' err
run 0 "$einjit" run ' i j , jk -> ik ' a.npy a.npy -o c.npy; same c.npy aa.npy

# ---- print
for stage in graph opt+ opt stats bind path plan nest steps dot key; do
    run 0 "$einjit" print two.ein -s i=3,j=4,k=5 --emit $stage; quiet err; [ -s out ] || fail "nothing for $stage"
done
if [ -z "${4:-}" ]; then
    run 0 "$einjit" print two.ein -s i=3,j=4,k=5 --emit ir; says 'define' out
    run 0 "$einjit" print two.ein -s i=3,j=4,k=5 --emit asm; says 'ret' out
    # the letters and names of the program down to the loops
    run 0 "$einjit" print "$source/tests/golden/einmatvecmul.ein" -s z=1000,i=4,j=5,k=8 --emit ir
    says '%loop_z' out; says '%vec' out; says '%einsum_1' out; says 'einsum_1_0' out
fi
run 1 "$einjit" print two.ein -s i=3,j=4,k=5 --emit ir --backend interp; says E_UNSUPPORTED err
run 0 "$einjit" print two.ein
run 2 "$einjit" print two.ein --emit plan -s i=3; says '-s j=N' err
run 2 "$einjit" print two.ein --emit plan -s i=3,j=4,k=5,q=6; says "-s q" err
run 2 "$einjit" print two.ein --emit nonsense
run 2 "$einjit" print two.ein another.ein
run 2 "$einjit" print a.npy
for size in i i= =3 i=x i=-1 i=99999999999999999999 ,i=3; do run 2 "$einjit" print two.ein -s "$size"; done
run 1 "$einjit" print two.ein -s i=4611686018427387904,j=9,k=9 --emit plan; says E_SIZE err
[ ! -w /dev/full ] || { "$einjit" print two.ein >/dev/full 2>err; [ $? = 1 ] || fail 'a full disk went unnoticed'; }

# what passes do
wasteful=$source/tests/golden/wasteful.ein
run 0 "$einjit" print "$wasteful" --stats; quiet err; says 'def wasteful(' out; says 'dce ' out; says 'cse_' out
grep -q '^pass *changes *nodes *rules$' out || fail 'no table without sizes'
run 0 "$einjit" print "$wasteful" --stats -s i=100,j=50,k=20; quiet err; cp out once
grep -Eq '^all +[0-9]+ .* [0-9.e+]+ -> [0-9.e+]+ ' out || fail 'no totals'
run 0 "$einjit" print "$wasteful" --stats -s i=100,j=50,k=20; same out once
run 0 "$einjit" print "$wasteful" --stats --times; says ' us ' out
run 0 "$einjit" print "$wasteful" --stats --passes dce; says 'dce ' out; ! grep -q '^cse ' out || fail 'another pass ran'
run 0 "$einjit" print "$wasteful" --passes dce,cse
run 1 "$einjit" print "$wasteful" --passes dce,nonsense; says "there is no pass 'nonsense'" err
run 2 "$einjit" print "$wasteful" --passes dce --no-opt
run 2 "$einjit" print "$wasteful" --passes dce --emit plan -s i=3,j=4,k=5
run 0 "$einjit" print "$wasteful" --stats -s i=100,j=50,k=20 --json; quiet err
json passes.0.pass dce; json passes.0.changed 1; json passes.0.nodes_before 9; json passes.0.ns null
json all.pass all; json all.nodes_before 9
for key in operations bytes; do
    for when in before after; do [ "$("$json_get" all.${key}_$when <out)" != null ] || fail "no $key $when"; done
done
cp out once
run 0 "$einjit" print "$wasteful" --stats -s i=100,j=50,k=20 --json; same out once
run 0 "$einjit" print "$wasteful" --stats --json --times; json all.operations_before null; json all.bytes_after null
[ "$("$json_get" passes.0.ns <out)" != null ] || fail 'no time of a pass'
printf 'def f(a: f32[3, 4]):\n    dead = exp(a)\n    return a + 1.0\n' >sized.ein
run 0 "$einjit" print sized.ein --stats --json; json all.operations_after 12.0; json passes.0.bytes_after 96.0
# gradients
printf 'def f(x: f32[2, 2], w: f32[2, 2]):\n    return einsum("ij,ij->", x, w)\n' >dot.ein
run 0 "$einjit" run dot.ein a.npy aa.npy --gradient w; says 'result 0: f32[()]: 160' out; says 'result 1: f32[2, 2]: 1 2 3 4' out
run 0 "$einjit" run "ij->ji" a.npy aa.npy --gradient a; says 'result 1: f32[2, 2]: 7 15 10 22' out
run 0 "$einjit" print "ij,jk->ik" --gradient b,a; says 'grad' out; [ "$(tail -1 out | tr -cd , | wc -c)" = 2 ] || fail 'not three results'
run 2 "$einjit" print dot.ein --gradient q; says "no input 'q'" err
run 2 "$einjit" print dot.ein --gradient ''; says 'needs the name' err
run 0 "$einjit" run dot.ein a.npy aa.npy --gradient x --gradient w
says 'result 1: f32[2, 2]: 7 10 15 22' out; says 'result 2: f32[2, 2]: 1 2 3 4' out
run 1 "$einjit" print 'def f(x: i64[2]): return sum(x)' --gradient x; says "no gradient by 'x': its dtype is i64" err

run 0 "$einjit" print "$wasteful" --emit opt+; says '# before pass dce' out; says '# after pass dce: 1 change' out
awk '/^# after pass cse/ { on = 1 } /^$/ { on = 0 } on' out >part.ein # each part is a program of its own
run 0 "$einjit" print part.ein --emit graph; says 'def wasteful(' out
run 0 "$einjit" print two.ein --emit opt+ --no-opt; says 'def forward(' out
run 2 "$einjit" print "$wasteful" --stats -s i=100; says '-s j=N' err; quiet out
run 2 "$einjit" print "$wasteful" --stats -s q=1
run 2 "$einjit" print "$wasteful" --stats --emit plan; run 2 "$einjit" print "$wasteful" --stats --no-opt
run 2 "$einjit" print "$wasteful" --json; run 2 "$einjit" print "$wasteful" --times
run 1 "$einjit" print "$wasteful" --stats -s i=4611686018427387904,j=9,k=9; says E_SIZE err; quiet out

# ---- an ellipsis
run 0 "$einjit" explain '...ij,...jk->...ik' -s ...=8x4,i=3,j=4,k=5; says 'naive operations     3840' out; quiet err
run 0 "$einjit" explain 'ij...->...' -s i=3,j=4 -s ...=7; says 'naive operations     84' out
run 0 "$einjit" print 'a...,...b' -s a=2,b=3,...=4x5 --emit bind --open ...; says 'f32[2, ellipsis_1, ellipsis_2]' out
run 2 "$einjit" explain '...ij,...jk->...ik' -s i=3,j=4,k=5; says "the size of '...' is missing: -s ...=8x4" err
run 2 "$einjit" explain '...i' -s i=3,...=8y4; run 2 "$einjit" explain '...i' -s i=3,...=; run 2 "$einjit" explain '...i' -s i=3x4
run 1 "$einjit" explain '..i' -s i=3,...=8x4; says E_BAD_ELLIPSIS err
run 0 "$bench" '...ij,...jk->...ik' -s ...=2x3,i=3,j=4,k=5 --min-time 0 --json --vs plain; json 0.ok true; quiet err
json 0.reference 'sampled sums in double'; json 0.checked 90
run 0 "$bench" '...ij,...jk' -s ...=2x3,i=3,j=4,k=5 --open ...,i --min-time 0; says ' ok' out; quiet err

# ---- one program, many batches
run 0 "$bench" 'bi,io->bo' -s i=3,o=4 --open b --sweep b=0:20 --json; quiet err
json calls 21; json compiles 1; json sweep b
run 0 "$bench" 'bi,io->bo' -s i=3,o=4 --sweep b=1:3; says '3 calls with b = 1 .. 3: 3 compiled' out
for wrong in b b=3 b=3:1 b=x:1 =1:2; do run 2 "$bench" 'bi,io->bo' -s i=3,o=4 --sweep $wrong; done
run 2 "$bench" 'bi,io->bo' -s i=3,o=4 --sweep c=1:3; run 2 "$bench" 'bi,io->bo' -s i=3,o=4,b=2 --sweep b=1:3

# ---- explain
run 0 "$einjit" explain 'ij,jk,kl->il' -s i=9,j=500,k=9,l=500; says 'plain' out; quiet err
run 0 "$einjit" explain 'ij,jk,kl->il' -s i=9,j=500,k=9,l=500 --json --dot d.dot --svg d.svg; quiet err
json 'steps.#' 2; json 'steps.1.after.0' 0; json 'naive_operations' 60750000.0; json 'planned_operations' 162000.0
json naive_bytes 72000
for key in kernel operations bytes intensity estimated_ns; do json "steps.0.$key.nothing" null; done
[ "$("$json_get" steps.0.kernel <out)" != null ] || fail 'a step has no kernel'
says 'digraph' d.dot; says 's0 -> s1' d.dot
says '</svg>' d.svg; [ "$(grep -Ec 'class="(node )?step"' d.svg)" = 2 ] || fail 'not two boxes'
cp out once
# by Graphviz, where it is installed; without it, and where it fails, another drawing
if command -v dot >/dev/null; then says 'Generated by graphviz' d.svg; else echo 'dot is not installed: not tested' >&2; fi
mkdir -p broken; printf '#!/bin/sh\necho half; exit 1\n' >broken/dot; chmod +x broken/dot
for path in /nowhere "$work/broken"; do
    run 0 env PATH="$path" "$einjit" explain 'ij,jk,kl->il' -s i=9,j=500,k=9,l=500 --svg own.svg
    [ "$(grep -c 'class="step"' own.svg)" = 2 ] || fail 'not two boxes of our own'
    [ "$(head -c 4 own.svg)" = '<svg' ] || fail 'the drawing does not begin as one'
done
printf '#!/bin/sh\ncat\n' >broken/dot # what it is given: names are escaped
run 0 env PATH="$work/broken:$PATH" "$einjit" explain 'i,i->' -s i=9 --svg given.dot
says 'digraph steps {' given.dot; says 'label=<i,i-&gt;>' given.dot; says 'b1 -> b0;' given.dot
if localedef -i de_DE -f ISO-8859-1 ./comma 2>/dev/null; then # the commands write points in every locale
    run 0 env LOCPATH="$work" LC_ALL=comma "$einjit" explain 'ij,jk,kl->il' -s i=9,j=500,k=9,l=500 --json; same out once
else
    echo 'localedef has no sources (package locales): not tested with a comma' >&2
fi
run 0 "$einjit" explain 'ij->' -s i=0,j=3 --json; json log10_mults null
run 0 "$einjit" explain 'ij,jk->ik' -s i=1000000,j=1000000,k=1000000; says '2e+18' out
! grep -q 'times' out || fail 'as many operations as written are no gain'
grep -Eq 'estimated time       [0-9.]+ (days|years) ' out || fail 'a time in another unit'
run 0 "$einjit" explain 'ij,jk,kl->il' -s i=9,j=500,k=9,l=500; says 'planned operations   162000   (375 times fewer)' out
letters=$(printf '%s,' a b c d e f g h i j k l m n o p q r s t u v w x y z)
sizes=$(printf '%s=1000000000000000,' a b c d e f g h i j k l m n o p q r s t u v w x y z)
run 0 "$einjit" explain "${letters%,}->" -s "${sizes%,}"; says 'naive operations     over 1.8e308' out
! grep -qw inf out || fail 'inf'
run 0 "$einjit" explain "${letters%,}->" -s "${sizes%,}" --json; json naive_operations null
run 0 "$einjit" print "${letters%,}->" -s "${sizes%,}" --emit plan; says 'operations over 1.8e308 written' out
run 0 "$einjit" explain "${letters%,}->" -s "$(echo "${sizes%,}" | sed 's/=1/=1000/g')"; says 'naive bytes          over 1.8e19' out
run 0 "$einjit" explain "${letters%,}->" -s "$(echo "${sizes%,}" | sed 's/=1/=1000/g')" --json; json bytes_moved null
run 1 "$einjit" explain 'ij,jk' -s i=2,j=2,k=2 --svg no/such/folder.svg; says E_IO err
run 2 "$einjit" explain 'ij,jk->ik'

# ---- path
printf '{"inputs": [["a", "b"], ["b", "c"], ["c", "d"]], "output": ["a", "d"], "size_dict": {"a": 9, "b": 500, "c": 9, "d": 500}}' >n.json
run 0 "$einjit" path n.json; says 'log10 mults' out
run 0 "$einjit" path n.json --json; quiet err
json name n; json strategy auto; json 'ssa_path.#' 2; json 'ssa_path.0' '[0,1]'; json 'slices.count' 1
json opt_einsum_flops 162000.0
cp out found.json
run 0 "$einjit" path n.json --strategy found.json --json; json opt_einsum_flops 162000.0
printf '{"ssa_path": [[1, 2], [0, 3]]}' >worse.json
run 0 "$einjit" path n.json --strategy worse.json --json; json 'ssa_path.0' '[1,2]'; json opt_einsum_flops 9000000.0
run 0 "$einjit" run 'ij,jk,kl->il' a.npy a.npy a.npy -o c.npy
run 0 "$einjit" run 'ij,jk,kl->il' a.npy a.npy a.npy -o d.npy --strategy worse.json; same c.npy d.npy
given n.json "$einjit" path - --json; json opt_einsum_flops 162000.0; json name -
given found.json "$einjit" path n.json --strategy - --json; json 'ssa_path.0' '[0,1]'
for text in '{}' '{"ssa_path": []}' '{"ssa_path": [[0, 1]]}' '{"ssa_path": [[0, 1], [0, 2]]}' '{"ssa_path": [[0, 1], [2, 7]]}' \
    '{"ssa_path": [[0, 1], [2, 3' '{"ssa_path": [[0, 1, 2]]}' '{"ssa_path": [[0],[3],[4],[5],[6],[7],[8]]}' 'x'; do
    printf '%s' "$text" >bad.json
    run 1 "$einjit" path n.json --strategy bad.json
done
run 1 "$einjit" path n.json --strategy no/such.json; says E_IO err
for text in '' '[]' '{"inputs": [[0]], "output": []}' '{"inputs": [3], "output": []}' '{"inputs": [], "output": []}' \
    '{"inputs": [[-1]], "output": [], "sizes": [2]}' '{"inputs": [[0]], "output": [1], "sizes": [2, 2]}'; do
    printf '%s' "$text" >bad.json
    run 1 "$einjit" path bad.json --json; quiet out
done
# more than a double holds: 600 vectors of 4, the result all of them
{ printf '{"inputs": ['; seq -s, 0 599 | sed 's/[0-9]*/[&]/g'; printf '], "output": ['; seq -s, 0 599; printf '], "sizes": [4'
  for i in $(seq 599); do printf ',4'; done; printf ']}'; } >outer.json
run 0 "$einjit" path outer.json; says 'log2 peak         1200.00' out; says 'opt_einsum flops  10^361.236' out
run 0 "$einjit" path outer.json --json; json opt_einsum_flops null; json log2_peak 1200.0
for option in '--seconds 0' '--seconds x' '--trials 0' '--seed -1' '--memory-limit 0' '--memory-limit 1Q' '--memory-limit 1MB' '--memory-limit -1' '--memory-limit 99999999999T' '--minimize size'; do run 2 "$einjit" path n.json $option; done
run 0 "$einjit" path n.json --minimize flops
printf '{"inputs": [[0, 1], [1, 2], [2, 3], [3, 0]], "output": [], "sizes": [16, 16, 16, 16]}' >ring.json
run 0 "$einjit" path ring.json --memory-limit 1280 --json; json slices.count 16; json 'slices.labels.#' 1
run 0 "$einjit" path ring.json --memory-limit 1280 --dtype f64; says 'slices            16, over' out
run 0 "$einjit" path ring.json --memory-limit 2K --json; json slices.count 1; json 'slices.labels.#' 0
run 1 "$einjit" path ring.json --memory-limit 3; says E_LIMIT err
run 0 "$einjit" explain 'ab,bc,cd,da->' -s a=16,b=16,c=16,d=16 --memory-limit 1280; says 'slices               16' out
run 0 "$einjit" run 'ij,jk,kl,li->' a.npy a.npy a.npy a.npy -o c.npy
run 0 "$einjit" run 'ij,jk,kl,li->' a.npy a.npy a.npy a.npy -o d.npy --memory-limit 1G; same c.npy d.npy
run 0 "$einjit" path n.json --seconds 0.1 --seed 3 --json; json strategy portfolio; json opt_einsum_flops 162000.0
run 0 "$einjit" path n.json --strategy anneal --trials 2 --json; json strategy anneal; json opt_einsum_flops 162000.0

# ---- each takes what the other takes
run 0 "$einjit" path 'ij,jk,kl->il' -s i=9,j=500,k=9,l=500 --json; quiet err; json opt_einsum_flops 162000.0; json name 'ij,jk,kl->il'
run 0 "$einjit" path 'lk,ij,jk' -s i=9,j=500,k=9,l=500 --json; json opt_einsum_flops 162000.0 # the output is il
run 0 "$einjit" path 'βi, ij' -s i=3,j=4,β=7 --json; json opt_einsum_flops 168.0
run 2 "$einjit" path 'ij,jk' -s i=3,j=4; says "'k' is missing" err
run 2 "$einjit" path 'ij,jk' -s i=3,j=4,k=5,x=6
run 0 "$einjit" path '...i,...j' -s i=3,j=2,...=4x5 --json; json opt_einsum_flops 120.0
run 0 "$einjit" path '...ij, ...jk -> ik' -s ...=8,i=3,j=4,k=5 --json; json opt_einsum_flops 960.0
run 2 "$einjit" path '...i' -s i=3; says "'...' is missing" err
run 0 "$einjit" path '...ij,...jk->...ik' -s ...=8x4,i=3,j=2,k=5 --json; json name '...ij,...jk->...ik'
run 0 "$einjit" path 'ij,jk->ik' a.npy fortran.npy --json; json opt_einsum_flops 16.0
run 0 "$einjit" path '...j,...k->jk' wide.npy wide.npy --json; json opt_einsum_flops 24.0
run 1 "$einjit" path 'ij,jk->ik' a.npy wide.npy; says "axis 'j' is 2 in operand 0 and 3 in operand 1" err
run 1 "$einjit" path 'ij,jk->ik' a.npy scalar.npy; says E_RANK err
run 1 "$einjit" path 'ij,jk->ik' a.npy; says E_OPERAND_COUNT err
run 2 "$einjit" path 'ij,jk->ik' a.npy a.npy -s i=2; says 'not from both' err
run 2 "$einjit" path n.json a.npy; says 'has its sizes' err
run 2 "$einjit" path '...i' -s ...=3; says "'i' is missing" err
run 2 "$einjit" path n.json -s a=3
run 1 "$einjit" path 'ij,jk->q' -s i=3,j=4,k=5; says E_OUT_UNKNOWN err
run 2 "$einjit" path "$source/tests/golden/edges.ein"; says 'einjit explain' err
printf '{"inputs": [["a", "b"], ["b", "c"]], "output": ["a", "c"], "size_dict": {"a": 2, "b": 2, "c": 2}}' >square.json
run 0 "$einjit" run square.json a.npy a.npy -o c.npy; same c.npy aa.npy
run 1 "$einjit" run square.json a.npy wide.npy; says 't1' err
run 1 "$einjit" run bad.json a.npy a.npy
run 0 "$einjit" run 'ij,jk->ik' a.npy a.npy --json; quiet err
json 'results.#' 1; json 'results.0.dtype' f32; json 'results.0.shape.1' 2; json 'results.0.values.3' 22.0
run 0 "$einjit" run 'ij,jk->ik' a.npy a.npy -o c.npy --json; json 'results.0.file' c.npy; same c.npy aa.npy
run 2 "$einjit" run 'ij->ij' a.npy --json -o -
run 0 "$einjit" list passes; says fuse out; quiet err
run 0 "$einjit" list --json; json 'targets.avx2.nothing' null
[ "$("$json_get" 'strategies.greedy' <out)" != null ] || fail 'greedy is not listed'
run 2 "$einjit" list nonsense
if python3 -c 'import zipfile' 2>/dev/null; then
    zip() { python3 -c 'import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as z:
    for name in sys.argv[2:]: z.write(*name.split("="))' "$@"; }
    zip positional.npz a.npy=arr_0.npy wide.npy=arr_1.npy
    zip named.npz wide.npy=b.npy aa.npy=a.npy
    zip other.npz err=readme.txt
    printf x >no.npz
    "$einjit" run 'ij->ij' positional.npz:arr_0 -o c.npy >out 2>err
    if grep -q 'built without libzip' err; then
        echo 'no libzip: .npz files are not tested' >&2
    else
        same c.npy a.npy
        run 0 "$einjit" run 'ij,kj->ik' positional.npz -o c.npy; run 0 "$einjit" run 'ij,kj->ik' a.npy wide.npy -o d.npy; same c.npy d.npy
        run 0 "$einjit" run 'ij,kj->ik' named.npz -o c.npy; run 0 "$einjit" run 'ij,kj->ik' aa.npy wide.npy -o d.npy; same c.npy d.npy
        run 0 "$einjit" run 'ij,kj->ik' named.npz:a positional.npz:arr_1 -o c.npy; same c.npy d.npy
        run 1 "$einjit" run 'ij->ij' named.npz:c; says "no array 'c'" err
        run 1 "$einjit" run 'ij->ij' other.npz; says E_IO err
        run 1 "$einjit" run 'ij->ij' no.npz; says E_IO err
        run 1 "$einjit" run 'ij->ij' missing.npz; says E_IO err
        head -c 200 named.npz >cut.npz
        run 1 "$einjit" run 'ij->ij' cut.npz; says E_IO err
        run 1 "$einjit" run 'ij->ij' positional.npz; says E_OPERAND_COUNT err
        run 0 "$einjit" run 'ij->ij' named.npz -o c.npy; run 0 "$einjit" run 'ij->ij' named.npz:a -o d.npy; same c.npy d.npy
        python3 -c "
import zipfile
with zipfile.ZipFile('flipped.npz', 'w') as z: z.write('a.npy')
b = bytearray(open('flipped.npz', 'rb').read())
b[b.index(b'NUMPY') + 128] ^= 1
open('flipped.npz', 'wb').write(b)"
        run 1 "$einjit" run 'ij->ij' flipped.npz; says 'cannot be read' err
        : >hollow.npy
        zip empty.npz hollow.npy=a.npy
        run 1 "$einjit" run 'ij->ij' empty.npz; says 'is empty' err
    fi
else
    echo 'python3 is not installed: .npz files are not tested' >&2
fi

# ---- bench
sizes=z=50,i=4,j=5,k=8
run 0 "$bench" 'zij,zjk,zk->zi' -s $sizes --min-time 0; says ' ok' out; quiet err
run 0 "$bench" 'zij,zjk,zk->zi' -s $sizes --min-time 0 --json --vs plain,interp; quiet err
for key in median_us min_us samples gflops gbytes_per_s compile_ms memory_ns max_err; do
    [ "$("$json_get" 0.$key <out)" != null ] || fail "no $key"
done
json 0.name 'zij,zjk,zk->zi'; json 0.equation 'zij,zjk,zk->zi'; json 0.sizes.z 50; json 0.dtype f32; json 0.threads 1
json 0.ok true; json '0.vs_us.#' 2; json '#' 1
# every way to run it, each asked for by its name: the one that is asked for is taken
run 0 "$bench" 'ij,jk->ik' -s i=40,j=50,k=60 --min-time 0 --json --model; says 'of 1 choices' err
[ "$("$json_get" '0.candidates.#' <out)" -ge 3 ] || fail 'too few candidates'
run 0 "$einjit" print 'ij,jk->ik' -s i=40,j=50,k=60 --emit cost
for i in $(seq 0 $(($("$json_get" 'candidates.#' <out) - 1))); do
    recipe=$("$json_get" candidates.$i.recipe <out) cycles=$("$json_get" candidates.$i.cycles <out)
    EINJIT_RECIPE=$recipe "$einjit" print 'ij,jk->ik' -s i=40,j=50,k=60 --emit cost >cost || fail "recipe $recipe"
    [ "$("$json_get" recipe <cost)" = "${recipe%:*}" ] || fail "$recipe was not taken"
    [ "$("$json_get" cycles <cost)" = "$cycles" ] || fail "$recipe has other cycles"
done
run 0 "$bench" 'zij,zjk,zk->zi' -s $sizes --min-time 0 --cold --json; json 0.outputs cold
run 0 "$bench" "$source/tests/golden/edges.ein" -s nodes=20,edges=50,c=4,d=4 --open edges --min-time 0 --json; json 0.ok true
run 0 "$bench" two.ein -s i=20,j=30,k=10 --min-time 0 --json; json 0.ok true; json 0.checked 220
printf '[{"name": "one", "equation": "ij->ji", "sizes": {"i": 30, "j": 20}}, {"name": "two", "program": "two.ein",
 "sizes": {"i": 3, "j": 4, "k": 5}, "dtype": "float64"}]' >cases.json
mkdir -p elsewhere
# a case that fails is in the list, and the others are run
cat >failing.json <<'P'
[{"name": "good", "equation": "i->i", "sizes": {"i": 30}}, {"name": "char", "equation": "i$->i", "sizes": {"i": 3}},
 {"name": "size", "equation": "ij->ji", "sizes": {"i": 3}}, {"name": "dtype", "equation": "i->i", "sizes": {"i": 3}, "dtype": "f3"},
 {"name": "none", "sizes": {"i": 3}}, {"name": "whole", "equation": "i->i", "sizes": {"i": "three"}},
 {"name": "last", "equation": "i->", "sizes": {"i": 30}}]
P
failing() { # the last run, with any options: six failed
    json '#' 7; json 0.ok true; json 0.error null; json 6.ok true; json 1.name char; json 1.ok false; json 2.equation 'ij->ji'
    [ "$("$json_get" '0.#' <out)" = "$("$json_get" '1.#' <out)" ] || fail 'a failed case has other keys'
    json 1.error "E_BAD_CHAR: '\$' cannot be a label: labels are letters"; json 1.median_us null; json 1.sizes.i 3
    json 2.error "E_VALUE: the size of 'j' is missing: -s j=N"; json 3.error "E_DTYPE: case 'dtype': there is no dtype 'f3'"
    json 4.ok false; json 4.equation null; json 5.ok false; json 5.threads null; json '5.plan.#' 0
}
"$bench" --cases failing.json --min-time 0 --json >out 2>err; [ $? = 1 ] || fail 'failed cases are not a failure'
failing
"$bench" --cases failing.json --min-time 0 >out 2>err; [ $? = 1 ] || fail 'failed cases are not a failure'
grep -Eq '^char +FAILED E_BAD_CHAR' out || fail 'no line for a failed case'
run 0 "$bench" --cases failing.json --only 'good|last' --min-time 0 --json; json '#' 2
run 1 "$bench" 'i$->i' -s i=3 --json; json 0.ok false
# the CPUs that this process may use, a line each
cpus() { taskset -pc $$ | sed 's/.*: //' | tr ',' '\n' | while IFS=- read -r from to; do seq "$from" "${to:-$from}"; done; }
run 0 taskset -c "$(cpus | head -n 1)" "$bench" 'i->' -s i=30 --min-time 0 --threads 2 --json
says 'einjit-bench: warning: --threads 2: this process may use 1 at a time' err; json 0.threads 1
run 0 taskset -c "$(cpus | head -n 1)" "$einjit" run 'i->i' bool.npy --threads 2
says 'einjit: warning: --threads 2: this process may use 1 at a time' err
if [ "$(cpus | wc -l)" -gt 1 ]; then
    run 0 "$bench" 'ij,jk->ik' -s i=96,j=96,k=96 --min-time 0 --threads 2 --vs alone --json
    json 0.threads 2; json 0.ok true
fi
# alpha and beta, held against another kernel that begins with the same outputs
run 0 "$bench" 'ij,jk->ik' -s i=9,j=7,k=5 --min-time 0 --alpha 2.5 --beta -0.5 --json
json 0.ok true; json 0.reference interpreter; json 0.checked 45
run 0 "$bench" 'ij,jk->ik' -s i=9,j=7,k=5 --min-time 0 --dtype i64 --beta 3 --json; json 0.ok true; json 0.max_err 0.0
# what is read behind the sum walks the axis of one gathered row, which the result does not name
cat >gathered.ein <<'END'
def f(x: c64[2, 16, 4], i: i64[1], w: c64[4, 6], s: c64[1, 1, 1]):
    return -0.25 * reshape(einsum("ecj,ji->eci", index_select(x, 0, i), w) * s, (1, 16, 6, 1))
END
run 0 env EINJIT_VERIFY=1 "$bench" gathered.ein --no-opt --min-time 0 --alpha -0.25 --beta -0.25 --json; json 0.ok true
run 2 "$bench" 'ij,jk->ik' -s i=9,j=7,k=5 --beta 1 --vs self; says 'without --alpha and --beta' err
run 2 "$bench" 'ij,jk->ik' -s i=9,j=7,k=5 --alpha 0
# bytes of a diagonal: 2 * 500 numbers
run 0 "$bench" 'ii->i' -s i=500 --dtype f64 --min-time 0 --json
bytes=$(awk "BEGIN { printf \"%.0f\", $("$json_get" 0.gbytes_per_s <out) * $("$json_get" 0.median_us <out) * 1000 }")
[ "$bytes" = 8000 ] || fail "a diagonal has $bytes bytes"
run 2 "$bench" --cases cases.json --only three
run 0 "$bench" --cases cases.json --only one --min-time 0 --json; json '#' 1
cp out base.json
run 0 "$bench" --cases "$work/cases.json" --only one --min-time 0
sed 's/"min_us": [0-9.e+-]*/"min_us": 1e-9/' base.json >fast.json
run 3 "$bench" --cases cases.json --only one --min-time 0 --baseline fast.json --json; json '#' 1
given cases.json "$bench" --cases - --only one --min-time 0 --json; json 0.name one
run 0 "$bench" 'ij->ji' -s i=3,j=3 --min-time 0 --vs plain --vs interp --json; json '0.vs_us.#' 2
run 2 "$bench" 'ij->ji' -s i=3,j=3 --min-time 0 --min-time 1; run 2 "$bench" 'ij->ji' -s i=3,j=3,i=4
run 1 "$bench" --cases missing.json; says E_IO err
run 1 "$bench" --cases n.json
run 2 "$bench" 'ij->ji' -s i=3,j=3 --vs nonsense
run 0 "$bench" 'ij,jk->ik' -s i=40,j=30,k=20 --min-time 0 --json --vs self; quiet err; json 0.pages 4k
"$json_get" 0.vs_us.self <out | grep -Eq '^[0-9]' || fail 'no time of the kernel against itself'
"$json_get" 0.bound_us <out | grep -Eq '^[0-9]' || fail 'no bound'
run 0 "$bench" 'ij->ji' -s i=30,j=20 --min-time 0 --huge-pages --json; json 0.pages huge; json 0.ok true
run 1 "$bench" 'ij,jk->ik' -s i=4,j=3,k=2 --min-time 0 --vs mkl=/nowhere/libmkl_rt.so; says E_IO err
run 0 "$bench" 'ij->ji' -s i=3,j=3 --min-time 0 --vs hptt=/nowhere/libhptt.so,libxsmm=/nowhere.so --dtype i32; quiet err
run 2 "$bench" 'ij->ji' -s i=3
run 2 "$bench" 'ij->ji' -s i=3,j=3,k=3
run 0 "$bench" --optimizer --largest 1000 --only 'tree|dag' --plan --json; json '#' 4; json 1.form tree; json 1.einsums 1000; quiet err
run 0 "$bench" --optimizer --largest 100 --only pairs --passes dce,dce; says 'pairs       100 einsums' out; quiet err
run 1 "$bench" --optimizer --passes nonsense
run 2 "$bench" --optimizer --only nonsense
run 2 "$bench" --optimizer 'ij->ji'
run 2 "$bench" --passes dce 'ij->ji' -s i=3,j=3

# what was measured before an interrupt is reported
case='{"name": "short", "equation": "ij->ji", "sizes": {"i": 30, "j": 20}}'
{ printf '[%s' "$case"; for i in $(seq 1000); do printf ', %s' "$case"; done; printf ']'; } >many.json
"$bench" --cases many.json --min-time 1000 >out 2>err </dev/null &
pid=$!
for i in $(seq 300); do [ -s out ] && break; sleep 0.2; done
interrupt run
says short out
says E_INTERRUPTED err

# Ctrl-C ends what the library does: here the search over all orders of 16 operands, which takes seconds
operands=$(for a in a b c d e f g h i j k l m n o p; do printf '%s%s%s,' $a A B; done)
sizes=$(for a in a b c d e f g h i j k l m n o p A B; do printf '%s=3,' $a; done)
"$einjit" explain "${operands%,}->abc" -s "${sizes%,}" --strategy optimal >out 2>err </dev/null &
pid=$!
sleep 0.3
interrupt search
says 'E_INTERRUPTED: interrupted by the caller' err; quiet out

# and a path search that has nothing to show for it yet: this one takes seconds, and tells of no trials
awk 'BEGIN {
    printf "{\"inputs\": ["
    for (t = 0; t < 512; t++) {
        printf "%s[", t ? ", " : ""
        for (i = 0; i < 12; i++) printf "%s\"l%d\"", i ? ", " : "", (t * 577 + i * 1009 + i * i * t) % 3000 # mostly two of each
        printf "]"
    }
    printf "], \"output\": [], \"size_dict\": {"
    for (l = 0; l < 3000; l++) printf "%s\"l%d\": 2", l ? ", " : "", l
    print "}}"
}' >long.json
"$einjit" path long.json --strategy branch-1 >out 2>err </dev/null &
pid=$!
sleep 1
interrupt 'path search'
says 'E_INTERRUPTED: interrupted by the caller' err; quiet out

# the cache on disk
unset EINJIT_CACHE_DIR
export XDG_CACHE_HOME=$work/caches
kept=$work/caches/einjit
run 0 "$einjit" cache path; says "$kept" out
run 0 "$einjit" cache; quiet out
run 0 "$einjit" cache clear; says '0 entries' out
run 2 "$einjit" cache nonsense; says 'list, show, verify, clear, warm, path and stats' err
run 2 "$einjit" cache show
run 2 "$einjit" cache path more
run 1 "$einjit" cache show abc
EINJIT_CACHE_DIR=none run 1 "$einjit" cache path
EINJIT_CACHE_LIMIT=1x run 2 "$einjit" cache stats; says EINJIT_CACHE_LIMIT err
if [ "${4:-}" != interp ]; then
    printf '[{"name": "x", "equation": "ij,jk->ik", "sizes": {"i": 2, "j": 2, "k": 2}}]' >cases.json
    run 0 "$einjit" cache warm cases.json; says '2 kernels compiled, 0 were there' out
    run 0 "$einjit" cache warm 'ij,jk->ik' -s i=2,j=2,k=2; says '0 kernels compiled, 2 were there' out
    run 2 "$einjit" cache warm 'ij,jk->ik' -s i=2,j=2
    run 2 "$einjit" cache warm
    EINJIT_VERBOSE=1 run 0 "$einjit" run 'ij,jk->ik' a.npy a.npy -o o.npy
    says 'einjit: loaded in ' err; says ": einjit-bench 'ij,jk->ik' -s i=2,j=2,k=2 --dtype f32" err
    same o.npy aa.npy
    EINJIT_MODULE=/nowhere/x.so run 0 "$einjit" run 'ij,jk->ik' a.npy a.npy -o o.npy
    EINJIT_MODULE=/nowhere/x.so run 1 "$einjit" run 'ij,kj->ik' a.npy a.npy -o o.npy; says E_BACKEND err
    EINJIT_MODULE=/nowhere/x.so run 0 "$einjit" run 'ij,jk->ki' a.npy a.npy -o o.npy --backend auto; says 'interpreted' err
    EINJIT_VERBOSE=1 run 0 "$einjit" print 'ij,jk->ik' -s i=2,j=2,k=2 --emit plan; quiet err
    # what a line says is a command: run, it asks for that very kernel
    cat >twice.ein <<'END'
def twice(x: f32[n, m], w: f32[m]):
    y = x @ w + 1.5
    return y * 2.0, relu(y)
END
    EINJIT_VERBOSE=1 EINJIT_CACHE_DIR=$PWD/said run 0 "$einjit" cache warm twice.ein -s n=5,m=3 --open n --strict
    said=$(sed -n "s/^einjit: compiled .*: OK: einjit-bench //p" err)
    [ -n "$said" ] || fail 'no line says what was compiled'
    said_bench() { eval "\"$bench\" $said --min-time 0.001"; }
    EINJIT_VERBOSE=1 EINJIT_CACHE_DIR=none run 0 said_bench
    says "OK: einjit-bench $said" err
    run 0 "$einjit" cache list --json; json 0.problem "einjit-bench 'ij,jk->ik' -s i=2,j=2,k=2 --dtype f32"; json 1.ok true
    name=$("$json_get" 0.name <out)
    run 0 "$einjit" cache show "$name"; says 'signature ' out; says "$name" out
    run 2 "$einjit" cache show ''
    run 0 "$einjit" cache stats --json; json entries 2; json usable 2; json bad 0
    run 0 "$einjit" cache verify; says '2 of 2 entries are whole' out
    printf x >>"$kept/$name.kernel"
    run 1 "$einjit" cache verify; says 'cut short, or has grown' err
    run 0 "$einjit" cache list; says 'cut short, or has grown' out
    run 0 "$einjit" cache stats; says '1 bad' out
    chmod 770 "$kept"
    run 1 "$einjit" cache list; says 'others can write it' err
    chmod 700 "$kept"
    run 0 "$einjit" cache clear; says '2 entries removed' out
    run 0 "$einjit" cache stats; says 'entries: 0' out
    run 0 "$bench" 'ij,jk->ik' -s i=4,j=4,k=4 --min-time 0.001 --json
    case $("$json_get" 0.disk_us <out) in ''|null) fail 'no disk_us' ;; esac
    run 0 "$bench" 'ij,jk->ik' -s i=4,j=4,k=4 --min-time 0.001 --cache; says 'of two threads at once' out
    run 0 "$bench" 'ij,jk->ik' -s i=4,j=4,k=4 --min-time 0.001 --cache --json
    case $("$json_get" 0.pair_ns <out) in ''|null) fail 'no pair_ns' ;; esac
    run 0 "$einjit" cache; quiet out # of its own nothing is left
    export EINJIT_CACHE_DIR=none
    EINJIT_VERBOSE=1 run 0 "$einjit" run 'ij,jk->ik' a.npy a.npy -o o.npy --isolate; says ' generates code' err; same o.npy aa.npy
    EINJIT_ISOLATE=1 EINJIT_VERBOSE=1 run 0 "$einjit" run 'ij,jk->ik' a.npy a.npy -o o.npy; says ' generates code' err
    run 0 "$einjit" print 'ij,jk->ik' -s i=9,j=8,k=7 --emit asm; cp out asm
    run 0 "$einjit" print 'ij,jk->ik' -s i=9,j=8,k=7 --emit asm --isolate; same out asm
    EINJIT_ISOLATE=1 EINJIT_ISOLATE_LIMIT=soon run 2 "$einjit" run 'ij,jk->ik' a.npy a.npy -o o.npy; says EINJIT_ISOLATE_LIMIT err
fi

[ $failures = 0 ] || { printf '%s failed\n' $failures >&2; exit 1; }
echo 'the commands do what they say'

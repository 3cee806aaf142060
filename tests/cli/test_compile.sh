#!/usr/bin/env bash
# einjit compile: objects and headers that C programs are linked with, and what is said where there are none.
#   test_compile.sh FOLDER-OF-COMMANDS
. "$(dirname "$0")/support.sh"
warnings='-std=c99 -Wall -Wextra -pedantic -Wshadow -Wconversion -Werror'

cat >main.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include "product.h"
int main(int argc, char **argv)
{
    const float a[] = {1, 2, 3, 4, 5, 6}, b[] = {1, 2, 3, 4};
    float c[6] = {0};
    long rows = argc > 1 ? atol(argv[1]) : 2;
    int status = CALL;
    for (long i = 0; i < 2 * rows && i < 6 && !status; i++) printf("%g ", (double)c[i]);
    return status;
}
END
run 0 "$einjit" compile 'ij,jk->ik' -s i=2,j=2,k=2 -o product.o --header product.h
run 0 cc $warnings '-DCALL=product(a, b, c, NULL)' main.c product.o -o main
run 0 ./main; says '7 10 15 22 ' out

# three rows, two rows, any number of rows for a lesser CPU
run 0 "$einjit" compile 'ij,jk->ik' -s i=2,j=2,k=2 --also i=3 -o product.o --header product.h
run 0 cc $warnings '-DCALL=product(a, b, c, rows, NULL)' main.c product.o -o main
run 0 ./main 2; says '7 10 15 22 ' out
run 0 ./main 3; says '7 10 15 22 23 34 ' out
run 1 ./main 1
run 0 "$einjit" compile 'ij,jk->ik' -s i=2,j=2,k=2 --open i --also i=3 -o product.o --header product.h
run 0 cc $warnings '-DCALL=product(a, b, c, rows, NULL)' main.c product.o -o main
run 0 ./main 1; says '7 10 ' out
run 0 ./main 3; says '7 10 15 22 23 34 ' out
run 2 ./main -1

# best first, in whatever order they are given
lesser=$("$einjit" list targets | tail -1 | sed 's/ .*//')
here=$("$einjit" print i-\>i -s i=4 --emit key | sed -n 's/^target: //p')
if [ -n "$here" ] && [ "$here" != "$lesser" ]; then
    run 0 "$einjit" compile 'ij,jk->ik' -s i=2,j=2,k=2 --target "$lesser,$here" -o product.o --header product.h
    says "product_0, for $here CPUs" product.h; says "product_1, for $lesser CPUs" product.h
    run 0 cc $warnings '-DCALL=product(a, b, c, NULL)' main.c product.o -o main
    run 0 ./main; says '7 10 15 22 ' out
fi

# a shared library, as compilers write it, too; to standard output
for shared in --shared -shared; do
    run 0 "$einjit" compile 'ij,jk->ik' -s i=2,j=2,k=2 $shared -o libproduct.so --name product --header product.h
    run 0 cc $warnings '-DCALL=product(a, b, c, NULL)' main.c ./libproduct.so -o main
    run 0 ./main; says '7 10 15 22 ' out
    rm libproduct.so
done
run 0 "$einjit" compile 'ij,jk->ik' -s i=2,j=2,k=2 --name product -o -; cp out product.o
run 0 "$einjit" compile 'ij,jk->ik' -s i=2,j=2,k=2 --name product -o /dev/null --header -; cp out product.h
run 0 cc $warnings '-DCALL=product(a, b, c, NULL)' main.c product.o -o main
run 0 ./main; says '7 10 15 22 ' out

# the object is complete with the gradient
run 0 "$einjit" compile 'i,i->' -s i=4 --gradient a -o dot.o --header dot.h
says 'dot(const float *a, const float *b, float *out0, float *out1, void *scratch)' dot.h

run 2 "$einjit" compile 'ij,jk->ik' -s i=2,j=2,k=2; says 'needs one -o' err
run 2 "$einjit" compile 'ij,jk->ik' -s i=2,j=2,k=2 -o a.o -o b.o
run 2 "$einjit" compile 'ij,jk->ik' -s i=2,j=2,k=2,q=3 -o a.o
run 2 "$einjit" compile 'ij,jk->ik' -s i=2,j=2,k=2 --also q=3 -o a.o
run 2 "$einjit" compile 'ij,jk->ik' -s i=2,j=2,k=2 --target avx1024 -o a.o; says 'avx1024' err
run 2 "$einjit" compile 'ij,jk->ik' -s i=2,j=2,k=2 --shared -o -
run 1 "$einjit" compile 'ij,jk->ik' -s i=2,j=2,k=2 -o 2x.o; says "E_VALUE: '2x' is no name" err
run 2 "$einjit" compile 'i,i->i' -s i=2 -o a.o --constants b; says "no option of einjit compile" err
run 2 "$einjit" compile 'i->i' -s i=2 -o a.o --header a.o; says 'same file' err
long=$(printf 'n%.0s' $(seq 310))
run 0 "$einjit" compile "def f(x: f32[$long, m]): return x * 2.0" -s $long=5,m=3 --also m=6 -o a.o
[ ! -e 2x.o ] || fail 'a file was written'
run 1 "$einjit" compile 'ij,jk->ik' -s i=2,j=2,k=2 -o nowhere/a.o; says E_IO err
CC=/nowhere/cc run 1 "$einjit" compile 'ij,jk->ik' -s i=2,j=2,k=2 -o a.so --shared; says E_IO err
run 1 "$einjit" compile 'ij,kj->ik' -s i=2,j=2,k=2 --also j=3 -o a.o --header nowhere/a.h; says E_IO err

[ $failures = 0 ] || { printf '%s failed\n' $failures >&2; exit 1; }
echo 'objects and headers are what they should be'

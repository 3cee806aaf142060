/* sized_programs.c - the programs of tests/golden with inputs, and a few for what these have nothing of. */
#include "sized_programs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"

const sized_program sized_programs[] = {
    {"attention", NULL, "f32[4,8,64,32] f32[4,8,48,32] f32[4,8,48,32] bool[64,48]"},
    {"batched_matvec", NULL, "f32[1000,4,5] f32[1000,5,8] f32[1000,8] f32[]"},
    {"clebsch_gordan", NULL, "f32[500,16,3] f32[500,16,3] f32[16,16,8]"},
    {"complex", NULL, "c64[40,30] c128[30,30]"},
    {"edges", NULL, "f32[1000,8] i64[10000] i64[10000] f32[10000,8,8]"},
    {"einmatvecmul", NULL, "f32[1000,4,5] f32[1000,5,8] f32[1000,8]"},
    {"layout", NULL, "f32[3,4,4] f32[4,5] i32[4]"},
    {"message_passing", NULL, "f32[200,16] f32[16,16] i64[2000] i64[2000] f32[2000]"},
    {"mlp", NULL, "f32[64,32] f32[32,128] f32[128] f32[128,32] f32[32] f32[32] f32[32]"},
    {"semiring", NULL, "f64[12] f64[12,12] f64[4,12,12] bool[12,12]"},
    {"wasteful", NULL, "f64[100,50] f64[50,20] f64[20]"},
    {"causal",
     "def f(q: f32[s, d], k: f32[s, d], v: f32[s, d]):\n"
     "    x = where(arange(s)[:, None] >= arange(s)[None, :], q @ k.T, float(\"-inf\"))\n    return softmax(x, -1) @ "
     "v\n",
     "f32[2048,64] f32[2048,64] f32[2048,64]"},
    {"covariance", "def f(x: f64[n, m]):\n    c = x - mean(x, dim=0)\n    return einsum(\"ni,nj->ij\", c, c) / 499.0\n",
     "f64[500,400]"},
    {"debugged",
     "def f(a: f32[i, j], b: f32[j, k], v: f32[k]):\n    p = a @ b\n    shown = exp(p)\n    return einsum(\"ik,k->i\", "
     "p, v)\n",
     "f32[100,50] f32[50,80] f32[80]"},
    {"few_rows", "def f(x: f32[n, m], w: f32[m, o], i: i64[k]):\n    return (x @ w)[i]\n",
     "f32[10000,32] f32[32,64] i64[100]"},
    {"many_rows", "def f(x: f32[n, m], w: f32[m, o], i: i64[k]):\n    return x[i] @ w\n",
     "f32[100,32] f32[32,64] i64[10000]"},
    {"kronecker",
     "def f(a: f64[i], b: f64[j], u: f64[j], v: f64[i]):\n    k = einsum(\"i,j->ij\", a, b)\n"
     "    return einsum(\"ij,j->i\", k, u), einsum(\"ij,i->j\", k, v)\n",
     "f64[300] f64[200] f64[200] f64[300]"},
    {"shared_product",
     "def f(a: f32[i, j], b: f32[j, i], u: f32[i], v: f32[i]):\n    p = a @ b\n    return p @ u, p @ v\n",
     "f32[200,100] f32[100,200] f32[200] f32[200]"},
    {"residuals", "def f(a: f32[i, j], b: f32[j, k], c: f32[j, k], d: f32[i, k]):\n    return a @ b + a @ c + d\n",
     "f32[64,32] f32[32,48] f32[32,48] f32[64,48]"},
    {"ring",
     "def f(a, b, c, d, e, g, h, i, j, k, l, m):\n"
     "    return einsum(\"xab,bc,xcd,de,xef,fg,xgh,hi,xij,jk,xkl,la->x\", a, b, c, d, e, g, h, i, j, k, l, m)\n",
     "f64[9,8,6] f64[6,5] f64[9,5,7] f64[7,6] f64[9,6,8] f64[8,5] f64[9,5,6] f64[6,7] f64[9,7,8] f64[8,6] f64[9,6,5] "
     "f64[5,8]"},
    {"tensor_train",
     "def f(a, b, c, d, e, g, h, i, j, k, l, m):\n"
     "    return einsum(\"ab,bcd,def,fgh,hij,jkl,lm,a,c,e,g,i->km\", a, b, c, d, e, g, h, i, j, k, l, m)\n",
     "f64[8,6] f64[6,8,6] f64[6,8,6] f64[6,8,6] f64[6,8,6] f64[6,8,6] f64[6,8] f64[8] f64[8] f64[8] f64[8] f64[8]"},
};
const size_t n_sized_programs = sizeof sized_programs / sizeof sized_programs[0];

char *sized_program_text(const sized_program *program)
{
    char path[1024];
    size_t n;
    if (program->text) return strdup(program->text);
    snprintf(path, sizeof path, "%s/tests/golden/%s.ein", EINJIT_TEST_SOURCE, program->name);
    return read_whole_file(path, &n);
}

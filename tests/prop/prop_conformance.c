/* prop_conformance.c - every shared einsum case, in f64 and f32, through machine code (or the interpreter).
 *
 * usage: prop_conformance [--lines] [--backend llvm|interp]     --lines: one line per case
 * Bits equal where the case says that sums are exact; else within gamma * S_max. Invalid cases: the right reason.
 */
#include "conformance.h"

#include <float.h>
#include <math.h>
#include "built_module.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "einjit/einjit.h"

typedef struct checker {
    einjit_context *context;
    bool lines;
    long passed, failed;
} checker;

typedef struct tensors {
    einjit_tensor in[CASE_OPERANDS], out;
    void *blocks[CASE_OPERANDS + 1];
    size_t n_out;
} tensors;

static size_t element_count(const int64_t *shape, int rank)
{
    size_t n = 1;
    for (int a = 0; a < rank; a++) n *= (size_t)shape[a];
    return n;
}

static void *filled(uint32_t operand, size_t n, int dtype)
{
    void *block = calloc(n + 1, 8);
    if (!block) exit(1);
    for (size_t k = 0; k < n; k++) {
        double x = conformance_value(operand, (uint32_t)k);
        if (dtype == EINJIT_F32) ((float *)block)[k] = (float)x;
        else ((double *)block)[k] = x;
    }
    return block;
}

static void make_tensors(tensors *t, const conformance_case *c, int dtype)
{
    for (size_t i = 0; i < c->n; i++) {
        t->blocks[i] = filled((uint32_t)i, element_count(c->shape[i], c->rank[i]), dtype);
        t->in[i] = (einjit_tensor){t->blocks[i], dtype, c->rank[i], c->shape[i], NULL};
    }
    t->n_out = element_count(c->out_shape, c->out_rank);
    t->blocks[c->n] = calloc(t->n_out + 1, 8);
    t->out = (einjit_tensor){t->blocks[c->n], dtype, c->out_rank, c->out_shape, NULL};
}

static void free_tensors(tensors *t, size_t n)
{
    for (size_t i = 0; i <= n; i++) free(t->blocks[i]);
}

/* The sum over elements as the file has it cannot say where an inexact case is off: the same case in the other dtype can. */
static bool close_enough(const conformance_case *c, const double *got, const double *exact, size_t n, double unit)
{
    double m = 4 * (double)c->n; /* pairwise steps: each label is summed once, in one of them */
    for (size_t t = 0; t < c->n; t++)
        for (int a = 0; a < c->rank[t]; a++) m += (double)c->shape[t][a];
    double gamma = m * unit / (1 - m * unit);
    for (size_t i = 0; i < n; i++)
        if (!(fabs(got[i] - exact[i]) <= gamma * c->s_max)) return false;
    return true;
}

static bool run_case(checker *k, const conformance_case *c, int dtype, double *got, char *why, size_t n_why)
{
    tensors t;
    einjit_error err = {0};
    make_tensors(&t, c, dtype);
    int status = einjit_einsum(k->context, c->equation, c->n, t.in, &t.out, &err);
    for (size_t i = 0; i < t.n_out && !status; i++)
        got[i] = dtype == EINJIT_F32 ? (double)((float *)t.out.data)[i] : ((double *)t.out.data)[i];
    free_tensors(&t, c->n);
    if (status) snprintf(why, n_why, "%s: %s", einjit_status_name(status), err.text);
    return !status;
}

static bool check_valid(checker *k, const conformance_case *c, char *why, size_t n_why)
{
    size_t n = element_count(c->out_shape, c->out_rank);
    double *f64 = calloc(n + 1, sizeof *f64), *f32 = calloc(n + 1, sizeof *f32);
    if (!f64 || !f32) exit(1);
    bool ok = run_case(k, c, EINJIT_F64, f64, why, n_why) && run_case(k, c, EINJIT_F32, f32, why, n_why);
    if (ok && c->exact_f64 && conformance_fnv(f64, n) != c->fnv) {
        snprintf(why, n_why, "f64 bits differ");
        ok = false;
    }
    if (ok && c->exact_f32 && conformance_fnv(f32, n) != c->fnv) {
        snprintf(why, n_why, "f32 bits differ");
        ok = false;
    }
    if (ok && !c->exact_f32 && !close_enough(c, f32, f64, n, FLT_EPSILON / 2)) {
        snprintf(why, n_why, "f32 is further off than rounding explains");
        ok = false;
    }
    free(f64);
    free(f32);
    return ok;
}

/* Invalid: the reason must come from the call with any output tensor; the output's shape cannot be wrong before that. */
static bool check_invalid(checker *k, const conformance_case *c, char *why, size_t n_why)
{
    tensors t;
    einjit_error err = {0};
    make_tensors(&t, c, EINJIT_F64);
    int status = einjit_einsum(k->context, c->equation, c->n, t.in, &t.out, &err);
    free_tensors(&t, c->n);
    if (!strcmp(einjit_status_name(status), c->reason)) return true;
    snprintf(why, n_why, "%s (%s), not %s", einjit_status_name(status), err.text, c->reason);
    return false;
}

static void check_line(checker *k, const char *text)
{
    conformance_case c;
    char why[700] = "";
    json_error_t error;
    json_t *line = json_loads(text, 0, &error);
    bool ok = line && conformance_read(&c, line) && (c.reason ? check_invalid(k, &c, why, sizeof why) : check_valid(k, &c, why, sizeof why));
    if (ok) k->passed++;
    else k->failed++;
    if (line && (k->lines || !ok))
        printf("%s case %d '%s' %s\n", ok ? "ok  " : "FAIL", c.id, c.equation, ok && c.reason ? c.reason : why);
    json_decref(line);
}

int main(int argc, char **argv)
{
    checker k = {0};
    char path[1024];
    const char *backend = NULL;
    use_built_module();
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--lines")) k.lines = true;
        else if (!strcmp(argv[i], "--backend") && i + 1 < argc) backend = argv[++i];
        else return 2;
    }
    if (!shared_file("data/conformance.jsonl", path, sizeof path)) {
        puts("the shared cases are not here: nothing to check\n0 passed, 0 failed, 1 skipped");
        return 0;
    }
    einjit_error err;
    einjit_options options = {.struct_bytes = sizeof options, .backend = backend, .flags = EINJIT_OPTION_VERIFY};
    if (einjit_context_create(&k.context, &options, &err)) {
        fprintf(stderr, "%s: %s\n", einjit_status_name(err.code), err.text);
        return 1;
    }
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t capacity = 0;
    while (file && getline(&line, &capacity, file) > 0)
        if (*line == '{') check_line(&k, line);
    free(line);
    if (file) fclose(file);
    einjit_context_release(k.context);
    printf("%ld passed, %ld failed\n", k.passed, k.failed);
    return k.failed || !k.passed;
}

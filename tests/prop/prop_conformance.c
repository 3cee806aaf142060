/* prop_conformance.c - every shared einsum case, in f64 and f32, through machine code (or the interpreter).
 *
 * usage: prop_conformance [--lines] [--backend llvm|interp] [--einjit COMMAND]     --lines: one line per case
 * Bits equal where the case says that sums are exact; else within gamma * S_max. Invalid cases: the right reason.
 * Every entry must say the same: einjit_einsum; a graph from the equation, its shapes and a call of it; and, where the
 * command is given, `einjit run` over .npy files (by the interpreter, which needs no code generator).
 */
#include "conformance.h"

#include <float.h>
#include <math.h>
#include "built_module.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "einjit/einjit.h"

typedef struct checker {
    einjit_context *context;
    const char *command; /* einjit; NULL: not there */
    const char *folder;  /* for its files */
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

/* The sum over elements as the file has it cannot say where an inexact case is off: the same case in the other dtype
 * can. */
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

/* ---- a graph from the equation ---- */

static bool has_shape(const einjit_shapes *shapes, const conformance_case *c)
{
    int dtype, rank;
    const int64_t *shape;
    return !einjit_shapes_output(shapes, 0, &dtype, &rank, &shape, NULL) && dtype == EINJIT_F64 &&
           rank == c->out_rank && (!rank || !memcmp(shape, c->out_shape, (size_t)rank * sizeof *shape));
}

/* The status of the graph, of its shapes, and of a call of it must be one; f64 in, `t->out` out. */
static int run_graph(checker *k, const conformance_case *c, tensors *t, char *why, size_t n_why)
{
    einjit_error err = {0};
    einjit_graph *graph = NULL;
    einjit_shapes *shapes = NULL;
    int status = einjit_graph_from_equation(&graph, k->context, c->equation, &err);
    if (!status) {
        status = einjit_shapes_infer(&shapes, graph, c->n, t->in, &err);
        int called = einjit_call(k->context, graph, c->n, t->in, 1, &t->out, status ? NULL : &err);
        if (called != status)
            snprintf(why, n_why, "a graph: shapes say %s, a call %s (%s)", einjit_status_name(status),
                     einjit_status_name(called), err.text);
        else if (!status && !has_shape(shapes, c)) snprintf(why, n_why, "a graph: another shape or dtype");
    }
    einjit_shapes_destroy(shapes);
    einjit_graph_destroy(graph);
    return status;
}

/* ---- the command ---- */

static void write_npy(const char *folder, size_t i, const einjit_tensor *t)
{
    char path[600], header[4096];
    size_t bytes = 8 * element_count(t->shape, t->rank);
    int n = snprintf(header, sizeof header, "{'descr': '<f8', 'fortran_order': False, 'shape': (");
    for (int a = 0; a < t->rank; a++)
        n += snprintf(header + n, sizeof header - (size_t)n, "%lld,", (long long)t->shape[a]);
    n += snprintf(header + n, sizeof header - (size_t)n, "), }");
    while ((n + 11) % 64) header[n++] = ' ';
    header[n++] = '\n';
    const unsigned char start[10] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)(n & 255), (unsigned char)(n >> 8)};
    snprintf(path, sizeof path, "%s/%zu.npy", folder, i);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(start, 1, 10, file) != 10 || fwrite(header, 1, (size_t)n, file) != (size_t)n ||
        fwrite(t->data, 1, bytes, file) != bytes || fclose(file))
        exit(1);
}

static bool read_npy(const char *folder, const einjit_tensor *t)
{
    char path[600], header[4096];
    unsigned char start[10];
    size_t bytes = 8 * element_count(t->shape, t->rank);
    snprintf(path, sizeof path, "%s/out.npy", folder);
    FILE *file = fopen(path, "rb");
    bool ok = file && fread(start, 1, 10, file) == 10;
    size_t n = ok ? start[8] + 256u * start[9] : 0;
    ok = ok && n < sizeof header && fread(header, 1, n, file) == n && fread((void *)t->data, 1, bytes, file) == bytes &&
         fgetc(file) == EOF;
    if (file) fclose(file);
    return ok;
}

/* einjit run EQUATION 0.npy 1.npy ... -o out.npy, in the folder; what it says on stderr goes to a file there. */
static int start_command(const checker *k, const conformance_case *c)
{
    char names[CASE_OPERANDS][32], spaced[8];
    char *arguments[CASE_OPERANDS + 8] = {(char *)k->command, "run", "--backend", "interp", "-o", "out.npy",
                                          (char *)c->equation};
    size_t n = 7;
    if (!strcmp(c->equation, "-")) { /* standard input, were it not for the space */
        snprintf(spaced, sizeof spaced, " -");
        arguments[6] = spaced;
    }
    for (size_t i = 0; i < c->n; i++) {
        snprintf(names[i], sizeof names[i], "%zu.npy", i);
        arguments[n++] = names[i];
    }
    fflush(stdout);
    pid_t child = fork();
    if (!child) {
        if (chdir(k->folder) || !freopen("said", "w", stderr) || !freopen("/dev/null", "w", stdout)) _exit(126);
        execv(k->command, arguments);
        _exit(127);
    }
    int status;
    return child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status) ? -1 : WEXITSTATUS(status);
}

/* "einjit: E_DIM: ..." */
static const char *said(const checker *k, char *line, size_t n)
{
    char path[600];
    snprintf(path, sizeof path, "%s/said", k->folder);
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, (int)n, file)) *line = 0;
    if (file) fclose(file);
    line[strcspn(line, "\n")] = 0;
    return line;
}

static bool command_is_right(checker *k, const conformance_case *c, tensors *t, char *why, size_t n_why)
{
    char line[700], wanted[64];
    for (size_t i = 0; i < c->n; i++) write_npy(k->folder, i, &t->in[i]);
    int code = start_command(k, c);
    said(k, line, sizeof line);
    snprintf(wanted, sizeof wanted, "einjit: %s: ", c->reason);
    bool ok = c->reason ? code == 1 && !strncmp(line, wanted, strlen(wanted))
                        : !code && !*line && read_npy(k->folder, &t->out);
    if (!ok) snprintf(why, n_why, "einjit run: exit code %d, '%.500s'", code, line);
    return ok;
}

/* ---- a case ---- */

/* The graph's result bit for bit that of the einsum, the command's that of the case or close. */
static bool entries_agree(checker *k, const conformance_case *c, const double *f64, char *why, size_t n_why)
{
    tensors t;
    make_tensors(&t, c, EINJIT_F64);
    bool ok = !run_graph(k, c, &t, why, n_why) && !*why;
    if (!ok && !*why) snprintf(why, n_why, "a graph is refused");
    if (ok && memcmp(t.out.data, f64, t.n_out * sizeof *f64)) {
        snprintf(why, n_why, "a graph: other bits");
        ok = false;
    }
    if (ok && k->command) {
        memset((void *)t.out.data, 0, t.n_out * sizeof *f64);
        ok = command_is_right(k, c, &t, why, n_why);
        if (ok && (c->exact_f64 ? conformance_fnv(t.out.data, t.n_out) != c->fnv
                                : !close_enough(c, t.out.data, f64, t.n_out, DBL_EPSILON))) {
            snprintf(why, n_why, "einjit run: another result");
            ok = false;
        }
    }
    free_tensors(&t, c->n);
    return ok;
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
    if (ok) ok = entries_agree(k, c, f64, why, n_why);
    free(f64);
    free(f32);
    return ok;
}

/* Invalid: the reason must come from the call with any output tensor; the output's shape cannot be wrong before
 * that. */
static bool check_invalid(checker *k, const conformance_case *c, char *why, size_t n_why)
{
    tensors t;
    einjit_error err = {0};
    make_tensors(&t, c, EINJIT_F64);
    int status = einjit_einsum(k->context, c->equation, c->n, t.in, &t.out, &err);
    if (strcmp(einjit_status_name(status), c->reason))
        snprintf(why, n_why, "%s (%s), not %s", einjit_status_name(status), err.text, c->reason);
    if (!*why) {
        status = run_graph(k, c, &t, why, n_why);
        if (!*why && strcmp(einjit_status_name(status), c->reason))
            snprintf(why, n_why, "a graph: %s, not %s", einjit_status_name(status), c->reason);
    }
    if (!*why && k->command) command_is_right(k, c, &t, why, n_why);
    free_tensors(&t, c->n);
    return !*why;
}

static void check_line(checker *k, const char *text)
{
    conformance_case c;
    char why[700] = "";
    json_error_t error;
    json_t *line = json_loads(text, 0, &error);
    bool ok = line && conformance_read(&c, line) &&
              (c.reason ? check_invalid(k, &c, why, sizeof why) : check_valid(k, &c, why, sizeof why));
    if (ok) k->passed++;
    else k->failed++;
    if (line && (k->lines || !ok))
        printf("%s case %d '%s' %s\n", ok ? "ok  " : "FAIL", c.id, c.equation, ok && c.reason ? c.reason : why);
    json_decref(line);
}

static void remove_folder(const char *folder)
{
    char path[600];
    for (size_t i = 0; i < CASE_OPERANDS; i++) {
        snprintf(path, sizeof path, "%s/%zu.npy", folder, i);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/out.npy", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/said", folder);
    unlink(path);
    rmdir(folder);
}

int main(int argc, char **argv)
{
    checker k = {0};
    char path[1024];
    const char *backend = NULL;
    char folder[] = "/tmp/conformance.XXXXXX";
    use_built_module();
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--lines")) k.lines = true;
        else if (!strcmp(argv[i], "--backend") && i + 1 < argc) backend = argv[++i];
        else if (!strcmp(argv[i], "--einjit") && i + 1 < argc) k.command = argv[++i];
        else return 2;
    }
    if (!shared_file("data/conformance.jsonl", path, sizeof path)) {
        puts("the shared cases are not here: nothing to check\n0 passed, 0 failed, 1 skipped");
        return 77; /* skipped */
    }
    einjit_error err;
    einjit_options options = {.struct_bytes = sizeof options, .backend = backend, .flags = EINJIT_OPTION_VERIFY};
    if (einjit_context_create(&k.context, &options, &err)) {
        fprintf(stderr, "%s: %s\n", einjit_status_name(err.code), err.text);
        return 1;
    }
    if (k.command && !(k.folder = mkdtemp(folder))) return 1;
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t capacity = 0;
    while (file && getline(&line, &capacity, file) > 0)
        if (*line == '{') check_line(&k, line);
    free(line);
    if (file) fclose(file);
    einjit_context_release(k.context);
    if (k.folder) remove_folder(k.folder);
    printf("%ld passed, %ld failed\n", k.passed, k.failed);
    return k.failed || !k.passed;
}

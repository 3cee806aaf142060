/* part.c - partial results: sums of slices, added up in the order in which a whole run adds them.
 *
 * Takes  sums of ranges of slices, computed here or read from files.
 * Gives  fewer sums, of longer ranges, and in the end the result: slices 2k and 2k + 1 of a part of the result are
 *        added, then these pairs, and so on; what is left over at the part's end is added from the right. So the bits
 *        are those of a whole run, however its slices were divided.
 * File   an .npz archive, so that NumPy reads it: part.json says which computation and which slices, and each sum is an
 *        array sum_FIRST_END of the shape of its part of the result.
 */
#include "part.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "npy.h"
#include "npz.h"

static const struct {
    int reduce;
    const char *name, *program; /* the sum of two */
} reductions[] = {
    {EINJIT_REDUCE_SUM, "sum", "def f(a, b):\n    return a + b\n"},
    {EINJIT_REDUCE_MAX, "max", "def f(a, b):\n    return maximum(a, b)\n"},
    {EINJIT_REDUCE_MIN, "min", "def f(a, b):\n    return minimum(a, b)\n"},
    {EINJIT_REDUCE_OR, "or", "def f(a, b):\n    return a | b\n"},
};
enum { N_REDUCTIONS = sizeof reductions / sizeof *reductions };

/* Its row; reductions of parts are among them. */
static int row_of(int reduce)
{
    int r = 0;
    while (r < N_REDUCTIONS - 1 && reductions[r].reduce != reduce) r++;
    return r;
}

/* ---- the list of sums ---- */

static void free_sum(part_sum *s)
{
    free(s->begin);
    tool_tensor_free(&s->sum);
}

void part_free(part *p)
{
    for (size_t i = 0; i < p->n; i++) free_sum(&p->sums[i]);
    free(p->sums);
    free(p->shape);
    *p = (part){0};
}

static void remove_sum(part *p, size_t i)
{
    free_sum(&p->sums[i]);
    memmove(&p->sums[i], &p->sums[i + 1], (--p->n - i) * sizeof *p->sums);
}

/* Ranges of this kind hold one another, or have nothing in common. */
void part_add(part *p, part_sum *sum)
{
    size_t at = 0;
    while (at < p->n && p->sums[at].first < sum->first) at++;
    bool held = (at && p->sums[at - 1].end > sum->first) ||
                (at < p->n && p->sums[at].first == sum->first && p->sums[at].end >= sum->end);
    if (held) {
        free_sum(sum);
        return;
    }
    while (at < p->n && p->sums[at].first < sum->end) remove_sum(p, at);
    part_sum *grown = tool_alloc((p->n + 1) * sizeof *grown);
    if (p->n) memcpy(grown, p->sums, p->n * sizeof *grown);
    memmove(&grown[at + 1], &grown[at], (p->n - at) * sizeof *grown);
    grown[at] = *sum;
    free(p->sums);
    p->sums = grown;
    p->n++;
}

/* The computation's name says so of parts that were written here; files may hold anything. */
static bool fit_together(const part *a, const part *b)
{
    bool fit = a->n_slices == b->n_slices && a->n_summed == b->n_summed && a->reduce == b->reduce &&
               a->dtype == b->dtype && a->rank == b->rank;
    for (int i = 0; i < a->rank && fit; i++) fit = a->shape[i] == b->shape[i];
    return fit && (!a->n || !b->n || a->sums[0].sum.tensor.dtype == b->sums[0].sum.tensor.dtype);
}

int part_merge(part *into, part *from, const char *what)
{
    bool fit = fit_together(into, from);
    for (size_t i = 0; i < from->n && fit; i++) part_add(into, &from->sums[i]);
    if (fit) from->n = 0;
    part_free(from);
    return fit ? TOOL_OK : tool_fail("E_IO", "%s: its slices or its result are not those of its computation", what);
}

bool part_missing(const part *p, int64_t *first, int64_t *end)
{
    int64_t from = *first, until = *end;
    for (size_t i = 0; i < p->n && from < until; i++) {
        if (p->sums[i].end <= from) continue;
        if (p->sums[i].first > from) {
            if (p->sums[i].first < until) until = p->sums[i].first;
            break;
        }
        from = p->sums[i].end;
    }
    *first = from;
    *end = until;
    return from < until;
}

/* ---- sums of two ---- */

/* Neighbours of one length in one part of the result, which a whole run adds: the left one begins at a multiple of
 * twice the length behind the part's first slice. */
static bool belong_together(const part *p, size_t i)
{
    const part_sum *a = &p->sums[i], *b = &p->sums[i + 1];
    int64_t begin = a->first / p->n_summed * p->n_summed, length = a->end - a->first;
    if (a->end != b->first || b->end > begin + p->n_summed) return false;
    return length == b->end - b->first && (a->first - begin) % (2 * length) == 0;
}

/* The last sums of a part whose slices are all there, which have no partner of their length. */
static bool end_together(const part *p, size_t i)
{
    const part_sum *a = &p->sums[i], *b = &p->sums[i + 1];
    int64_t begin = a->first / p->n_summed * p->n_summed, first = begin, end = begin + p->n_summed;
    return a->end == b->first && b->end == end && !part_missing(p, &first, &end);
}

static int compile_for(einjit_kernel **out, einjit_context *context, const char *program, size_t n_in,
                       const einjit_tensor *in, const einjit_tensor *result)
{
    einjit_error err = {0};
    einjit_graph *graph = NULL;
    int status = einjit_graph_parse(&graph, context, program, strlen(program), &err);
    if (!status) status = einjit_compile(out, context, graph, n_in, in, 1, result, NULL, &err);
    einjit_graph_destroy(graph);
    return status ? tool_error(&err) : TOOL_OK;
}

static int add_next(part *p, size_t i, einjit_context *context)
{
    einjit_error err = {0};
    einjit_kernel *kernel = NULL;
    const einjit_tensor in[2] = {p->sums[i].sum.tensor, p->sums[i + 1].sum.tensor};
    int status = compile_for(&kernel, context, reductions[row_of(p->reduce)].program, 2, in, in);
    if (!status && einjit_run(kernel, 2, in, 1, in, &err)) status = tool_error(&err);
    einjit_kernel_release(kernel);
    if (status) return status;
    p->sums[i].end = p->sums[i + 1].end;
    remove_sum(p, i + 1);
    return TOOL_OK;
}

int part_settle(part *p, einjit_context *context)
{
    int status = TOOL_OK;
    for (size_t i = 0; i + 1 < p->n && !status;) {
        if (!belong_together(p, i)) i++;
        else if (!(status = add_next(p, i, context)) && i) i--; /* its new length may be that of the one before */
    }
    for (size_t i = p->n; i-- > 1 && !status;)
        if (end_together(p, i - 1)) status = add_next(p, i - 1, context);
    return status;
}

/* ---- the result ---- */

static int store_sum(tool_tensor *out, const part_sum *s, einjit_context *context)
{
    char program[64];
    int64_t strides[TOOL_MAX_RANK], stride = 1;
    size_t bytes = einjit_dtype_bytes(out->tensor.dtype);
    char *at = out->block;
    einjit_error err = {0};
    einjit_kernel *kernel = NULL;
    for (int a = out->tensor.rank - 1; a >= 0; a--) {
        strides[a] = stride;
        at += (size_t)(s->begin[a] * stride) * bytes;
        stride *= out->shape[a];
    }
    einjit_tensor to = s->sum.tensor;
    to.data = at;
    to.dtype = out->tensor.dtype;
    to.strides = strides;
    snprintf(program, sizeof program, "def f(a):\n    return a.to(%s)\n", einjit_dtype_name(to.dtype));
    int status = compile_for(&kernel, context, program, 1, &s->sum.tensor, &to);
    if (!status && einjit_run(kernel, 1, &s->sum.tensor, 1, &to, &err)) status = tool_error(&err);
    einjit_kernel_release(kernel);
    return status;
}

int part_result(tool_tensor *out, const part *p, einjit_context *context)
{
    int64_t first = 0, end = p->n_slices;
    if (part_missing(p, &first, &end))
        return tool_fail("E_VALUE", "slices %lld:%lld of %lld are missing", (long long)first, (long long)end,
                         (long long)p->n_slices);
    int status = tool_tensor_make(out, p->dtype, p->rank, p->shape, "the result");
    for (size_t i = 0; i < p->n && !status; i++) status = store_sum(out, &p->sums[i], context);
    return status;
}

/* ---- files ---- */

static json_t *integers(const int64_t *x, int n)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++) json_array_append_new(list, json_integer((json_int_t)x[i]));
    return list;
}

static void name_sum(char name[64], const part_sum *s)
{
    snprintf(name, 64, "sum_%lld_%lld", (long long)s->first, (long long)s->end);
}

static char *describe(const part *p)
{
    json_t *sums = json_array();
    for (size_t i = 0; i < p->n; i++)
        json_array_append_new(sums,
                              json_pack("{s:I, s:I, s:o}", "first", (json_int_t)p->sums[i].first, "end",
                                        (json_int_t)p->sums[i].end, "begin", integers(p->sums[i].begin, p->rank)));
    json_t *doc = json_pack("{s:i, s:s, s:I, s:I, s:s, s:{s:s, s:o}, s:o}", "version", 1, "computation", p->computation,
                            "slices", (json_int_t)p->n_slices, "summed", (json_int_t)p->n_summed, "reduce",
                            reductions[row_of(p->reduce)].name, "result", "dtype", einjit_dtype_name(p->dtype), "shape",
                            integers(p->shape, p->rank), "sums", sums);
    char *text = doc ? json_dumps(doc, JSON_INDENT(1)) : NULL;
    json_decref(doc);
    return text;
}

/* An .npy file in memory. */
static int pack(npz_entry *out, const part_sum *s, const char *path)
{
    FILE *memory = open_memstream(&out->bytes, &out->n_bytes);
    if (!memory) return tool_fail("E_NOMEM", "out of memory for %s", path);
    int status = npy_write(&s->sum, memory, path);
    if (fclose(memory) && !status) status = tool_fail("E_NOMEM", "out of memory for %s", path);
    name_sum(out->name, s);
    strcat(out->name, ".npy");
    return status;
}

int part_save(const part *p, const char *path)
{
    npz_entry *entries = tool_alloc((p->n + 1) * sizeof *entries);
    strcpy(entries[0].name, "part.json");
    entries[0].bytes = describe(p);
    entries[0].n_bytes = entries[0].bytes ? strlen(entries[0].bytes) : 0;
    int status = entries[0].bytes ? TOOL_OK : tool_fail("E_NOMEM", "out of memory for %s", path);
    for (size_t i = 0; i < p->n && !status; i++) status = pack(&entries[i + 1], &p->sums[i], path);
    if (!status) status = npz_save(path, entries, p->n + 1);
    for (size_t i = 0; i <= p->n; i++) free(entries[i].bytes);
    free(entries);
    return status;
}

/* NULL: not n numbers of 0 or more. */
static int64_t *take_integers(const json_t *list, size_t n)
{
    if (!json_is_array(list) || json_array_size(list) != n) return NULL;
    int64_t *out = tool_alloc((n ? n : 1) * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        const json_t *x = json_array_get(list, i);
        out[i] = json_is_integer(x) ? (int64_t)json_integer_value(x) : -1;
        if (out[i] >= 0) continue;
        free(out);
        return NULL;
    }
    return out;
}

static bool is_range(const part *p, int64_t first, int64_t end)
{
    if (first < 0 || first >= end || end > p->n_slices) return false;
    int64_t begin = first / p->n_summed * p->n_summed, length = end - first;
    if (end > begin + p->n_summed) return false;
    return length == p->n_summed || (!(length & (length - 1)) && (first - begin) % length == 0);
}

/* Where arrays are: in an archive, or one behind the other. */
typedef struct source {
    const char *path;
    FILE *stream; /* NULL: an archive */
} source;

static int load_array(tool_tensor *out, const source *from, const char *name)
{
    npz_entry entry;
    if (from->stream) return npy_read(out, from->stream, from->path);
    snprintf(entry.name, sizeof entry.name, "%s.npy", name);
    int status = npz_read(&entry, from->path);
    if (status) return status;
    FILE *memory = fmemopen(entry.bytes, entry.n_bytes, "rb");
    status = memory ? npy_read(out, memory, from->path) : tool_fail("E_NOMEM", "out of memory for %s", from->path);
    if (memory) fclose(memory);
    free(entry.bytes);
    return status;
}

/* A sum as part.json has it, and its array: within the result, and of the others' dtype. */
static int take_sum(part *p, const json_t *x, const source *from)
{
    json_int_t first = -1, end = -1;
    json_t *begin = NULL;
    char name[64];
    part_sum s = {0};
    json_unpack((json_t *)(uintptr_t)x, "{s:I, s:I, s:o}", "first", &first, "end", &end, "begin", &begin);
    bool fits = is_range(p, first, end) && (s.begin = take_integers(begin, (size_t)p->rank)) != NULL;
    s.first = first;
    s.end = end;
    name_sum(name, &s);
    int status = fits ? load_array(&s.sum, from, name) : TOOL_OK;
    fits = fits && !status && s.sum.tensor.rank == p->rank && !s.sum.strides &&
           (!p->n || p->sums[0].sum.tensor.dtype == s.sum.tensor.dtype);
    for (int a = 0; a < p->rank && fits; a++)
        fits = s.begin[a] <= p->shape[a] && s.sum.shape[a] <= p->shape[a] - s.begin[a];
    if (!status && !fits) status = tool_fail("E_IO", "%s: part.json and %s do not fit together", from->path, name);
    if (status) free_sum(&s);
    else part_add(p, &s);
    return status;
}

static int take_description(part *out, const json_t *doc, const source *from)
{
    const char *path = from->path;
    const char *computation = NULL, *reduce = NULL, *dtype = NULL;
    json_int_t slices = 0, summed = 0;
    int version = 0, r = 0;
    json_t *shape = NULL, *sums = NULL;
    json_unpack((json_t *)(uintptr_t)doc, "{s:i, s:s, s:I, s:I, s:s, s:{s:s, s:o}, s:o}", "version", &version,
                "computation", &computation, "slices", &slices, "summed", &summed, "reduce", &reduce, "result", "dtype",
                &dtype, "shape", &shape, "sums", &sums);
    if (version > 1) return tool_fail("E_UNSUPPORTED", "%s was written by a later version", path);
    while (reduce && r < N_REDUCTIONS && strcmp(reductions[r].name, reduce) != 0) r++;
    out->dtype = dtype ? einjit_dtype_from_name(dtype) : -1;
    out->rank = (int)json_array_size(shape);
    out->shape = out->rank <= TOOL_MAX_RANK ? take_integers(shape, (size_t)out->rank) : NULL;
    if (!reduce || r == N_REDUCTIONS || out->dtype < 0 || !out->shape ||
        strlen(computation) != sizeof out->computation - 1 || summed < 1 || slices < summed || slices % summed ||
        !json_is_array(sums))
        return tool_fail("E_IO", "%s: part.json is not that of a partial result", path);
    strcpy(out->computation, computation);
    out->reduce = reductions[r].reduce;
    out->n_slices = slices;
    out->n_summed = summed;
    int status = TOOL_OK;
    for (size_t i = 0; i < json_array_size(sums) && !status; i++) status = take_sum(out, json_array_get(sums, i), from);
    return status;
}

static int take(part *out, const char *text, size_t n, const source *from)
{
    json_error_t error;
    *out = (part){0};
    json_t *doc = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
    int status = doc ? take_description(out, doc, from)
                     : tool_fail("E_SYNTAX", "%s:part.json: %s (line %d, column %d)", from->path, error.text,
                                 error.line, error.column);
    json_decref(doc);
    if (status) part_free(out);
    return status;
}

int part_load(part *out, const char *path)
{
    npz_entry entry = {.name = "part.json"};
    const source from = {.path = path};
    int status = npz_read(&entry, path);
    if (status) return status;
    status = take(out, entry.bytes, entry.n_bytes, &from);
    free(entry.bytes);
    return status;
}

/* part.json with a NUL behind it, then the arrays. */
int part_pack(char **bytes, size_t *n, const part *p)
{
    char *text = describe(p);
    FILE *memory = text ? open_memstream(bytes, n) : NULL;
    int status = memory ? TOOL_OK : tool_fail("E_NOMEM", "out of memory for sums");
    if (memory) fwrite(text, 1, strlen(text) + 1, memory);
    for (size_t i = 0; i < p->n && !status; i++) status = npy_write(&p->sums[i].sum, memory, "a sum");
    if (memory && fclose(memory) && !status) status = tool_fail("E_NOMEM", "out of memory for sums");
    free(text);
    return status;
}

int part_unpack(part *out, const char *bytes, size_t n, const char *what)
{
    size_t length = strnlen(bytes, n);
    FILE *memory = length < n ? fmemopen((char *)(uintptr_t)bytes, n, "rb") : NULL;
    const source from = {.path = what, .stream = memory};
    if (!memory) return tool_fail("E_IO", "%s: a message that is cut off", what);
    fseek(memory, (long)length + 1, SEEK_SET);
    int status = take(out, bytes, length, &from);
    fclose(memory);
    return status;
}

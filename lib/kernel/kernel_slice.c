/* kernel_slice.c - runs a contraction slice by slice, and adds the slices up.
 *
 * Takes  a kernel for one slice, whose arguments are views of the caller's arrays that move from slice to slice.
 * Gives  the whole result.
 * Order  of the sums: slices 2k and 2k + 1 are added, then these pairs, and so on (what is left over at the end is
 *        added from the right). It depends on the number of slices alone, so that ranges of them give the same bits
 *        wherever they were computed.
 * Keeps  one waiting sum for each power of two.
 */
#include "kernel_slice.h"

#include <string.h>

#include "kernel_pool.h"

void ej_slicing_drop(ej_slicing *slicing)
{
    if (!slicing) return;
    ej_kernel_drop(slicing->slice);
    ej_kernel_drop(slicing->add);
    ej_kernel_drop(slicing->store);
}

typedef struct runner {
    const ej_slicing *s;
    einjit_error *err;
    const einjit_tensor *in, *out;
    einjit_tensor *arguments; /* of the slice's kernel; only their data counts */
    int64_t *digits;          /* of the slice's number, per label */
    char *sums;
    int32_t n_sums;
    int64_t *of; /* per waiting sum: how many slices it has */
} runner;

static char *sum_at(const runner *r, int32_t i)
{
    return r->sums + i * r->s->sum_bytes;
}

static void set_digits(const runner *r, int64_t number)
{
    for (int32_t l = r->s->n_labels - 1; l >= 0; l--) {
        r->digits[l] = number % r->s->extents[l];
        number /= r->s->extents[l];
    }
}

static int run_slice(runner *r, int64_t number, void *sum)
{
    const ej_slicing *s = r->s;
    const einjit_tensor result = {.data = sum};
    set_digits(r, number);
    for (size_t i = 0; i < s->n_in; i++) r->arguments[i].data = r->in[s->inputs[i]].data;
    for (size_t m = 0; m < s->n_moves; m++) {
        const ej_slice_move *move = &s->moves[m];
        if ((size_t)move->argument == s->n_in) continue;
        einjit_tensor *t = &r->arguments[move->argument];
        t->data = (const char *)t->data + move->bytes * r->digits[move->label];
    }
    return ej_kernel_run(s->slice, r->arguments, &result, NULL, r->err);
}

/* The last two waiting sums become one. */
static int add_last(runner *r)
{
    const einjit_tensor in[2] = {{.data = sum_at(r, r->n_sums - 2)}, {.data = sum_at(r, r->n_sums - 1)}};
    EJ_TRY(ej_kernel_run(r->s->add, in, in, NULL, r->err));
    r->n_sums--;
    r->of[r->n_sums - 1] += r->of[r->n_sums];
    return EINJIT_OK;
}

/* Slices first .. end-1 of a part of the result become the only sum that waits. */
static int sum_part(runner *r, int64_t first, int64_t end)
{
    r->n_sums = 0;
    for (int64_t i = first; i < end; i++) {
        r->of[r->n_sums] = 1;
        EJ_TRY(run_slice(r, i, sum_at(r, r->n_sums++)));
        while (r->n_sums > 1 && r->of[r->n_sums - 2] == r->of[r->n_sums - 1]) EJ_TRY(add_last(r));
    }
    while (r->n_sums > 1) EJ_TRY(add_last(r));
    return EINJIT_OK;
}

static int run_part(runner *r, int64_t first, int64_t end)
{
    const ej_slicing *s = r->s;
    EJ_TRY(sum_part(r, first, end));
    einjit_tensor sum = {.data = r->sums}, part = {.data = r->out->data};
    set_digits(r, first);
    for (size_t m = 0; m < s->n_moves; m++)
        if ((size_t)s->moves[m].argument == s->n_in)
            part.data = (const char *)part.data + s->moves[m].bytes * r->digits[s->moves[m].label];
    return ej_kernel_run(s->store, &sum, &part, NULL, r->err);
}

/* Each part that the slices belong to, or where `sum` is given the sum of all, which belong to one. */
static int with_memory(const einjit_kernel *kernel, const einjit_tensor *in, const einjit_tensor *out, void *sum,
                       int64_t first, int64_t end, einjit_error *err)
{
    const ej_slicing *s = kernel->slicing;
    struct ej_pool *pool = ej_context_pool(kernel->context);
    size_t tensors = s->n_in * sizeof(einjit_tensor), digits = (size_t)s->n_labels * sizeof(int64_t);
    size_t of = (size_t)s->most_sums * sizeof(int64_t);
    char *small = ej_pool_take(pool, tensors + digits + of);
    char *sums = ej_pool_take(pool, (size_t)s->sum_bytes * (size_t)s->most_sums);
    int status = small && sums ? EINJIT_OK : ej_no_memory(err);
    if (!status) {
        memset(small, 0, tensors + digits + of);
        runner r = {.s = s,
                    .err = err,
                    .in = in,
                    .out = out,
                    .arguments = (void *)small,
                    .digits = (void *)(small + tensors),
                    .sums = sums,
                    .of = (void *)(small + tensors + digits)};
        if (sum) {
            status = sum_part(&r, first, end);
            if (!status) memcpy(sum, r.sums, (size_t)ej_slices_part(kernel, first, NULL, NULL));
            first = end;
        }
        while (first < end && !status) {
            int64_t next = (first / s->n_summed + 1) * s->n_summed, until = next < end ? next : end;
            status = run_part(&r, first, until);
            first = until;
        }
    }
    ej_pool_give(pool, sums);
    ej_pool_give(pool, small);
    return status;
}

int ej_slices_run(const einjit_kernel *kernel, const einjit_tensor *in, const einjit_tensor *out, int64_t first,
                  int64_t end, einjit_error *err)
{
    return with_memory(kernel, in, out, NULL, first, end, err);
}

int ej_slices_sum(const einjit_kernel *kernel, const einjit_tensor *in, int64_t first, int64_t end, void *sum,
                  einjit_error *err)
{
    return with_memory(kernel, in, NULL, sum, first, end, err);
}

int64_t ej_slices_part(const einjit_kernel *kernel, int64_t slice, int64_t *begin, int64_t *shape)
{
    const ej_slicing *s = kernel->slicing;
    const ej_bound_tensor *result = &kernel->out[0];
    int64_t bytes = ej_dtypes[s->dtype].bytes; /* measured when it was compiled: all products fit */
    for (int32_t a = 0; a < result->rank; a++) {
        int32_t label = s->result_labels[a];
        int64_t extent = label < 0 ? result->shape[a].n : 1, below = 1;
        for (int32_t l = s->n_labels - 1; l > label; l--) below *= s->extents[l];
        if (begin) begin[a] = label < 0 ? 0 : slice / below % s->extents[label];
        if (shape) shape[a] = extent;
        bytes *= extent;
    }
    return bytes;
}

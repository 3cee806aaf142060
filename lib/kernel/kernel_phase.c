/* kernel_phase.c - one run by several threads: phase after phase, the pieces of each shared out.
 *
 * Takes  a kernel with phases, and the context's threads.
 * Gives  what one thread would have computed, bit for bit: where pieces are cut is part of the kernel, and each element
 *        is computed in one of them.
 * Not here: the threads themselves (kernel_workers.c), runs by one thread (kernel.c).
 */
#include "kernel_phase.h"

/* Into how many shares the pieces of a phase go; less than 2: one thread does them all. */
static int64_t count_shares(const ej_phase *phase, int64_t pieces, const struct ej_workers *workers)
{
    int64_t most = ej_workers_count(workers), shares = pieces / phase->grain;
    if (!phase->again) most *= ej_workers_shares_each(workers);
    return shares < most ? shares : most;
}

int32_t ej_phases_width(const einjit_kernel *kernel, const int64_t *sizes, const struct ej_workers *workers)
{
    int64_t threads = ej_workers_count(workers), width = 1;
    for (size_t p = 0; p < kernel->n_phases && width < threads; p++) {
        const ej_phase *phase = &kernel->phases[p];
        int64_t pieces;
        if (ej_kernel_size(kernel, phase->pieces, sizes, &pieces)) return 1; /* who runs it says why */
        int64_t shares = count_shares(phase, pieces, workers);
        if (shares > width) width = shares < threads ? shares : threads;
    }
    return (int32_t)width;
}

typedef struct shared_phase {
    const ej_phase_run *run;
    const ej_phase *phase;
    int64_t pieces, shares;
    bool few;          /* fewer shares than threads: a share has locals of its own, so that these are few, too */
    atomic_int status; /* the first failure, .. */
    einjit_error *err; /* .. and its text */
} shared_phase;

/* The first `pieces % shares` of them have one piece more. */
static void run_share(void *user, int32_t worker, int64_t share)
{
    shared_phase *s = user;
    einjit_error err;
    int64_t each = s->pieces / s->shares, more = s->pieces % s->shares;
    int64_t from = share * each + (share < more ? share : more), to = from + each + (share < more);
    int32_t place = s->few ? (int32_t)share : worker;
    int status = s->run->pieces(s->run, s->phase, place, from, to, &err), none = EINJIT_OK;
    if (status && atomic_compare_exchange_strong(&s->status, &none, status) && s->err) *s->err = err;
}

int ej_phases_run(const ej_phase_run *run, struct ej_workers *workers, einjit_error *err)
{
    const einjit_kernel *kernel = run->kernel;
    for (size_t p = 0; p < kernel->n_phases; p++) {
        shared_phase s = {.run = run, .phase = &kernel->phases[p], .err = err};
        int status = ej_kernel_size(kernel, s.phase->pieces, run->sizes, &s.pieces);
        if (status) return ej_kernel_size_failed(err, status, "the pieces of a loop");
        s.shares = count_shares(s.phase, s.pieces, workers);
        if (s.shares < 2) {
            EJ_TRY(run->pieces(run, s.phase, 0, 0, s.pieces, err));
            continue;
        }
        s.few = s.shares < ej_workers_count(workers);
        atomic_init(&s.status, EINJIT_OK);
        ej_workers_run(workers, s.shares, run_share, &s);
        if ((status = atomic_load(&s.status))) return status;
    }
    return EINJIT_OK;
}

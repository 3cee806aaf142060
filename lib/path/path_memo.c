/* path_memo.c - paths that were found before, by network: compiles that try several recipes on one request search once.
 *
 * Takes  networks and what a search found for them.
 * Gives  that path again for an equal network. A search that ends by the clock would take its time again, and might
 *        find another path, of another number of steps.
 */
#include <string.h>

#include "path.h"

typedef struct ej_known_path {
    struct ej_known_path *next;
    size_t n_words;
    int64_t *words; /* the network's */
    ej_path path;
} ej_known_path;

/* Writes the network as numbers, where there is a place for them; gives how many. */
static size_t write_words(int64_t *words, const ej_network *network)
{
    size_t n = 0;
    for (int32_t t = 0; t <= network->n_terms; t++) {
        const ej_term *term = t < network->n_terms ? &network->terms[t] : &network->out;
        if (words) words[n] = term->n;
        n++;
        for (uint32_t i = 0; i < term->n; i++, n++)
            if (words) words[n] = term->labels[i];
    }
    for (int32_t label = 0; label < network->n_labels; label++, n++)
        if (words) words[n] = network->extents[label];
    return n;
}

static bool copy_path(ej_path *out, const ej_path *path, ej_arena *arena)
{
    *out = *path;
    out->steps = EJ_NEW_ARRAY(arena, ej_path_step, (size_t)path->n_steps);
    if (out->steps) memcpy(out->steps, path->steps, (size_t)path->n_steps * sizeof *out->steps);
    return out->steps;
}

int ej_path_recall(ej_path *out, bool *found, const ej_network *network, ej_job *job)
{
    *found = false;
    if (!job->paths) return EINJIT_OK;
    size_t n = write_words(NULL, network);
    int64_t *words = EJ_JOB_ARRAY(job, int64_t, n);
    if (!words) return ej_no_memory(job->err);
    write_words(words, network);
    for (const ej_known_path *known = job->paths->first; known && !*found; known = known->next) {
        *found = known->n_words == n && !memcmp(known->words, words, n * sizeof *words);
        if (*found && !copy_path(out, &known->path, job->arena)) return ej_no_memory(job->err);
    }
    return EINJIT_OK;
}

int ej_path_remember(const ej_path *path, const ej_network *network, ej_job *job)
{
    if (!job->paths) return EINJIT_OK;
    ej_arena *arena = job->paths->arena;
    ej_known_path *known = EJ_NEW(arena, ej_known_path);
    if (!known) return ej_no_memory(job->err);
    known->n_words = write_words(NULL, network);
    known->words = EJ_NEW_ARRAY(arena, int64_t, known->n_words);
    if (!known->words || !copy_path(&known->path, path, arena)) return ej_no_memory(job->err);
    write_words(known->words, network);
    known->next = job->paths->first;
    job->paths->first = known;
    return EINJIT_OK;
}

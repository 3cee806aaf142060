/* path_file.c - a contraction path that someone else found, from a file.
 *
 * Takes  JSON that has "ssa_path": [[i, j], ...] somewhere, as `einjit path --json` writes it.
 * Gives  the path, every id in it checked: each is made before it is used, used once, and one is left over.
 * Not here: the rest of JSON, which is passed over.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "path.h"

typedef struct reader {
    const char *at, *file;
    const ej_network *network;
    ej_job *job;
    bool *used; /* per id */
    ej_path *out;
} reader;

static int read_text(char **out, const char *name, ej_job *job)
{
    FILE *file = fopen(name, "rb");
    ej_text text;
    char part[4096];
    size_t n;
    if (!file) return ej_fail(job->err, EINJIT_E_IO, "the path %.200s: %s", name, strerror(errno));
    ej_text_init(&text, job->arena);
    while ((n = fread(part, 1, sizeof part, file))) ej_print_bytes(&text, part, n);
    bool failed = ferror(file);
    fclose(file);
    if (failed) return ej_fail(job->err, EINJIT_E_IO, "the path %.200s cannot be read", name);
    ej_print_bytes(&text, "", 1);
    if (text.failed) return ej_no_memory(job->err);
    *out = text.data;
    return EINJIT_OK;
}

static char next_mark(reader *r)
{
    while (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r') r->at++;
    return *r->at;
}

static bool accept(reader *r, char mark)
{
    if (next_mark(r) != mark) return false;
    r->at++;
    return true;
}

static int wrong_form(const reader *r)
{
    return ej_fail(r->job->err, EINJIT_E_SYNTAX,
                   "the path %.200s: \"ssa_path\" is not a list of lists of one or two "
                   "ids (step %d)",
                   r->file, (int)r->out->n_steps);
}

static int read_id(reader *r, int32_t *out)
{
    char *end;
    int32_t made = r->network->n_terms + r->out->n_steps;
    if (next_mark(r) < '0' || *r->at > '9') return wrong_form(r);
    errno = 0;
    long id = strtol(r->at, &end, 10);
    r->at = end;
    if (errno || id >= made)
        return ej_fail(r->job->err, EINJIT_E_VALUE, "the path %.200s: step %d uses %ld, there are ids 0 to %d then",
                       r->file, (int)r->out->n_steps, id, (int)made - 1);
    if (r->used[id])
        return ej_fail(r->job->err, EINJIT_E_VALUE, "the path %.200s: step %d uses %ld, which was used before", r->file,
                       (int)r->out->n_steps, id);
    r->used[id] = true;
    *out = (int32_t)id;
    return EINJIT_OK;
}

static int read_step(reader *r, ej_path_step *out)
{
    out->b = -1;
    if (!accept(r, '[')) return wrong_form(r);
    EJ_TRY(read_id(r, &out->a));
    if (accept(r, ',')) EJ_TRY(read_id(r, &out->b));
    return accept(r, ']') ? EINJIT_OK : wrong_form(r);
}

static int read_steps(reader *r, int32_t most)
{
    int32_t pairs = 0;
    if (!accept(r, ':') || !accept(r, '[')) return wrong_form(r);
    if (!accept(r, ']')) do {
            if (r->out->n_steps == most)
                return ej_fail(r->job->err, EINJIT_E_VALUE, "the path %.200s has more than %d steps for %d operands",
                               r->file, (int)most, (int)r->network->n_terms);
            ej_path_step *step = &r->out->steps[r->out->n_steps];
            EJ_TRY(read_step(r, step));
            pairs += step->b >= 0;
            r->out->n_steps++;
        } while (accept(r, ','));
    else return wrong_form(r);
    if (!accept(r, ']')) return wrong_form(r);
    if (pairs + 1 != r->network->n_terms)
        return ej_fail(r->job->err, EINJIT_E_VALUE, "the path %.200s is for %d operands, the contraction has %d",
                       r->file, (int)pairs + 1, (int)r->network->n_terms);
    return EINJIT_OK;
}

int ej_path_read_file(ej_path *out, const char *file, const ej_network *network, ej_job *job)
{
    static const char key[] = "\"ssa_path\"";
    char *text;
    int32_t most = 2 * network->n_terms; /* each operand summed alone, then the pairs */
    EJ_TRY(read_text(&text, file, job));
    const char *found = strstr(text, key);
    if (!found) return ej_fail(job->err, EINJIT_E_SYNTAX, "the path %.200s has no \"ssa_path\"", file);
    *out = (ej_path){.steps = EJ_JOB_ARRAY(job, ej_path_step, (size_t)most)};
    reader r = {.at = found + sizeof key - 1,
                .file = file,
                .network = network,
                .job = job,
                .out = out,
                .used = EJ_JOB_ARRAY(job, bool, (size_t)network->n_terms + (size_t)most)};
    if (!out->steps || !r.used) return ej_no_memory(job->err);
    return read_steps(&r, most);
}

/* path_file.c - a contraction path that someone else found, from a file or as text.
 *
 * Takes  JSON that has "ssa_path": [[i, j], ...] somewhere, as `einjit path --json` writes it; or that list itself,
 *        also with places among the operands that are left, as opt_einsum has paths.
 * Gives  the path, every id in it checked: each is made before it is used, used once, and one is left over.
 * Not here: the rest of JSON, which is passed over.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "path.h"

typedef struct reader {
    const char *at;
    const char *what, *name; /* "the path ", "x.json" */
    const ej_network *network;
    ej_job *job;
    bool *used;      /* per id */
    int32_t *places; /* ids of what is left; NULL: the list has ids */
    int32_t n_left;
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
                   "%s%.200s: \"ssa_path\" is not a list of lists of one or two ids (step %d)", r->what, r->name,
                   (int)r->out->n_steps);
}

static int read_id(reader *r, int32_t *out)
{
    char *end;
    int32_t made = r->places ? r->n_left : r->network->n_terms + r->out->n_steps;
    if (next_mark(r) < '0' || *r->at > '9') return wrong_form(r);
    errno = 0;
    long id = strtol(r->at, &end, 10);
    r->at = end;
    if (errno || id >= made)
        return ej_fail(r->job->err, EINJIT_E_VALUE, "%s%.200s: step %d uses %ld, there are ids 0 to %d then", r->what,
                       r->name, (int)r->out->n_steps, id, (int)made - 1);
    if (r->places) id = r->places[id];
    if (r->used[id])
        return ej_fail(r->job->err, EINJIT_E_VALUE, "%s%.200s: step %d uses %ld, which was used before", r->what,
                       r->name, (int)r->out->n_steps, id);
    r->used[id] = true;
    *out = (int32_t)id;
    return EINJIT_OK;
}

/* What the step takes leaves its place, what it makes is the last one. */
static void replace_places(reader *r, const ej_path_step *step)
{
    int32_t left = 0;
    for (int32_t i = 0; i < r->n_left; i++)
        if (r->places[i] != step->a && r->places[i] != step->b) r->places[left++] = r->places[i];
    r->places[left++] = r->network->n_terms + r->out->n_steps;
    r->n_left = left;
}

static int read_step(reader *r, ej_path_step *out)
{
    out->b = -1;
    if (!accept(r, '[')) return wrong_form(r);
    EJ_TRY(read_id(r, &out->a));
    if (accept(r, ',')) EJ_TRY(read_id(r, &out->b));
    if (!accept(r, ']')) return wrong_form(r);
    if (r->places) replace_places(r, out);
    return EINJIT_OK;
}

static int read_steps(reader *r, int32_t most)
{
    int32_t pairs = 0;
    if (!accept(r, '[')) return wrong_form(r);
    if (!accept(r, ']')) do {
            if (r->out->n_steps == most)
                return ej_fail(r->job->err, EINJIT_E_VALUE, "%s%.200s has more than %d steps for %d operands", r->what,
                               r->name, (int)most, (int)r->network->n_terms);
            ej_path_step *step = &r->out->steps[r->out->n_steps];
            EJ_TRY(read_step(r, step));
            pairs += step->b >= 0;
            r->out->n_steps++;
        } while (accept(r, ','));
    else return wrong_form(r);
    if (!accept(r, ']')) return wrong_form(r);
    if (pairs + 1 != r->network->n_terms)
        return ej_fail(r->job->err, EINJIT_E_VALUE, "%s%.200s is for %d operands, the contraction has %d", r->what,
                       r->name, (int)pairs + 1, (int)r->network->n_terms);
    return EINJIT_OK;
}

static int read_list(reader *r, bool places)
{
    int32_t n = r->network->n_terms, most = 2 * n; /* each operand summed alone, then the pairs */
    *r->out = (ej_path){.steps = EJ_JOB_ARRAY(r->job, ej_path_step, (size_t)most)};
    r->used = EJ_JOB_ARRAY(r->job, bool, (size_t)n + (size_t)most);
    if (places) r->places = EJ_JOB_ARRAY(r->job, int32_t, (size_t)n + 1);
    if (!r->out->steps || !r->used || (places && !r->places)) return ej_no_memory(r->job->err);
    for (int32_t t = 0; t < n && places; t++) r->places[t] = t;
    r->n_left = n;
    return read_steps(r, most);
}

int ej_path_read_file(ej_path *out, const char *file, const ej_network *network, ej_job *job)
{
    static const char key[] = "\"ssa_path\"";
    char *text;
    EJ_TRY(read_text(&text, file, job));
    const char *found = strstr(text, key);
    if (!found) return ej_fail(job->err, EINJIT_E_SYNTAX, "the path %.200s has no \"ssa_path\"", file);
    reader r = {
        .at = found + sizeof key - 1, .what = "the path ", .name = file, .network = network, .job = job, .out = out};
    if (!accept(&r, ':')) return wrong_form(&r);
    return read_list(&r, false);
}

int ej_path_read_text(ej_path *out, const char *text, bool places, const ej_network *network, ej_job *job)
{
    reader r = {.at = text, .what = "the path that is given", .name = "", .network = network, .job = job, .out = out};
    EJ_TRY(read_list(&r, places));
    return next_mark(&r) ? wrong_form(&r) : EINJIT_OK;
}

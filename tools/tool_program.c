/* tool_program.c - programs of the commands: a file, program text, or an equation; and the names that options give. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tool.h"

static int load_text(tool_program *out, einjit_context *context, const char *path)
{
    einjit_error err = {0};
    size_t length;
    char *text = tool_read_file(path, &length);
    if (!text) return TOOL_FAILED;
    int status = einjit_graph_parse(&out->graph, context, text, length, &err);
    free(text);
    return status ? tool_error(&err) : TOOL_OK;
}

static bool is_file(const char *path)
{
    struct stat status;
    return !stat(path, &status) && !S_ISDIR(status.st_mode);
}

/* ---- an equation with an ellipsis ---- */

/* The axes that -s gives it. */
static int ellipsis_axes(const tool_sizes *sizes)
{
    char name[32];
    int64_t value;
    int n = 0;
    do snprintf(name, sizeof name, TOOL_ELLIPSIS "%d", ++n);
    while (tool_sizes_find(sizes, name, &value));
    return n - 1;
}

/* Ranks of the terms, each ellipsis standing for n axes; what is no equation is left to the library. */
static size_t count_ranks(int32_t *ranks, const char *equation, int n)
{
    size_t t = 0;
    ranks[0] = 0;
    for (const char *at = equation; *at && strncmp(at, "->", 2); at++) {
        bool dots = !strncmp(at, "...", 3), inside = ((unsigned char)*at & 0xC0) == 0x80; /* of a longer character */
        if (*at == ',') ranks[++t] = 0;
        else if (*at != ' ' && !inside) ranks[t] += dots ? n : 1;
        if (dots) at += 2;
    }
    return t + 1;
}

/* The equation as it is printed, so that its output is there, with letters in the place of the ellipsis. NULL: too few
 * are free. */
static char *spell_out(const einjit_graph *graph, int n)
{
    size_t needed = 0;
    char letters[64];
    int used = 0;
    if (einjit_graph_print(graph, NULL, 0, &needed, NULL)) return NULL;
    char *text = tool_alloc(needed + 1);
    einjit_graph_print(graph, text, needed + 1, NULL, NULL);
    char *equation = strchr(text, '"'), *end = equation ? strchr(equation + 1, '"') : NULL;
    if (end) *end = 0;
    for (char c = 'A'; equation && c <= 'z' && used < n && used < (int)sizeof letters; c++)
        if ((c <= 'Z' || c >= 'a') && !strchr(equation, c)) letters[used++] = c;
    char *out = equation && used == n ? tool_alloc(strlen(equation) * (size_t)(n + 1) + 1) : NULL, *to = out;
    for (const char *at = equation + 1; out && *at;) {
        bool dots = !strncmp(at, "...", 3);
        memcpy(to, dots ? letters : at, dots ? (size_t)n : 1);
        to += dots ? n : 1;
        at += dots ? 3 : 1;
    }
    free(text);
    return out;
}

static int load_equation(tool_program *out, einjit_context *context, const char *what, const tool_sizes *sizes)
{
    einjit_error err = {0};
    int n = strstr(what, "...") ? ellipsis_axes(sizes) : 0;
    int32_t *ranks = tool_alloc((strlen(what) + 1) * sizeof *ranks);
    size_t n_terms = count_ranks(ranks, what, n);
    int status = n ? einjit_graph_from_equation_ranks(&out->graph, context, what, n_terms, ranks, &err)
                   : einjit_graph_from_equation(&out->graph, context, what, &err);
    free(ranks);
    if (status) return tool_error(&err);
    out->equation = tool_copy(what);
    out->letters = n ? spell_out(out->graph, n) : tool_copy(what);
    return TOOL_OK;
}

/* ---- any program ---- */

/* "...ein" is also an equation, and "def ,i" another: no equation has a parenthesis. */
int tool_program_load(tool_program *out, einjit_context *context, const char *what, const tool_sizes *sizes)
{
    einjit_error err = {0};
    *out = (tool_program){0};
    if (tool_ends_with(what, ".ein") && (!tool_ends_with(what, "...ein") || is_file(what)))
        return load_text(out, context, what);
    if (tool_is_stdio(what)) return load_text(out, context, what);
    if (strstr(what, "def ") && strchr(what, '('))
        return einjit_graph_parse(&out->graph, context, what, SIZE_MAX, &err) ? tool_error(&err) : TOOL_OK;
    if (strpbrk(what, "./") && is_file(what))
        return tool_usage("'%s' is a file, but no program: programs end in .ein", what);
    return load_equation(out, context, what, sizes);
}

void tool_program_free(tool_program *program)
{
    einjit_graph_destroy(program->graph);
    free(program->equation);
    free(program->letters);
    *program = (tool_program){0};
}

/* Whether an extent of some input is called by the n bytes at `name`. */
static bool names_extent(const tool_program *program, const char *name, size_t n)
{
    int64_t shape[TOOL_MAX_RANK];
    const char *symbols[TOOL_MAX_RANK];
    for (size_t i = 0; i < einjit_graph_input_count(program->graph); i++) {
        int dtype, rank;
        if (einjit_graph_input_type(program->graph, i, &dtype, &rank, shape, symbols, TOOL_MAX_RANK, NULL)) continue;
        if (rank < 0) return true; /* it takes any extents, named later or not at all */
        for (int a = 0; a < rank && a < TOOL_MAX_RANK; a++)
            if (shape[a] < 0 && symbols[a] && strlen(symbols[a]) == n && !memcmp(symbols[a], name, n)) return true;
    }
    return false;
}

int tool_names_check(const tool_program *program, const tool_sizes *sizes, const char *open)
{
    for (size_t i = 0; i < sizes->n; i++)
        if (!names_extent(program, sizes->items[i].name, strlen(sizes->items[i].name)))
            return tool_usage("-s %s: no input of the program has an extent of that name", sizes->items[i].name);
    for (const char *at = open; at && *at;) {
        size_t n = strcspn(at, ",");
        if (n && !(n == 3 && !memcmp(at, "...", 3)) && !names_extent(program, at, n)) /* of "..." the library says it */
            return tool_usage("--open %.*s: no input of the program has an extent of that name", (int)n, at);
        at += n + (at[n] == ',');
    }
    return TOOL_OK;
}

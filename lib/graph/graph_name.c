/* graph_name.c - names: what is an identifier, and which names a graph has.
 *
 * Takes  the names of nodes and of symbols (extents): two name spaces, as `def f(a: f32[a, b])` may have both.
 * Gives  look-ups in one probe; fresh names einsum_1, einsum_2, ... per kind of node.
 * Keeps  the table in the graph's arena: it doubles, so that what it leaves behind is less than what it uses.
 */
#include <stdio.h>
#include <string.h>

#include "base_list.h"
#include "graph.h"

/* ---- identifiers ---- */

static const char *const keywords[] = {
    "False",  "None",     "True", "and",    "as",   "assert",  "async",  "await",  "break", "class",  "continue", "def",
    "del",    "elif",     "else", "except", "for",  "finally", "from",   "global", "if",    "import", "in",       "is",
    "lambda", "nonlocal", "not",  "or",     "pass", "raise",   "return", "try",    "while", "with",   "yield"};

/* Letters beyond ASCII: common scripts, as far as Python takes them as they are (it folds others by NFKC, which would
 * make two of our names one of its). */
static const struct {
    uint32_t first, last;
} letters[] = {{0xC0, 0xD6},     {0xD8, 0xF6},     {0xF8, 0x131},    {0x134, 0x13E},   {0x141, 0x148},
               {0x14A, 0x17E},   {0x180, 0x1C3},   {0x1CD, 0x1F0},   {0x1F4, 0x2AF},   {0x386, 0x386},
               {0x388, 0x38A},   {0x38C, 0x38C},   {0x38E, 0x3A1},   {0x3A3, 0x3CF},   {0x400, 0x481},
               {0x48A, 0x52F},   {0x531, 0x556},   {0x5D0, 0x5EA},   {0x620, 0x63F},   {0x641, 0x64A},
               {0x3041, 0x3096}, {0x30A1, 0x30FA}, {0x3400, 0x4DBF}, {0x4E00, 0x9FFF}, {0xAC00, 0xD7A3}};

static bool starts_name(uint32_t c)
{
    if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++)
        if (c >= letters[i].first && c <= letters[i].last) return true;
    return false;
}

bool ej_is_identifier(const char *text, size_t length)
{
    if (!length) return false;
    for (size_t at = 0; at < length;) {
        uint32_t c;
        size_t n = ej_utf8_decode(text + at, length - at, &c);
        if (!n || !(starts_name(c) || (at && c >= '0' && c <= '9'))) return false;
        at += n;
    }
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
        if (strlen(keywords[i]) == length && !memcmp(keywords[i], text, length)) return false;
    return true;
}

/* ---- the table ---- */

typedef struct name_set {
    size_t n, capacity; /* a power of two */
    uint32_t *hashes;
    int32_t *ids; /* -1 = free */
} name_set;

enum { N_WORDS = EJ_OP_COUNT + EJ_FN_COUNT + EINJIT_REDUCE_COUNT };
struct ej_name_table {
    name_set values, symbols;
    uint32_t last[N_WORDS]; /* number of the newest name of each word */
};

static uint32_t hash_name(const char *name, size_t length)
{
    return (uint32_t)ej_hash64(name, length, 0);
}

static void put(name_set *set, uint32_t hash, int32_t id)
{
    size_t slot = hash & (set->capacity - 1);
    while (set->ids[slot] >= 0) slot = (slot + 1) & (set->capacity - 1);
    set->hashes[slot] = hash;
    set->ids[slot] = id;
    set->n++;
}

static bool grow(name_set *set, ej_arena *arena)
{
    name_set wide = {.capacity = set->capacity ? set->capacity * 2 : 32};
    wide.hashes = EJ_NEW_ARRAY(arena, uint32_t, wide.capacity);
    wide.ids = EJ_NEW_ARRAY(arena, int32_t, wide.capacity);
    if (!wide.hashes || !wide.ids) return false;
    memset(wide.ids, -1, wide.capacity * sizeof *wide.ids);
    for (size_t i = 0; i < set->capacity; i++)
        if (set->ids[i] >= 0) put(&wide, set->hashes[i], set->ids[i]);
    *set = wide;
    return true;
}

static bool same_name(const char *have, const char *name, size_t length)
{
    return !strncmp(have, name, length) && !have[length];
}

ej_value ej_graph_find_value(const ej_graph *graph, const char *name, size_t length)
{
    const name_set *set = &graph->names->values;
    if (!set->capacity || memchr(name, 0, length)) return -1;
    uint32_t hash = hash_name(name, length);
    for (size_t slot = hash & (set->capacity - 1); set->ids[slot] >= 0; slot = (slot + 1) & (set->capacity - 1))
        if (set->hashes[slot] == hash && same_name(graph->nodes[set->ids[slot]].name, name, length))
            return set->ids[slot];
    return -1;
}

int32_t ej_graph_find_symbol(const ej_graph *graph, const char *name, size_t length)
{
    const name_set *set = &graph->names->symbols;
    if (!set->capacity || memchr(name, 0, length)) return -1;
    uint32_t hash = hash_name(name, length);
    for (size_t slot = hash & (set->capacity - 1); set->ids[slot] >= 0; slot = (slot + 1) & (set->capacity - 1))
        if (set->hashes[slot] == hash && same_name(graph->symbols[set->ids[slot]], name, length)) return set->ids[slot];
    return -1;
}

/* An ellipsis may stand for no axes; but where an input has any rank, nobody can tell which they are. */
static int mark_ellipsis(bool *marked, const ej_graph *graph, einjit_error *err)
{
    for (size_t i = 0; i < graph->n_inputs; i++)
        if (graph->nodes[graph->inputs[i]].rank < 0)
            return ej_fail(err, EINJIT_E_NAME, "the axes of '...' have no names: input '%.60s' is of unknown rank",
                           graph->nodes[graph->inputs[i]].name);
    for (size_t s = 0; s < graph->n_symbols; s++)
        marked[s] |= !strncmp(graph->symbols[s], EJ_ELLIPSIS_NAME, sizeof EJ_ELLIPSIS_NAME - 1);
    return EINJIT_OK;
}

int ej_graph_mark_symbols(bool *marked, const ej_graph *graph, const char *list, einjit_error *err)
{
    size_t length;
    for (const char *at; (at = ej_list_next(&list, &length));) {
        if (length == 3 && !memcmp(at, "...", 3)) {
            EJ_TRY(mark_ellipsis(marked, graph, err));
        } else {
            int32_t symbol = ej_graph_find_symbol(graph, at, length);
            if (symbol < 0)
                return ej_fail(err, EINJIT_E_NAME, "no extent of the graph is called '%.*s'",
                               length > 99 ? 99 : (int)length, at);
            marked[symbol] = true;
        }
    }
    return EINJIT_OK;
}

static int add(name_set *set, ej_arena *arena, const char *name, int32_t id, einjit_error *err)
{
    if (set->n >= set->capacity / 2 && !grow(set, arena)) return ej_no_memory(err);
    put(set, hash_name(name, strlen(name)), id);
    return EINJIT_OK;
}

int ej_names_create(ej_graph *graph, einjit_error *err)
{
    graph->names = EJ_NEW(&graph->arena, struct ej_name_table);
    return graph->names ? EINJIT_OK : ej_no_memory(err);
}

int ej_names_add_value(ej_graph *graph, ej_value value, einjit_error *err)
{
    return add(&graph->names->values, &graph->arena, graph->nodes[value].name, value, err);
}

int ej_names_add_symbol(ej_graph *graph, int32_t symbol, einjit_error *err)
{
    return add(&graph->names->symbols, &graph->arena, graph->symbols[symbol], symbol, err);
}

void ej_names_renumber(ej_graph *graph)
{
    name_set *set = &graph->names->values;
    set->n = 0;
    if (set->capacity) memset(set->ids, -1, set->capacity * sizeof *set->ids);
    for (size_t v = 0; v < graph->n_nodes; v++)
        put(set, hash_name(graph->nodes[v].name, strlen(graph->nodes[v].name)), (int32_t)v);
}

void ej_names_copy_counters(ej_graph *graph, const ej_graph *from)
{
    memcpy(graph->names->last, from->names->last, sizeof graph->names->last);
}

/* ---- fresh names ---- */

/* The word of a node, and its row among the counters. */
static const char *word_of(const ej_node *node, size_t *row)
{
    static const char *const reductions[EINJIT_REDUCE_COUNT] = {"sum", "amax", "amin", "logsumexp",
                                                                "any", "prod", "mean"};
    if (node->op == EJ_OP_MAP) {
        *row = EJ_OP_COUNT + (size_t)node->fn;
        return ej_fns[node->fn].name;
    }
    if (node->op == EJ_OP_REDUCE) {
        *row = EJ_OP_COUNT + EJ_FN_COUNT + (size_t)node->fn;
        return reductions[node->fn];
    }
    *row = node->op;
    return ej_op_name(node->op);
}

const char *ej_names_next(ej_graph *graph, const ej_node *node)
{
    size_t row;
    char name[64];
    int n;
    const char *word = word_of(node, &row);
    do n = snprintf(name, sizeof name, "%s_%u", word, (unsigned)++graph->names->last[row]);
    while (ej_graph_find_value(graph, name, (size_t)n) >= 0);
    return ej_arena_copy_text(&graph->arena, name, (size_t)n);
}

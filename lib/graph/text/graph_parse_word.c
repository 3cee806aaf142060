/* graph_parse_word.c - the words of a program, the nodes it makes and their names.
 *
 * Takes  nodes as the operators make them.
 * Gives  the same nodes in the graph. An assignment names the node its expression made last: so one node is held back
 *        until the next comes, or until a statement names it.
 * Keeps  the program's own names: a made-up name (mul_1, scalar_2, x_1 for a second x) is never a word of the text,
 *        so that what was printed reads back under the same names, wherever the literals end up.
 */
#include <string.h>

#include "graph_parse.h"

enum { FIRST_CAPACITY = 64 };

static ej_word **slot_of(ej_word **slots, size_t capacity, const char *text, size_t length)
{
    size_t i = (size_t)ej_hash64(text, length, 0) & (capacity - 1);
    while (slots[i] && (slots[i]->length != length || memcmp(slots[i]->text, text, length)))
        i = (i + 1) & (capacity - 1);
    return &slots[i];
}

static bool grow(ej_parser *p)
{
    ej_words *words = &p->words;
    size_t capacity = words->capacity ? words->capacity * 2 : FIRST_CAPACITY;
    ej_word **slots = EJ_NEW_ARRAY(p->scratch, ej_word *, capacity);
    if (!slots) return false;
    for (size_t i = 0; i < words->capacity; i++) {
        ej_word *word = words->slots[i];
        if (word) *slot_of(slots, capacity, word->text, word->length) = word;
    }
    words->slots = slots;
    words->capacity = capacity;
    return true;
}

ej_word *ej_parse_word(ej_parser *p, const char *text, size_t length)
{
    ej_words *words = &p->words;
    if (2 * words->n >= words->capacity && !grow(p)) return NULL;
    ej_word **slot = slot_of(words->slots, words->capacity, text, length);
    if (*slot) return *slot;
    ej_word *word = EJ_NEW(p->scratch, ej_word);
    if (!word) return NULL;
    word->text = text;
    word->length = length;
    words->n++;
    return *slot = word;
}

int ej_parse_collect_words(ej_parser *p)
{
    ej_lexer lexer = p->lexer;
    ej_token token;
    do {
        EJ_TRY(ej_lex_next(&lexer, &token));
        if (token.kind != EJ_TOKEN_NAME) continue;
        ej_word *word = ej_parse_word(p, p->lexer.text + token.offset, token.length);
        if (!word) return ej_no_memory(p->err);
        word->in_text = true;
    } while (token.kind != EJ_TOKEN_END);
    return EINJIT_OK;
}

static bool is_word_of_text(ej_parser *p, const char *text, size_t length)
{
    ej_word **slot = p->words.capacity ? slot_of(p->words.slots, p->words.capacity, text, length) : NULL;
    return slot && *slot && (*slot)->in_text;
}

/* stem_1, stem_2, ...: the first that neither the text nor the graph has. */
static int make_up_name(ej_parser *p, const char *stem, size_t length, const char **out)
{
    ej_word *word = ej_parse_word(p, stem, length);
    ej_text name;
    if (!word) return ej_no_memory(p->err);
    do {
        ej_text_init(&name, p->scratch);
        ej_print_bytes(&name, stem, length);
        ej_print(&name, "_%u", (unsigned)++word->suffix);
        if (name.failed) return ej_no_memory(p->err);
    } while (is_word_of_text(p, name.data, name.length) || ej_graph_find_value(p->graph, name.data, name.length) >= 0);
    *out = name.data;
    return EINJIT_OK;
}

static const char *stem_of(const ej_node *node)
{
    static const char *const reduces[EINJIT_REDUCE_COUNT] = {
        [EINJIT_REDUCE_SUM] = "sum",  [EINJIT_REDUCE_MAX] = "amax",  [EINJIT_REDUCE_MIN] = "amin",
        [EINJIT_REDUCE_OR] = "any",   [EINJIT_REDUCE_PROD] = "prod", [EINJIT_REDUCE_LOGSUMEXP] = "logsumexp",
        [EINJIT_REDUCE_MEAN] = "mean"};
    if (node->op == EJ_OP_MAP) return ej_fns[node->fn].name;
    if (node->op == EJ_OP_REDUCE) return reduces[node->fn];
    return ej_op_name(node->op);
}

int ej_parse_flush(ej_parser *p, const ej_word *name)
{
    if (!p->waiting) return EINJIT_OK;
    ej_value value;
    p->waiting = false;
    if (!name) {
        const char *stem = stem_of(&p->last);
        EJ_TRY(make_up_name(p, stem, strlen(stem), &p->last.name));
    } else if (ej_graph_find_value(p->graph, name->text, name->length) >= 0) {
        EJ_TRY(make_up_name(p, name->text, name->length, &p->last.name));
    } else {
        p->last.name = ej_arena_copy_text(p->scratch, name->text, name->length);
        if (!p->last.name) return ej_no_memory(p->err);
    }
    return ej_graph_append(p->graph, &p->last, &value, p->err);
}

int ej_parse_node(ej_parser *p, const ej_node *node, size_t offset, ej_parsed *out)
{
    EJ_TRY(ej_parse_flush(p, NULL));
    if (p->graph->n_nodes >= INT32_MAX) return EJ_PARSE_FAIL(p, offset, EINJIT_E_LIMIT, "more than 2^31 nodes");
    p->last = *node;
    p->waiting = true;
    memset(out, 0, sizeof *out);
    out->kind = EJ_OPERAND_VALUE;
    out->value = (ej_value)p->graph->n_nodes;
    out->offset = offset;
    return EINJIT_OK;
}

/* ---- operands as values ---- */

ej_parsed ej_parse_number_operand(const ej_number *number, size_t offset)
{
    ej_parsed operand;
    memset(&operand, 0, sizeof operand);
    operand.kind = EJ_OPERAND_NUMBER;
    operand.value = -1;
    operand.offset = offset;
    operand.as.number = *number;
    return operand;
}

const char *ej_operand_kind_name(const ej_parsed *operand)
{
    switch (operand->kind) {
    case EJ_OPERAND_NONE: return "None";
    case EJ_OPERAND_VALUE: return "a tensor";
    case EJ_OPERAND_NUMBER: return "a number";
    case EJ_OPERAND_TEXT: return "a string";
    case EJ_OPERAND_DTYPE: return "a dtype";
    case EJ_OPERAND_EXTENT: return "an extent";
    case EJ_OPERAND_SHAPE: return "a shape";
    case EJ_OPERAND_SIZE: return "an extent";
    default: return operand->tuple ? "a tuple" : "a list";
    }
}

int ej_parse_value(ej_parser *p, ej_parsed *operand, ej_value *out)
{
    if (operand->kind == EJ_OPERAND_NUMBER && operand->value < 0) {
        const ej_number *number = &operand->as.number;
        ej_node node = {.op = EJ_OP_SCALAR, .fn = number->kind, .dtype = -1};
        ej_parsed scalar;
        node.integer = number->kind <= EJ_KIND_INT ? number->integer : 0;
        node.re = number->kind >= EJ_KIND_FLOAT ? number->re : 0;
        node.im = number->kind == EJ_KIND_COMPLEX ? number->im : 0;
        EJ_TRY(ej_parse_node(p, &node, operand->offset, &scalar));
        operand->value = scalar.value;
    } else if (operand->kind != EJ_OPERAND_VALUE && operand->kind != EJ_OPERAND_NUMBER) {
        return EJ_PARSE_FAIL(p, operand->offset, EINJIT_E_VALUE, "expected a tensor or a number, got %s",
                             ej_operand_kind_name(operand));
    }
    *out = operand->value;
    return EINJIT_OK;
}

int ej_parse_values(ej_parser *p, ej_node *node, uint32_t n, ej_parsed *const *operands)
{
    node->in = EJ_NEW_ARRAY(&p->graph->arena, ej_value, n);
    if (!node->in) return ej_no_memory(p->err);
    for (uint32_t i = 0; i < n; i++) EJ_TRY(ej_parse_value(p, operands[i], &node->in[i]));
    node->n_in = n;
    return EINJIT_OK;
}

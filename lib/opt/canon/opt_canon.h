/* opt_canon.h - what the files of the canonical form share. */
#ifndef EJ_OPT_CANON_H
#define EJ_OPT_CANON_H

#include "opt.h"

/* A node that is being rewritten, apart from the graph: its operands are the current ones. */
typedef struct ej_canon_form {
    ej_node node;
    ej_value in[3];  /* of ops that have rules: at most three */
    ej_value same;   /* >= 0: it is this value */
    ej_value origin; /* the graph's value; the form has its dtype and shape */
    uint32_t n_rules;
    enum ej_rule rules[16]; /* what made it so; of more, the last ones are not counted */
} ej_canon_form;

typedef struct ej_canon {
    ej_graph *graph;
    ej_job *job;
    ej_edit edit;
    const ej_known_dtype *dtypes; /* of the old values */
    const ej_known_shapes *shapes;
    ej_value *origins; /* per new value, from n_old on: the old one of the same dtype and shape */
    size_t cap_origins;
} ej_canon;

static inline void ej_canon_by(ej_canon_form *f, enum ej_rule rule)
{
    if (f->n_rules < sizeof f->rules / sizeof f->rules[0]) f->rules[f->n_rules++] = rule;
}

static inline const ej_node *ej_canon_node(const ej_canon *c, ej_value v)
{
    return &c->graph->nodes[v];
}

static inline ej_value ej_canon_origin(const ej_canon *c, ej_value v)
{
    return (size_t)v < c->edit.n_old ? v : c->origins[(size_t)v - c->edit.n_old];
}

static inline ej_known_dtype ej_canon_dtype(const ej_canon *c, ej_value v)
{
    return c->dtypes[ej_canon_origin(c, v)];
}

static inline const ej_known_shape *ej_canon_shape(const ej_canon *c, ej_value v)
{
    return &c->shapes->of[ej_canon_origin(c, v)];
}

/* Operand i of an operand, as it is by now. */
static inline ej_value ej_canon_under(const ej_canon *c, ej_value v, uint32_t i)
{
    return ej_edit_value(&c->edit, ej_canon_node(c, v)->in[i]);
}

/* One rule that fits, applied to the form; false: none does. Literals never take a computed value's place: they are
 * weak. */
bool ej_canon_map(ej_canon *c, ej_canon_form *f);  /* opt_canon_map.c */
bool ej_canon_cast(ej_canon *c, ej_canon_form *f); /* opt_canon_map.c */

#endif

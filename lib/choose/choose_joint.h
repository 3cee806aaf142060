/* choose_joint.h - paths of several einsums that are chosen together: what choose_joint.c is made of. */
#ifndef EJ_CHOOSE_JOINT_H
#define EJ_CHOOSE_JOINT_H

#include "choose_core.h"

typedef struct ej_member { /* an einsum that is looked at together with others */
    ej_value v;
    const ej_bound_node *node;
    int32_t n; /* operands that are no scalars: */
    ej_value *values;
    const ej_term *terms; /* as they are written */
    ej_network net;
    ej_path own; /* the best by itself */
} ej_member;

/* ---- choose_path_along.c: the path of one einsum along the path of another one ---- */
int ej_path_along(ej_path *out, const ej_member *member, const ej_member *other, ej_job *job);

/* ---- choose_table.c: all subsets of the operands of small einsums ---- */
enum { EJ_TABLE_OPERANDS = 10, EJ_TABLE_LABELS = 64 };
static inline bool ej_fits_table(const ej_member *m)
{
    return !EJ_LEFT_OUT(JOINT_TABLE) && m->n <= EJ_TABLE_OPERANDS && m->node->subscripts->n_labels <= EJ_TABLE_LABELS;
}
typedef struct ej_joint_table ej_joint_table;
/* The members that fit; the others count as if they were not there. */
int ej_table_begin(ej_joint_table **out, const ej_member *members, size_t n, ej_job *job);
/* Improve on these paths until nothing falls any more (paths NULL: start from what several members could share); the
 * best of all starts is kept. *work: splits that may still be looked at. */
void ej_table_improve(ej_joint_table *t, const ej_path *const *paths, double *work);
/* The best paths found, of the members that fit. */
int ej_table_paths(ej_path *out, const ej_joint_table *t, ej_job *job);

#endif

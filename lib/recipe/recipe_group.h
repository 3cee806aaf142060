/* recipe_group.h - a group of steps between recipe_group.c, which chooses it, and the trees that there are for it. */
#ifndef EJ_RECIPE_GROUP_H
#define EJ_RECIPE_GROUP_H

#include "base_hash.h"
#include "recipe.h"

enum { EJ_GROUP_MOST = 8 };

typedef struct ej_step_group {
    ej_schedule fresh;
    int32_t first, n;          /* steps */
    bool moves[EJ_GROUP_MOST]; /* by statement: it runs in the loops */
    int32_t n_loops, *axes;    /* of the result and of all that moves; outermost first */
    int64_t *steps;            /* 0: no loop */
    bool *chunks;              /* by axis: it may be cut inside of the loops, too, where the result lies in an
                                * operand */
} ej_step_group;

/* recipe_group.c: a statement where it stands in the group's tree, by the recipe for a step like it. s->failed: that
 * was refused. */
int ej_group_dress(const ej_step_group *h, ej_schedule *s, int32_t statement, ej_job *job);
/* recipe_in_place.c: an access reads or writes a buffer, or goes through it as a table. */
bool ej_access_names(const ej_access *access, int32_t buffer);
/* False: the group would read what an output in the memory of an input has overwritten, also with fewer loops, as many
 * as are left then; `anyhow`: whatever the tree is. Sets `chunks`. */
bool ej_group_keeps_in_place(const ej_plan *plan, ej_step_group *h, bool anyhow);
/* So that the code generator writes nothing twice where elements may have been read from. */
void ej_group_note_in_place(const ej_plan *plan, const ej_step_group *h, ej_nest *nest);
/* recipe_known.c: equal for groups that get equal trees, but for the plan's buffers. E_NOMEM only. */
int ej_group_key(ej_hash *out, const ej_step_group *h, const ej_job *job);
/* recipe_lanes.c: intermediates in registers. *built false: that does not suit the group. *turns: rows are turned
 * there, too. */
int ej_group_in_lanes(const ej_step_group *h, ej_nest *nest, bool *built, bool *turns, ej_job *job);

#endif

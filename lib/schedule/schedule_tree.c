/* schedule_tree.c - questions about a tree (what is below what, who reads and writes there), and changes of it: another
 * statement, or another place for one.
 */
#include "schedule.h"

bool ej_schedule_is_place(const ej_schedule *s, int32_t at)
{
    return at >= EJ_AT_ROOT && at < (int32_t)s->n_nodes;
}

int32_t ej_schedule_child(const ej_schedule *s, int32_t at, int32_t node)
{
    while (node >= 0 && s->nodes[node].parent != at) node = s->nodes[node].parent;
    return node;
}

static bool is_below(const ej_schedule *s, int32_t node, int32_t ancestor)
{
    while (node >= 0 && node != ancestor) node = s->nodes[node].parent;
    return node >= 0;
}

bool ej_schedule_writes(const ej_schedule *s, int32_t node, int32_t buffer, int32_t except)
{
    for (int32_t i = 0; i < (int32_t)s->n_statements; i++)
        if (i != except && s->statements[i].out.buffer == buffer && is_below(s, s->statements[i].node, node))
            return true;
    return false;
}

bool ej_schedule_reads(const ej_schedule *s, int32_t node, int32_t buffer)
{
    for (size_t i = 0; i < s->n_statements; i++)
        for (int32_t k = 0; k < s->statements[i].n_src + s->statements[i].n_tail; k++)
            if (s->statements[i].src[k].buffer == buffer && is_below(s, s->statements[i].node, node)) return true;
    return false;
}

bool ej_schedule_room(ej_schedule *s, size_t n)
{
    ej_arena *arena = s->job->arena;
    void **statements = (void **)(void *)&s->statements, **nodes = (void **)(void *)&s->nodes;
    return ej_arena_reserve(arena, statements, &s->cap_statements, s->n_statements, s->n_statements + n,
                            sizeof *s->statements) &&
           ej_arena_reserve(arena, nodes, &s->cap_nodes, s->n_nodes, s->n_nodes + n, sizeof *s->nodes);
}

int32_t ej_schedule_put(ej_schedule *s, int32_t at, int32_t child, const ej_statement *st, bool behind)
{
    int32_t id = (int32_t)s->n_statements++, node = (int32_t)s->n_nodes++;
    int32_t *link = at < 0 ? &s->root : &s->nodes[at].child;
    while (*link != child) link = &s->nodes[*link].next;
    if (behind) link = &s->nodes[child].next;
    s->nodes[node] = (ej_schedule_node){
        .kind = EJ_SCHEDULE_STATEMENT, .parent = at, .child = -1, .next = *link, .axis = -1, .statement = id};
    *link = node;
    s->statements[id] = *st;
    s->statements[id].node = node;
    return id;
}

void ej_schedule_move(ej_schedule *s, int32_t statement, int32_t at, int32_t child)
{
    int32_t node = s->statements[statement].node, *from = &s->root, *to = at < 0 ? &s->root : &s->nodes[at].child;
    while (*from != node) from = &s->nodes[*from].next;
    *from = s->nodes[node].next;
    while (*to != child) to = &s->nodes[*to].next;
    s->nodes[node].parent = at;
    s->nodes[node].next = child;
    *to = node;
}

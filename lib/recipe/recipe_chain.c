/* recipe_chain.c - blocks of copies by how their source and their result lie in memory.
 *
 * Takes  accesses, extents; strides and extents that are open end a chain.
 */
#include "recipe_chain.h"

#include "recipe_product.h"

ej_chain ej_chain_of(const ej_schedule *s, const ej_statement *st, const ej_access *access)
{
    ej_chain c = {0};
    ej_size next = ej_size_number(1);
    for (bool found = true; found && !next.e && c.n < EJ_CHAIN_AXES;) {
        found = false;
        for (int32_t t = 0; t < access->n_terms && !found; t++) {
            const ej_access_term *term = &access->terms[t];
            ej_size extent = s->axes[term->axis].extent;
            if (!ej_size_is(term->stride, next.n) || term->block || ej_statement_has_table(st, term->axis)) continue;
            if (!extent.e && extent.n <= 1) continue;
            c.axis[c.n++] = term->axis;
            found = true;
            if (extent.e || !ej_mul_size(next.n, extent.n, &next.n)) return c;
        }
    }
    return c;
}

void ej_chain_grow(const ej_schedule *s, const ej_chain *c, int64_t *block, double want, const int64_t *multiple)
{
    for (int32_t i = 0; i < c->n && want > 1; i++) {
        ej_size extent = s->axes[c->axis[i]].extent;
        int64_t *now = &block[c->axis[i]], most = extent.n, of = *now > 1 ? *now : multiple[c->axis[i]];
        if (extent.e) most = want < (double)of ? of : (int64_t)want / of * of;
        else if ((double)most > want) most = ej_block_of(extent.n, want, of);
        if (most > *now) *now = most;
        if (extent.e || *now < extent.n) return;
        want /= (double)extent.n;
    }
}

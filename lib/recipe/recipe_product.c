/* recipe_product.c - sums of products of two operands, taken apart into M, N, K and batches; their tiles and blocks.
 */
#include "recipe_product.h"

#include <stdlib.h>

int64_t ej_product_stride(const ej_access *access, int32_t axis)
{
    const ej_access_term *term = ej_access_find(access, axis);
    return term ? llabs(term->stride.n) : 0;
}

static double extent(const ej_schedule *s, int32_t axis)
{
    return (double)s->axes[axis].extent.n;
}

static bool is_plain(const ej_access *access)
{
    for (int32_t t = 0; t < access->n_terms; t++)
        if (access->terms[t].table >= 0 || access->terms[t].stride.e || access->terms[t].stride.n == 0) return false;
    return true;
}

/* Largest strides of the access first. */
void ej_product_sort(int32_t *axes, int32_t n, const ej_access *access)
{
    for (int32_t i = 1; i < n; i++)
        for (int32_t k = i; k > 0 && ej_product_stride(access, axes[k]) > ej_product_stride(access, axes[k - 1]); k--) {
            int32_t swap = axes[k];
            axes[k] = axes[k - 1];
            axes[k - 1] = swap;
        }
}

static bool sort_into_classes(const ej_schedule *s, ej_product *g)
{
    const ej_statement *st = &s->statements[0];
    const ej_access *left = &st->src[g->left], *right = &st->src[g->right];
    g->size_m = g->size_n = g->size_k = 1;
    if (s->n_axes > EJ_PRODUCT_AXES) return false;
    for (int32_t a = 0; a < s->n_axes; a++) {
        bool in_left = ej_access_find(left, a), in_right = ej_access_find(right, a), out = ej_access_find(&st->out, a);
        if (in_left && in_right && out) {
            g->z[g->n_z++] = a;
            continue;
        }
        if (s->axes[a].extent.e || s->axes[a].extent.n < 1) return false;
        if (in_left && in_right) {
            g->k[g->n_k++] = a;
            g->size_k *= extent(s, a);
        } else if (in_left && out) {
            g->m[g->n_m++] = a;
            g->size_m *= extent(s, a);
        } else if (in_right && out) {
            g->n[g->n_n++] = a;
            g->size_n *= extent(s, a);
        } else {
            return false;
        }
    }
    return g->n_m && g->n_n && g->n_k;
}

/* Rows: the axis that fills them best; ties go to the one that lies closest together in the left operand. */
static int32_t choose_row(const ej_schedule *s, const ej_product *g)
{
    const ej_access *left = &s->statements[0].src[g->left];
    int32_t best = g->m[0];
    for (int32_t i = 1; i < g->n_m; i++) {
        double a = extent(s, g->m[i]), b = extent(s, best);
        bool longer = a > b && b < 24, closer = a >= 24 && ej_product_stride(left, g->m[i]) < ej_product_stride(left, best);
        if (longer || closer) best = g->m[i];
    }
    return best;
}

bool ej_product_find(const ej_schedule *s, int32_t lane, ej_product *g)
{
    const ej_statement *st = &s->statements[0];
    *g = (ej_product){0};
    if (st->reduce != EINJIT_REDUCE_SUM || st->accumulate || st->n_src != 2) return false;
    if (!is_plain(&st->src[0]) || !is_plain(&st->src[1]) || !is_plain(&st->out)) return false;
    g->lane = lane;
    if (lane < 0 || !ej_access_find(&st->out, lane)) return false;
    g->right = ej_access_find(&st->src[0], g->lane) ? 0 : 1;
    g->left = 1 - g->right;
    if (!sort_into_classes(s, g) || ej_access_find(&st->src[g->left], g->lane)) return false;
    g->row = choose_row(s, g);
    if (!s->ordered) ej_product_sort(g->k, g->n_k, &st->src[g->left]);
    return true;
}

bool ej_product_is_large(const ej_schedule *s, const ej_product *p)
{
    double elements = p->size_m * p->size_k + p->size_k * p->size_n + p->size_m * p->size_n;
    return elements * ej_dtypes[ej_statement_dtype(&s->statements[0])].bytes > 2 * (double)s->job->target->l2_bytes;
}

/* ---- numbers ---- */

/* A block of at most `most` (or little more): one that divides the extent leaves no rest, which is a second copy of
 * everything inside; else pieces of about the same size. */
int64_t ej_block_of(int64_t extent, double most, int64_t multiple)
{
    int64_t block = (int64_t)(most * 1.25) / multiple * multiple;
    for (; block >= multiple && (double)block * 2 > most; block -= multiple)
        if (extent % block == 0) return block;
    int64_t pieces = (int64_t)((double)extent / most) + 1, even = (extent + pieces - 1) / pieces;
    return (even + multiple - 1) / multiple * multiple;
}

enum { BUSY = 10 }; /* accumulators: two units with a latency of 4 cycles need 8, some slack (1024^3 f32 on AVX2, Zen 4: 4 x 2
                     * tiles 101, 6 x 2 109 GFLOP/s) */

/* How much of the tiles along an extent is used; a shorter last one is one more copy of the code. */
static double filled(double extent, double tile)
{
    double used = extent / ((double)(int64_t)((extent + tile - 1) / tile) * tile);
    return used < 1 ? 0.97 * used : 1;
}

/* MR * NV accumulators, NV vectors of the right operand and a splat fit into the registers (without fused multiply-add a
 * product, too); a short last tile costs as much as a full one. A left operand in place has at most 8 rows: more lie in the
 * same sets of the L1 where rows are a power of 2 apart (1024^3 f32 on Zen 5: 8 rows 226, 12 rows 196 GFLOP/s); 12 where
 * all of it stays in the L1. Three vectors are no better than two there (214), but whole rows of the result are. */
void ej_product_tile(const ej_schedule *s, const ej_product *g, int32_t lanes, bool packed, int64_t *rows, int64_t *vectors)
{
    const ej_target *t = s->job->target;
    double left_bytes = g->size_m * g->size_k * ej_dtypes[ej_statement_dtype(&s->statements[0])].bytes;
    int64_t most = packed ? 16 : left_bytes < (double)t->l1_bytes / 2 ? 12 : 8;
    int32_t parts = ej_dtype_is_complex(ej_statement_dtype(&s->statements[0])) ? 2 : 1;
    double best = 0;
    for (int32_t nv = 1; nv <= 5; nv++)
        for (int32_t mr = 2; mr <= most; mr++) {
            if (parts * (mr * nv + nv + 1) + !t->fma > t->vector_registers) break;
            bool whole = (double)lanes * nv >= extent(s, g->lane);
            double loads = (double)(mr + nv) / (mr * nv), busy = parts * mr * nv >= BUSY ? 1 : parts * mr * nv / (double)BUSY;
            double score = filled(extent(s, g->row), mr) * filled(extent(s, g->lane), (double)lanes * nv) * busy / (1 + 0.3 * loads) * (nv > 2 && !whole ? 0.95 : 1);
            if (score <= best * 1.001) continue;
            best = score;
            *rows = mr;
            *vectors = nv;
        }
}

void ej_product_pack(ej_schedule *s, const ej_product *g, bool right, int32_t at, int64_t width)
{
    int32_t depth[2 * EJ_PRODUCT_AXES], n = 0, lane = right ? g->lane : g->row;
    int32_t n_kept = right ? g->n_n : g->n_m;
    const int32_t *kept = right ? g->n : g->m;
    for (int32_t i = 0; i < n_kept; i++)
        if (kept[i] != lane && ej_schedule_range(s, at, kept[i]) > 1) depth[n++] = kept[i];
    for (int32_t i = 0; i < g->n_k; i++) depth[n++] = g->k[i];
    ej_do_pack(s, at, 0, right ? g->right : g->left, lane, width, depth, n);
}

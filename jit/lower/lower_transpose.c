/* lower_transpose.c - a register tile under another lane map: all columns of n vectors at once.
 *
 * Takes  a read of one lane out of each of several rows.
 * Gives  every column of those rows, as rows of their own, so that the reads that follow find theirs: log2(n) stages of n
 *        two-operand shuffles instead of n - 1 shuffles a column. First interleaving inside 128 bits (unpack
 *        instructions), then whole 128-bit blocks, which is what x86 has cheap shuffles for.
 */
#include "lower_nest.h"

#include <string.h>

/* The rows that a column is read from: row[l] for lane l, -1: none. */
typedef struct ej_columns {
    int32_t n;          /* rows and columns, a power of 2 */
    int32_t in_block;   /* elements of 128 bits, at most n */
    int32_t row[EJ_LANES_MAX];
} ej_columns;

static bool find_columns(const ej_regs *regs, int32_t buffer, int32_t lanes, const int32_t *elems, ej_columns *out)
{
    int32_t column = -1, found = 0;
    out->n = lanes;
    for (int32_t l = 0; l < lanes; l++) {
        out->row[l] = -1;
        if (elems[l] < 0 || (size_t)elems[l] >= regs->n_where[buffer]) continue;
        const ej_reg_place *place = &regs->where[buffer][elems[l]];
        if (!place->reg) continue;
        if (regs->items[place->reg - 1].lanes != lanes || (column >= 0 && place->lane != column)) return false;
        for (int32_t k = 0; k < l; k++)
            if (out->row[k] == place->reg - 1) return false;
        column = place->lane;
        out->row[l] = place->reg - 1;
        found++;
    }
    return found > 2;
}

static void shuffle_pair(ej_lower *w, LLVMValueRef *a, LLVMValueRef *b, const int32_t *first, const int32_t *second,
                         int32_t n)
{
    LLVMValueRef low = ej_shuffle(w, *a, *b, first, n, ""), high = ej_shuffle(w, *a, *b, second, n, "");
    *a = low;
    *b = high;
}

/* Stage of 2^i elements: groups of a and b take turns; first those of the lower half of each block, then the upper. */
static void interleave(ej_lower *w, const ej_columns *c, LLVMValueRef *v, int32_t group)
{
    int32_t low[EJ_LANES_MAX], high[EJ_LANES_MAX];
    for (int32_t l = 0; l < c->n; l++) {
        int32_t block = l / c->in_block * c->in_block, inside = l % c->in_block;
        int32_t number = inside / group, from = number / 2 * group + inside % group;
        low[l] = block + from + number % 2 * c->n;
        high[l] = low[l] + c->in_block / 2;
    }
    for (int32_t r = 0; r < c->n; r++)
        if (!(r & group)) shuffle_pair(w, &v[r], &v[r | group], low, high, c->n);
}

/* Even blocks of a, then of b; odd ones. */
static void part_blocks(ej_lower *w, const ej_columns *c, LLVMValueRef *v, int32_t bit)
{
    int32_t even[EJ_LANES_MAX], odd[EJ_LANES_MAX];
    for (int32_t l = 0; l < c->n; l++) {
        int32_t half = c->n / 2, inside = l % half, block = inside / c->in_block;
        even[l] = l / half * c->n + 2 * block * c->in_block + l % c->in_block;
        odd[l] = even[l] + c->in_block;
    }
    for (int32_t r = 0; r < c->n; r++)
        if (!(r & bit)) shuffle_pair(w, &v[r], &v[r | bit], even, odd, c->n);
}

/* Column that vector r holds in the end: interleaving took its low bits in reverse. */
static int32_t column_of(const ej_columns *c, int32_t r)
{
    int32_t low = 0;
    for (int32_t bit = 1; bit < c->in_block; bit *= 2) low = 2 * low + (r & bit ? 1 : 0);
    return r / c->in_block * c->in_block + low;
}

static void transpose(ej_lower *w, const ej_columns *c, LLVMValueRef *v)
{
    for (int32_t group = 1; group < c->in_block; group *= 2) interleave(w, c, v, group);
    for (int32_t bit = c->in_block; bit < c->n; bit *= 2) part_blocks(w, c, v, bit);
}

static void gather_rows(ej_lower *w, const ej_columns *c, bool imaginary, LLVMValueRef *v)
{
    LLVMTypeRef type = NULL;
    for (int32_t l = 0; l < c->n; l++) {
        v[l] = NULL;
        if (c->row[l] < 0) continue;
        ej_vec value = w->regs.items[c->row[l]].value;
        v[l] = imaginary ? value.im : value.re;
        type = LLVMTypeOf(v[l]);
    }
    for (int32_t l = 0; l < c->n; l++)
        if (!v[l]) v[l] = LLVMGetPoison(type);
}

bool ej_reg_transpose(ej_lower *w, int32_t buffer, int32_t lanes, const int32_t *elems)
{
    ej_columns c;
    LLVMValueRef re[EJ_LANES_MAX], im[EJ_LANES_MAX];
    int32_t (*maps)[EJ_LANES_MAX];
    int dtype = w->nest->buffers[buffer].dtype;
    bool complex = ej_dtype_is_complex(dtype);
    if (!find_columns(&w->regs, buffer, lanes, elems, &c)) return false;
    maps = ej_lower_alloc(w, (size_t)lanes, sizeof *maps);
    if (!maps) return false;
    int32_t block = 16 / ej_dtypes[ej_dtypes[dtype].real].bytes;
    c.in_block = block < lanes ? block : lanes;
    gather_rows(w, &c, false, re);
    transpose(w, &c, re);
    if (complex) {
        gather_rows(w, &c, true, im);
        transpose(w, &c, im);
    }
    /* Writing takes the elements from the old rows, so their maps are read first. */
    for (int32_t r = 0; r < lanes; r++)
        for (int32_t l = 0; l < lanes; l++)
            maps[r][l] = c.row[l] < 0 ? -1 : w->regs.items[c.row[l]].elems[column_of(&c, r)];
    for (int32_t r = 0; r < lanes; r++) ej_reg_write(w, buffer, lanes, maps[r], (ej_vec){re[r], complex ? im[r] : NULL});
    return true;
}

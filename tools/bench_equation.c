/* bench_equation.c - an equation of letters as labels with extents and strides, read apart from the library.
 *
 * Takes  an equation without an ellipsis, dense inputs.
 * Gives  labels per term and output, their extents, element strides per term and label.
 */
#include "bench_equation.h"

#include <string.h>

int bench_find(const int *labels, int n, int label)
{
    for (int i = 0; i < n; i++)
        if (labels[i] == label) return i;
    return -1;
}

static uint32_t next_code_point(const char **text)
{
    const unsigned char *s = (const unsigned char *)*text;
    int n = *s < 0x80 ? 1 : *s < 0xE0 ? 2 : *s < 0xF0 ? 3 : 4;
    uint32_t c = n == 1 ? *s : *s & (0x7Fu >> n);
    for (int i = 1; i < n && s[i]; i++) c = c << 6 | (s[i] & 0x3F);
    *text += n;
    return c;
}

static int label_of(bench_equation *p, uint32_t symbol)
{
    for (int l = 0; l < p->n_labels; l++)
        if (p->symbol[l] == symbol) return l;
    if (p->n_labels == EQUATION_LABELS) return -1;
    p->symbol[p->n_labels] = symbol;
    return p->n_labels++;
}

static int implicit_output(bench_equation *p)
{
    int count[EQUATION_LABELS] = {0};
    for (int t = 0; t < p->n_terms; t++)
        for (int a = 0; a < p->rank[t]; a++) count[p->label[t][a]]++;
    for (int l = 0; l < p->n_labels; l++) {
        if (count[l] != 1) continue;
        int at = p->out_rank++;
        for (; at > 0 && p->symbol[p->out[at - 1]] > p->symbol[l]; at--) p->out[at] = p->out[at - 1];
        p->out[at] = l;
    }
    return TOOL_OK;
}

static int parse(bench_equation *p, const char *equation)
{
    memset(p, 0, sizeof *p);
    p->n_terms = 1;
    bool in_output = false;
    for (const char *at = equation; *at;) {
        uint32_t c = next_code_point(&at);
        if (c == ' ') continue;
        if (c == '-' && *at == '>') {
            at++;
            in_output = true;
        } else if (c == ',') {
            if (p->n_terms++ == EQUATION_TERMS) return TOOL_FAILED;
        } else if (c == '.') {
            return TOOL_FAILED;
        } else {
            int l = label_of(p, c), t = p->n_terms - 1;
            if (l < 0 || (in_output ? p->out_rank : p->rank[t]) == EQUATION_RANK) return TOOL_FAILED;
            if (in_output) p->out[p->out_rank++] = l;
            else p->label[t][p->rank[t]++] = l;
        }
    }
    return in_output ? TOOL_OK : implicit_output(p);
}

static int set_extents(bench_equation *p, const tool_tensor *in, size_t n_in)
{
    if ((size_t)p->n_terms != n_in) return TOOL_FAILED;
    for (int l = 0; l < p->n_labels; l++) p->extent[l] = 1;
    for (int t = 0; t < p->n_terms; t++)
        for (int a = 0; a < p->rank[t]; a++)
            if (in[t].shape[a] != 1) p->extent[p->label[t][a]] = in[t].shape[a];
    return TOOL_OK;
}

int bench_equation_read(bench_equation *out, const char *equation, const tool_tensor *in, size_t n_in)
{
    return parse(out, equation) || set_extents(out, in, n_in) ? TOOL_FAILED : TOOL_OK;
}

void bench_equation_strides(const bench_equation *p, const tool_tensor *in,
                            int64_t stride[EQUATION_TERMS + 1][EQUATION_LABELS])
{
    memset(stride, 0, sizeof(int64_t) * (EQUATION_TERMS + 1) * EQUATION_LABELS);
    for (int t = 0; t < p->n_terms; t++) {
        int64_t run = 1;
        for (int a = p->rank[t] - 1; a >= 0; a--) {
            if (in[t].shape[a] != 1) stride[t][p->label[t][a]] += run;
            run *= in[t].shape[a];
        }
    }
    int64_t run = 1;
    for (int a = p->out_rank - 1; a >= 0; a--) {
        stride[p->n_terms][p->out[a]] = run;
        run *= p->extent[p->out[a]];
    }
}

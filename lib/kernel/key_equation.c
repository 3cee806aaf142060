/* key_equation.c - an equation as words of a key, so that those which mean the same are the same words.
 *
 * Takes  an equation as the caller wrote it, or as integer labels.
 * Gives  a byte for each label (its number in order of first appearance), comma, ellipsis and arrow. Spaces are gone,
 *        and the output is there: where the text leaves it out it is what the text means, which hangs on the letters.
 * Keeps  the rule that equal bytes are equal equations up to names: what is no plain equation is refused here, and its
 *        text is the key. Nothing is allocated: this is on the way of every call.
 */
#include <string.h>

#include "key.h"

/* Labels have the numbers below LABELS. A text has at most TEXT bytes: no byte of it becomes more than one. */
enum { COMMA = 0xFC, ARROW = 0xFD, ELLIPSIS = 0xFE, LABELS = 200, TEXT = 512 };

typedef struct spelling {
    size_t n; /* bytes */
    uint32_t n_labels;
    bool arrow, ellipsis; /* ellipsis: in any term */
    uint32_t symbols[LABELS];
    uint8_t letters[64];              /* of ASCII, from '@': 1 + number */
    uint8_t bytes[TEXT + 2 + LABELS]; /* with an output of every label */
} spelling;

static void begin(spelling *s)
{
    s->n = s->n_labels = 0;
    s->arrow = s->ellipsis = false;
}

/* A new label's number is n_labels - 1; false: too many. */
static bool number_label(spelling *s, uint32_t symbol)
{
    if (s->n_labels == LABELS) return false;
    s->symbols[s->n_labels++] = symbol;
    return true;
}

/* One that is no letter of ASCII. */
static bool add_label(spelling *s, uint32_t symbol)
{
    uint32_t number = 0;
    while (number < s->n_labels && s->symbols[number] != symbol) number++;
    if (number == s->n_labels && !number_label(s, symbol)) return false;
    s->bytes[s->n++] = (uint8_t)number;
    return true;
}

/* The ellipsis, then the labels that occur once, sorted by code point. */
static void add_output(spelling *s)
{
    uint8_t once[LABELS], uses[LABELS] = {0};
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->bytes[i] < LABELS) uses[s->bytes[i]] |= uses[s->bytes[i]] ? 2 : 1;
    for (uint32_t l = 0; l < s->n_labels; l++) {
        if (uses[l] != 1) continue;
        size_t at = n++;
        for (; at && s->symbols[once[at - 1]] > s->symbols[l]; at--) once[at] = once[at - 1];
        once[at] = (uint8_t)l;
    }
    s->bytes[s->n++] = ARROW;
    if (s->ellipsis) s->bytes[s->n++] = ELLIPSIS;
    memcpy(s->bytes + s->n, once, n);
    s->n += n;
}

/* The bytes of a mark at `at`, of which `end` is the end; 0: not plain. */
static size_t add_mark(spelling *s, const char *at, const char *end)
{
    uint32_t code_point = 0;
    switch (*at) {
    case ' ': return 1;
    case ',': s->bytes[s->n++] = COMMA; return !s->arrow;
    case '.':
        s->ellipsis |= !s->arrow;
        s->bytes[s->n++] = ELLIPSIS;
        return at[1] == '.' && at[2] == '.' ? 3 : 0;
    case '-':
        if (at[1] != '>' || s->arrow) return 0;
        s->arrow = true;
        s->bytes[s->n++] = ARROW;
        return 2;
    default: break;
    }
    size_t n = (unsigned char)*at < 0x80 ? 0 : ej_utf8_decode(at, (size_t)(end - at), &code_point);
    return n && ej_code_point_is_letter(code_point) && add_label(s, code_point) ? n : 0;
}

bool ej_key_equation(ej_key_words *key, const char *text, size_t length)
{
    spelling s;
    const char *end = text + length;
    if (length > TEXT) return false;
    begin(&s);
    memset(s.letters, 0, sizeof s.letters);
    while (text < end) {
        unsigned c = (unsigned char)*text;
        if ((c | 0x20) - 'a' < 26) {
            uint8_t *number = &s.letters[c - '@'];
            if (!*number) {
                if (!number_label(&s, c)) return false;
                *number = (uint8_t)s.n_labels;
            }
            s.bytes[s.n++] = (uint8_t)(*number - 1);
            text++;
        } else {
            size_t n = add_mark(&s, text, end);
            if (!n) return false;
            text += n;
        }
    }
    if (!s.arrow) add_output(&s);
    ej_key_bytes(key, s.bytes, s.n);
    return true;
}

static bool add_labels(spelling *s, int32_t n, const int32_t *labels)
{
    for (int32_t i = 0; i < n; i++)
        if (labels[i] < 0 || s->n == TEXT || !add_label(s, (uint32_t)labels[i])) return false;
    return true;
}

bool ej_key_labels(ej_key_words *key, size_t n_in, const einjit_tensor *in, const int32_t *labels, int32_t output_rank,
                   const int32_t *output)
{
    spelling s;
    if (!n_in) return false;
    begin(&s);
    for (size_t i = 0; i < n_in; i++) {
        if (!add_labels(&s, in[i].rank, labels) || s.n == TEXT) return false;
        if (in[i].rank) labels += in[i].rank;
        s.bytes[s.n++] = i + 1 < n_in ? COMMA : ARROW;
    }
    if (!add_labels(&s, output_rank, output)) return false;
    ej_key_bytes(key, s.bytes, s.n);
    return true;
}

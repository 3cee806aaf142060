/* graph_label.c - the characters of equations, and the map from characters or integers to dense label ids.
 *
 * Takes  code points, or the caller's integer labels.
 * Gives  ids 0, 1, 2, ... in order of arrival; the code point that an integer label prints as.
 * Size   an equation may have thousands of labels: every look-up is one hash.
 * Not here: what an equation is (graph_equation.c).
 */
#include <string.h>

#include "graph.h"

/* ---- UTF-8 and classes of code points ---- */

static bool is_continuation(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

size_t ej_utf8_decode(const char *text, size_t length, uint32_t *code_point)
{
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (!length) return 0;
    unsigned char lead = (unsigned char)text[0];
    if (lead < 0x80) {
        *code_point = lead;
        return 1;
    }
    size_t n = lead >= 0xF8 ? 0 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 0;
    if (!n || n > length) return 0;
    uint32_t c = lead & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if (!is_continuation(text[i])) return 0;
        c = c << 6 | ((unsigned char)text[i] & 0x3F);
    }
    /* overlong forms, surrogates and what lies past Unicode are not UTF-8 */
    if (c < smallest[n] || (c >= 0xD800 && c <= 0xDFFF) || c > 0x10FFFF) return 0;
    *code_point = c;
    return n;
}

bool ej_code_point_is_space(uint32_t c)
{
    if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

bool ej_code_point_is_letter(uint32_t c)
{
    if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return c > 0x9F && !ej_code_point_is_space(c); /* U+0080 .. U+009F are controls */
}

uint32_t ej_label_code_point(int32_t id)
{
    if (id < 26) return 'a' + (uint32_t)id;
    if (id < 52) return 'A' + (uint32_t)id - 26;
    uint32_t c = 0x4E00 + (uint32_t)id - 52;
    return c < 0xD800 ? c : c + 0x800; /* surrogates are no characters */
}

/* ---- the map ---- */

void ej_label_map_init(ej_label_map *map, ej_arena *arena)
{
    memset(map, 0, sizeof *map);
    map->arena = arena;
}

/* The slot that holds the key, or the free one where it belongs. The keys come from the caller: a real hash, so that
 * no choice of them makes long probes likely. */
static size_t slot_of(const ej_label_map *map, uint32_t key)
{
    size_t mask = map->capacity - 1, slot = (size_t)ej_hash64(&key, sizeof key, 0) & mask;
    while (map->ids[slot] >= 0 && map->keys[slot] != key) slot = (slot + 1) & mask;
    return slot;
}

static bool grow(ej_label_map *map)
{
    ej_label_map wide = *map;
    wide.capacity = map->capacity ? map->capacity * 2 : 64;
    wide.keys = EJ_NEW_ARRAY(map->arena, uint32_t, wide.capacity);
    wide.ids = EJ_NEW_ARRAY(map->arena, int32_t, wide.capacity);
    if (!wide.keys || !wide.ids) return false;
    for (size_t i = 0; i < wide.capacity; i++) wide.ids[i] = -1;
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->ids[i] < 0) continue;
        size_t slot = slot_of(&wide, map->keys[i]);
        wide.keys[slot] = map->keys[i];
        wide.ids[slot] = map->ids[i];
    }
    *map = wide;
    return true;
}

int32_t ej_label_map_find(const ej_label_map *map, uint32_t key)
{
    return map->capacity ? map->ids[slot_of(map, key)] : -1;
}

bool ej_label_map_add(ej_label_map *map, uint32_t key, int32_t *id)
{
    if (map->n >= map->capacity / 2 && !grow(map)) return false;
    size_t slot = slot_of(map, key);
    if (map->ids[slot] < 0) {
        map->keys[slot] = key;
        map->ids[slot] = (int32_t)map->n++;
    }
    *id = map->ids[slot];
    return true;
}

bool ej_letters_settle(ej_arena *arena, uint32_t *letters, uint32_t n, uint32_t none, bool integers)
{
    ej_label_map used;
    bool *waits = EJ_NEW_ARRAY(arena, bool, n);
    int32_t id;
    ej_label_map_init(&used, arena);
    if (!waits) return false;
    for (uint32_t l = 0; l < n; l++) {
        size_t before = used.n;
        waits[l] = letters[l] == none;
        if (waits[l]) continue;
        if (!ej_label_map_add(&used, letters[l], &id)) return false;
        waits[l] = used.n == before;
    }
    int32_t next = 0;
    for (uint32_t l = 0; l < n; l++) {
        if (!waits[l]) continue;
        do letters[l] = integers ? (uint32_t)next : ej_label_code_point(next);
        while (next++, ej_label_map_find(&used, letters[l]) >= 0);
    }
    return true;
}

const uint32_t *ej_subscripts_letters(ej_arena *arena, const ej_subscripts *subscripts)
{
    uint32_t n = subscripts->n_labels, *letters = EJ_NEW_ARRAY(arena, uint32_t, n);
    if (!letters) return NULL;
    if (n && subscripts->symbols) memcpy(letters, subscripts->symbols, n * sizeof *letters);
    return ej_letters_settle(arena, letters, n, 0, false) ? letters : NULL;
}

int ej_compare_labels(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* code_image.c - ELF objects become one block of bytes that runs wherever it is mapped.
 *
 * Takes  relocatable objects (ELF64, little-endian, x86-64), made from our own modules.
 * Gives  their text and read-only data in one block, their distances resolved. No loader is needed after this.
 * Keeps  nothing that would: symbols from elsewhere, addresses, writable data are refused by name.
 *
 * The objects come from a compiler that may be broken: every offset is checked before it is used.
 */
#include "code_image.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

typedef struct ej_object {
    const uint8_t *bytes;
    size_t n_bytes;
    einjit_error *err;
    size_t n_sections;
    const uint8_t *headers; /* of the sections */
    const char *names;      /* of the sections */
    size_t n_names;
    size_t symbols, strings;     /* section numbers; 0: none */
    uint64_t *place;             /* per section: offset in the block, UINT64_MAX: not in it */
    const struct ej_object *all; /* of the block */
    size_t n_all;
} ej_object;

static int broken(const ej_object *o, const char *what)
{
    return ej_fail(o->err, EINJIT_E_BACKEND, "the object file is not as expected: %s", what);
}

static bool inside(const ej_object *o, uint64_t offset, uint64_t size)
{
    return offset <= o->n_bytes && size <= o->n_bytes - offset;
}

static Elf64_Shdr section(const ej_object *o, size_t index)
{
    Elf64_Shdr header;
    memcpy(&header, o->headers + index * sizeof header, sizeof header);
    return header;
}

/* A string of a string table that ends inside it. */
static const char *text_at(const char *table, size_t size, size_t offset)
{
    if (offset >= size || !memchr(table + offset, 0, size - offset)) return "?";
    return table + offset;
}

static int read_header(ej_object *o)
{
    Elf64_Ehdr header;
    if (o->n_bytes < sizeof header) return broken(o, "too short");
    memcpy(&header, o->bytes, sizeof header);
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_type != ET_REL)
        return broken(o, "not a relocatable ELF64 file");
    if (header.e_machine != EM_X86_64)
        return ej_fail(o->err, EINJIT_E_BACKEND, "images are made for x86-64 only, not for ELF machine %d",
                       (int)header.e_machine);
    o->n_sections = header.e_shnum;
    if (!o->n_sections || header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shstrndx >= o->n_sections ||
        !inside(o, header.e_shoff, o->n_sections * sizeof(Elf64_Shdr)))
        return broken(o, "section headers");
    o->headers = o->bytes + header.e_shoff;
    Elf64_Shdr names = section(o, header.e_shstrndx);
    if (!inside(o, names.sh_offset, names.sh_size)) return broken(o, "section names");
    o->names = (const char *)o->bytes + names.sh_offset;
    o->n_names = names.sh_size;
    return EINJIT_OK;
}

/* ---- layout ---- */

/* Sections that are part of the block. Unwinding tables are not: nothing unwinds through kernels. */
static int belongs(const ej_object *o, size_t index, bool *out)
{
    Elf64_Shdr s = section(o, index);
    const char *name = text_at(o->names, o->n_names, s.sh_name);
    *out = false;
    if (!(s.sh_flags & SHF_ALLOC) || !s.sh_size || !strcmp(name, ".eh_frame")) return EINJIT_OK;
    if (s.sh_flags & SHF_WRITE)
        return ej_fail(o->err, EINJIT_E_BACKEND, "the code needs writable data: section '%s'", name);
    if (s.sh_type != SHT_PROGBITS) return EINJIT_OK; /* notes, unwinding */
    if (!inside(o, s.sh_offset, s.sh_size)) return broken(o, "section contents");
    if (s.sh_addralign > EJ_CODE_ALIGN || (s.sh_addralign & (s.sh_addralign - 1))) return broken(o, "alignment");
    *out = true;
    return EINJIT_OK;
}

/* Behind the first *n_bytes of the block. */
static int lay_out(ej_object *o, uint64_t *n_bytes)
{
    uint64_t at = *n_bytes, start = at;
    for (size_t i = 0; i < o->n_sections; i++) {
        Elf64_Shdr s = section(o, i);
        bool in;
        o->place[i] = UINT64_MAX;
        if (s.sh_type == SHT_SYMTAB) {
            if (!inside(o, s.sh_offset, s.sh_size) || s.sh_link >= o->n_sections) return broken(o, "symbols");
            o->symbols = i;
            o->strings = s.sh_link;
        }
        EJ_TRY(belongs(o, i, &in));
        if (!in) continue;
        uint64_t align = s.sh_addralign ? s.sh_addralign : 1;
        at = (at + align - 1) & ~(align - 1);
        o->place[i] = at;
        at += s.sh_size;
    }
    *n_bytes = (at + EJ_CODE_ALIGN - 1) & ~(uint64_t)(EJ_CODE_ALIGN - 1);
    return at > start ? EINJIT_OK : broken(o, "no code");
}

/* ---- symbols ---- */

static int read_symbol(const ej_object *o, uint64_t index, Elf64_Sym *out, const char **name)
{
    Elf64_Shdr table = section(o, o->symbols), strings = section(o, o->strings);
    if (!o->symbols || index >= table.sh_size / sizeof *out || !inside(o, strings.sh_offset, strings.sh_size))
        return broken(o, "symbol number");
    memcpy(out, o->bytes + table.sh_offset + index * sizeof *out, sizeof *out);
    *name = text_at((const char *)o->bytes + strings.sh_offset, strings.sh_size, out->st_name);
    return EINJIT_OK;
}

/* Offset in the block of a symbol that the object has itself. */
static int own_place(const ej_object *o, Elf64_Sym symbol, const char *name, uint64_t *out)
{
    if (symbol.st_shndx >= o->n_sections || o->place[symbol.st_shndx] == UINT64_MAX)
        return ej_fail(o->err, EINJIT_E_BACKEND, "the code refers to '%s', which is not in its text or read-only data",
                       name);
    *out = o->place[symbol.st_shndx] + symbol.st_value;
    return EINJIT_OK;
}

/* UINT64_MAX: the object does not define it for others. */
static int find_symbol(const ej_object *o, const char *wanted, uint64_t *out)
{
    Elf64_Sym symbol;
    const char *name = "";
    uint64_t n = o->symbols ? section(o, o->symbols).sh_size / sizeof symbol : 0;
    *out = UINT64_MAX;
    for (uint64_t i = 1; i < n; i++) {
        EJ_TRY(read_symbol(o, i, &symbol, &name));
        if (symbol.st_shndx == SHN_UNDEF || ELF64_ST_BIND(symbol.st_info) == STB_LOCAL || strcmp(name, wanted))
            continue;
        return own_place(o, symbol, name, out);
    }
    return EINJIT_OK;
}

static int find_anywhere(const ej_object *o, const char *wanted, uint64_t *out)
{
    *out = UINT64_MAX;
    for (size_t i = 0; i < o->n_all && *out == UINT64_MAX; i++) EJ_TRY(find_symbol(&o->all[i], wanted, out));
    return EINJIT_OK;
}

/* Offset in the block. */
static int symbol_place(const ej_object *o, uint64_t index, uint64_t *out)
{
    Elf64_Sym symbol;
    const char *name = "";
    EJ_TRY(read_symbol(o, index, &symbol, &name));
    if (symbol.st_shndx != SHN_UNDEF) return own_place(o, symbol, name, out);
    EJ_TRY(find_anywhere(o, name, out));
    if (*out != UINT64_MAX) return EINJIT_OK;
    return ej_fail(o->err, EINJIT_E_BACKEND, "the code calls '%s', which is not part of it", name);
}

static int find_function(const ej_object *o, const char *name, size_t n_bytes, size_t *out)
{
    uint64_t at;
    EJ_TRY(find_anywhere(o, name, &at));
    if (at == UINT64_MAX) return broken(o, "no entry");
    if (at >= n_bytes) return broken(o, "entry");
    *out = (size_t)at;
    return EINJIT_OK;
}

static int find_functions(const ej_object *o, const ej_code_names *names, ej_code *code)
{
    char name[64];
    for (size_t p = 0; p < code->n_phases; p++) {
        snprintf(name, sizeof name, "%s%zu", names->phase, p);
        EJ_TRY(find_function(o, name, code->n_bytes, &code->phases[p]));
    }
    return find_function(o, names->entry, code->n_bytes, &code->entry);
}

/* ---- relocations ---- */

static int resolve(const ej_object *o, size_t target, const Elf64_Rela *rela, uint8_t *block)
{
    uint64_t type = ELF64_R_TYPE(rela->r_info), at;
    if (type != R_X86_64_PC32 && type != R_X86_64_PLT32)
        return ej_fail(o->err, EINJIT_E_BACKEND, "the code needs a relocation of type %d, which images do not have",
                       (int)type);
    EJ_TRY(symbol_place(o, ELF64_R_SYM(rela->r_info), &at));
    Elf64_Shdr s = section(o, target);
    if (s.sh_size < 4 || rela->r_offset > s.sh_size - 4) return broken(o, "relocation offset");
    uint64_t from = o->place[target] + rela->r_offset;
    int64_t distance = (int64_t)(at + (uint64_t)rela->r_addend - from);
    if (distance < INT32_MIN || distance > INT32_MAX)
        return ej_fail(o->err, EINJIT_E_LIMIT, "the code and its constants take more than 2 GiB");
    int32_t stored = (int32_t)distance;
    memcpy(block + from, &stored, sizeof stored);
    return EINJIT_OK;
}

static int resolve_all(const ej_object *o, uint8_t *block)
{
    for (size_t i = 0; i < o->n_sections; i++) {
        Elf64_Shdr s = section(o, i);
        if (s.sh_type != SHT_RELA && s.sh_type != SHT_REL) continue;
        if (s.sh_info >= o->n_sections || o->place[s.sh_info] == UINT64_MAX) continue;
        if (s.sh_type == SHT_REL || !inside(o, s.sh_offset, s.sh_size)) return broken(o, "relocations");
        for (uint64_t r = 0; r < s.sh_size / sizeof(Elf64_Rela); r++) {
            Elf64_Rela rela;
            memcpy(&rela, o->bytes + s.sh_offset + r * sizeof rela, sizeof rela);
            EJ_TRY(resolve(o, s.sh_info, &rela, block));
        }
    }
    return EINJIT_OK;
}

/* ---- the whole ---- */

static int fill(const ej_object *objects, size_t n, const ej_code_names *names, ej_code *code)
{
    uint8_t *block = code->bytes;
    for (const ej_object *o = objects; o < objects + n; o++)
        for (size_t i = 0; i < o->n_sections; i++) {
            Elf64_Shdr s = section(o, i);
            if (o->place[i] != UINT64_MAX) memcpy(block + o->place[i], o->bytes + s.sh_offset, s.sh_size);
        }
    for (size_t i = 0; i < n; i++) EJ_TRY(resolve_all(&objects[i], block));
    return find_functions(objects, names, code);
}

static int make_block(ej_object *objects, size_t n, const ej_code_names *names, const einjit_allocator *allocator,
                      ej_code *out)
{
    einjit_error *err = objects->err;
    uint64_t n_bytes = 0;
    ej_code code = {.n_phases = names->n_phases};
    for (size_t i = 0; i < n; i++) {
        EJ_TRY(lay_out(&objects[i], &n_bytes));
        if (n_bytes > INT32_MAX) return ej_fail(err, EINJIT_E_LIMIT, "the code and its constants take more than 2 GiB");
    }
    code.n_bytes = (size_t)n_bytes;
    code.bytes = ej_alloc(allocator, code.n_bytes);
    if (code.n_phases) code.phases = ej_alloc(allocator, code.n_phases * sizeof *code.phases);
    bool room = code.bytes && (code.phases || !code.n_phases);
    int status = room ? fill(objects, n, names, &code) : ej_no_memory(err);
    if (status == EINJIT_OK) *out = code;
    else ej_code_release(&code, allocator);
    return status;
}

/* Headers of all of them; their places lie in the arena. */
static int read_all(ej_object *objects, const ej_code_part *parts, size_t n, ej_arena *arena, einjit_error *err)
{
    for (size_t i = 0; i < n; i++) {
        ej_object *o = &objects[i];
        *o = (ej_object){.bytes = parts[i].bytes, .n_bytes = parts[i].n_bytes, .err = err, .all = objects, .n_all = n};
        EJ_TRY(read_header(o));
        o->place = EJ_NEW_ARRAY(arena, uint64_t, o->n_sections);
        if (!o->place) return ej_no_memory(err);
    }
    return EINJIT_OK;
}

int ej_code_image(ej_code *out, const ej_code_part *parts, size_t n, const ej_code_names *names,
                  const einjit_allocator *allocator, einjit_error *err)
{
    ej_arena arena;
    ej_arena_init(&arena, allocator);
    ej_object *objects = EJ_NEW_ARRAY(&arena, ej_object, n);
    int status = objects ? read_all(objects, parts, n, &arena, err) : ej_no_memory(err);
    if (status == EINJIT_OK) status = make_block(objects, n, names, allocator, out);
    ej_arena_free(&arena);
    return status;
}

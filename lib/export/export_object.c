/* export_object.c - code of kernels as a relocatable ELF object.
 *
 * Takes  images: one block each of text and constants, position-independent, with nothing left to resolve.
 * Gives  an object of a section and a function for each, and nothing else: no relocations, no undefined symbols.
 */
#include "export.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

/* Sections behind the code, which starts at 1. */
enum { SYMBOLS, STRINGS, NO_EXEC_STACK, N_TABLES };

#if defined(__aarch64__)
enum { MACHINE = EM_AARCH64 };
#else
enum { MACHINE = EM_X86_64 };
#endif

typedef struct object {
    const ej_export *e;
    ej_text *out;
    ej_text strings;
    Elf64_Shdr *sections;
    Elf64_Sym *symbols;
    size_t n_sections;
    uint64_t at; /* where in the file the next bytes go */
} object;

static uint32_t add_string(object *o, const char *text)
{
    uint32_t at = (uint32_t)o->strings.length;
    ej_print_bytes(&o->strings, text, strlen(text) + 1);
    return at;
}

static void write_bytes(object *o, const void *bytes, size_t n, uint64_t align)
{
    static const char zeros[EJ_CODE_ALIGN];
    uint64_t gap = (align - o->at % align) % align;
    ej_print_bytes(o->out, zeros, (size_t)gap);
    ej_print_bytes(o->out, bytes, n);
    o->at += gap + n;
}

/* A section with these bytes, written now. */
static void add_section(object *o, size_t index, Elf64_Shdr section, const char *name, const void *bytes, size_t n)
{
    write_bytes(o, bytes, n, section.sh_addralign);
    section.sh_name = add_string(o, name);
    section.sh_offset = o->at - n;
    section.sh_size = n;
    o->sections[index] = section;
}

static void add_code(object *o, size_t v)
{
    const einjit_kernel *kernel = o->e->variants[v].kernel;
    const ej_image *image = &kernel->image;
    char name[EJ_EXPORT_NAME + 32];
    snprintf(name, sizeof name, ".text.%s_%zu", o->e->name, v);
    const Elf64_Shdr code = {
        .sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC | SHF_EXECINSTR, .sh_addralign = EJ_CODE_ALIGN};
    add_section(o, 1 + v, code, name, image->base, image->n_code);
    uint64_t entry = (uint64_t)((const char *)(uintptr_t)kernel->entry - (const char *)image->base);
    o->symbols[1 + v] = (Elf64_Sym){.st_name = o->sections[1 + v].sh_name + (uint32_t)strlen(".text."),
                                    .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
                                    .st_shndx = (uint16_t)(1 + v),
                                    .st_value = entry,
                                    .st_size = image->n_code - entry};
}

static void add_tables(object *o, size_t first)
{
    size_t n = o->e->n;
    add_section(o, first + SYMBOLS,
                (Elf64_Shdr){.sh_type = SHT_SYMTAB,
                             .sh_link = (uint32_t)(first + STRINGS),
                             .sh_info = 1, /* the first that is not local */
                             .sh_addralign = 8,
                             .sh_entsize = sizeof(Elf64_Sym)},
                ".symtab", o->symbols, (1 + n) * sizeof *o->symbols);
    add_section(o, first + NO_EXEC_STACK, (Elf64_Shdr){.sh_type = SHT_PROGBITS, .sh_addralign = 1}, ".note.GNU-stack",
                NULL, 0);
    uint32_t name = add_string(o, ".strtab"); /* before its bytes are written */
    add_section(o, first + STRINGS, (Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_addralign = 1}, "", o->strings.data,
                o->strings.length);
    o->sections[first + STRINGS].sh_name = name;
}

void ej_export_object(ej_text *out, const ej_export *e)
{
    size_t n = e->n, first = 1 + n, start = out->length;
    object o = {.e = e, .out = out, .n_sections = first + N_TABLES, .at = sizeof(Elf64_Ehdr)};
    Elf64_Ehdr header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                         .e_type = ET_REL,
                         .e_machine = MACHINE,
                         .e_version = EV_CURRENT,
                         .e_ehsize = sizeof header,
                         .e_shentsize = sizeof(Elf64_Shdr),
                         .e_shnum = (uint16_t)o.n_sections,
                         .e_shstrndx = (uint16_t)(first + STRINGS)};
    ej_text_init(&o.strings, out->arena);
    o.sections = EJ_NEW_ARRAY(out->arena, Elf64_Shdr, o.n_sections);
    o.symbols = EJ_NEW_ARRAY(out->arena, Elf64_Sym, 1 + n);
    if (!o.sections || !o.symbols) {
        out->failed = true;
        return;
    }
    ej_print_bytes(out, (const char *)&header, sizeof header);
    add_string(&o, "");
    for (size_t v = 0; v < n; v++) add_code(&o, v);
    add_tables(&o, first);
    write_bytes(&o, NULL, 0, 8);
    header.e_shoff = o.at;
    ej_print_bytes(out, (const char *)o.sections, o.n_sections * sizeof *o.sections);
    if (o.strings.failed) out->failed = true;
    if (!out->failed) memcpy(out->data + start, &header, sizeof header);
}

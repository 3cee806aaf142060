/* The image maker on objects written by hand: what it resolves, and all that it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../../jit/code/code_image.c"

static const ej_code_names known_names = {.entry = "entry"};

enum { TEXT = 1, RODATA, DATA, RELA, SYMTAB, STRTAB, SHSTRTAB, SECTIONS };

/* An object with 32 bytes of text (entry at 16), 8 of read-only data, 8 of writable data (flags as asked), one
 * relocation in the text. */
typedef struct object {
    Elf64_Ehdr header;
    Elf64_Shdr sections[SECTIONS];
    uint8_t text[32], rodata[8], data[8];
    Elf64_Rela rela[1];
    Elf64_Sym symbols[4]; /* none, entry, table (section symbol of .rodata), outside */
    char strings[32], names[64];
} object;

static void set_section(object *o, int i, uint32_t name, uint32_t type, uint64_t flags, const void *at, size_t size,
                        uint64_t align)
{
    o->sections[i] = (Elf64_Shdr){.sh_name = name,
                                  .sh_type = type,
                                  .sh_flags = flags,
                                  .sh_offset = (uint64_t)((const char *)at - (const char *)o),
                                  .sh_size = size,
                                  .sh_addralign = align};
}

static object make(void)
{
    static const char names[] = "\0.text\0.rodata\0.data\0.rela.text";
    static const char strings[] = "\0entry\0outside";
    object o;
    memset(&o, 0, sizeof o);
    memcpy(o.header.e_ident, ELFMAG, SELFMAG);
    o.header.e_ident[EI_CLASS] = ELFCLASS64;
    o.header.e_ident[EI_DATA] = ELFDATA2LSB;
    o.header.e_type = ET_REL;
    o.header.e_machine = EM_X86_64;
    o.header.e_shoff = offsetof(object, sections);
    o.header.e_shentsize = sizeof(Elf64_Shdr);
    o.header.e_shnum = SECTIONS;
    o.header.e_shstrndx = SHSTRTAB;
    memcpy(o.names, names, sizeof names);
    memcpy(o.strings, strings, sizeof strings);
    memset(o.text, 0x90, sizeof o.text);
    memset(o.rodata, 7, sizeof o.rodata);
    set_section(&o, TEXT, 1, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, o.text, sizeof o.text, 16);
    set_section(&o, RODATA, 7, SHT_PROGBITS, SHF_ALLOC, o.rodata, sizeof o.rodata, 64);
    set_section(&o, DATA, 15, SHT_PROGBITS, 0, o.data, sizeof o.data, 8);
    set_section(&o, RELA, 21, SHT_RELA, 0, o.rela, sizeof o.rela, 8);
    set_section(&o, SYMTAB, 0, SHT_SYMTAB, 0, o.symbols, sizeof o.symbols, 8);
    set_section(&o, STRTAB, 0, SHT_STRTAB, 0, o.strings, sizeof o.strings, 1);
    set_section(&o, SHSTRTAB, 0, SHT_STRTAB, 0, o.names, sizeof o.names, 1);
    o.sections[RELA].sh_info = TEXT;
    o.sections[RELA].sh_link = SYMTAB;
    o.sections[SYMTAB].sh_link = STRTAB;
    o.symbols[1] =
        (Elf64_Sym){.st_name = 1, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = TEXT, .st_value = 16};
    o.symbols[2] = (Elf64_Sym){.st_shndx = RODATA, .st_value = 0};
    o.symbols[3] = (Elf64_Sym){.st_name = 7, .st_shndx = SHN_UNDEF};
    o.rela[0] = (Elf64_Rela){.r_offset = 4, .r_info = ELF64_R_INFO(2, R_X86_64_PC32), .r_addend = -4};
    return o;
}

static int build(const object *o, ej_code *code, einjit_error *err)
{
    return ej_code_image(code, &(ej_code_part){o, sizeof *o}, 1, &known_names, &ej_malloc_allocator, err);
}

static void refused(const object *o, const char *words)
{
    ej_code code;
    einjit_error err;
    assert_int_equal(build(o, &code, &err), EINJIT_E_BACKEND);
    if (!strstr(err.text, words)) fail_msg("'%s' lacks '%s'", err.text, words);
}

static void distances_between_sections_are_resolved(void **state)
{
    (void)state;
    object o = make();
    ej_code code;
    einjit_error err;
    int32_t distance;
    assert_int_equal(build(&o, &code, &err), EINJIT_OK);
    assert_int_equal(code.entry, 16);
    const uint8_t *bytes = code.bytes;
    memcpy(&distance, bytes + 4, sizeof distance);
    assert_int_equal(distance, 64 - 4 - 4); /* read-only data lies at 64, the next instruction at 8 */
    assert_memory_equal(bytes + 64, o.rodata, sizeof o.rodata);
    assert_int_equal(code.n_bytes % 64, 0);
    free(code.bytes);
}

static void calls_inside_the_text_are_resolved(void **state)
{
    (void)state;
    object o = make();
    o.rela[0].r_info = ELF64_R_INFO(1, R_X86_64_PLT32);
    ej_code code;
    einjit_error err;
    int32_t distance;
    assert_int_equal(build(&o, &code, &err), EINJIT_OK);
    memcpy(&distance, (uint8_t *)code.bytes + 4, sizeof distance);
    assert_int_equal(distance, 16 - 8);
    free(code.bytes);
}

static void symbols_from_elsewhere_are_named(void **state)
{
    (void)state;
    object o = make();
    o.rela[0].r_info = ELF64_R_INFO(3, R_X86_64_PLT32);
    refused(&o, "'outside'");
}

/* The second object calls what the first one has by that name. */
static void objects_refer_to_each_other(void **state)
{
    (void)state;
    object first = make(), second = make();
    ej_code code;
    einjit_error err;
    int32_t distance;
    memcpy(first.strings, "\0other\0......", 14);
    memcpy(second.strings + 7, "other", 6);
    second.rela[0].r_info = ELF64_R_INFO(3, R_X86_64_PLT32);
    second.text[0] = 0x42;
    const ej_code_part parts[2] = {{&first, sizeof first}, {&second, sizeof second}};
    assert_int_equal(ej_code_image(&code, parts, 2, &known_names, &ej_malloc_allocator, &err), EINJIT_OK);
    const uint8_t *bytes = code.bytes;
    assert_int_equal(code.entry, 128 + 16);
    assert_int_equal(bytes[128], 0x42);
    memcpy(&distance, bytes + 128 + 4, sizeof distance);
    assert_int_equal(distance, 16 - (128 + 8));
    memcpy(&distance, bytes + 4, sizeof distance); /* the first one's own */
    assert_int_equal(distance, 64 - 8);
    free(code.bytes);
    first.symbols[1].st_info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC); /* what is local has no name for others */
    assert_int_equal(ej_code_image(&code, parts, 2, &known_names, &ej_malloc_allocator, &err), EINJIT_E_BACKEND);
    assert_non_null(strstr(err.text, "'other'"));
}

static void other_relocations_are_refused(void **state)
{
    (void)state;
    object o = make();
    o.rela[0].r_info = ELF64_R_INFO(2, R_X86_64_64);
    refused(&o, "relocation of type 1");
}

static void writable_data_is_refused(void **state)
{
    (void)state;
    object o = make();
    o.sections[DATA].sh_flags = SHF_ALLOC | SHF_WRITE;
    refused(&o, "'.data'");
}

static void other_machines_are_refused(void **state)
{
    (void)state;
    object o = make();
    o.header.e_machine = EM_AARCH64;
    refused(&o, "x86-64 only");
}

static void objects_without_the_entry_are_refused(void **state)
{
    (void)state;
    object o = make();
    o.strings[1] = 'x';
    refused(&o, "no entry");
}

static void relocations_beyond_their_section_are_refused(void **state)
{
    (void)state;
    object o = make();
    o.rela[0].r_offset = 29;
    refused(&o, "relocation offset");
}

static void cut_objects_are_refused_at_every_length(void **state)
{
    (void)state;
    object o = make();
    for (size_t n = 0; n < offsetof(object, strings); n++) {
        char *copy = malloc(n + 1);
        ej_code code;
        einjit_error err;
        assert_non_null(copy);
        memcpy(copy, &o, n);
        assert_int_not_equal(
            ej_code_image(&code, &(ej_code_part){copy, n}, 1, &known_names, &ej_malloc_allocator, &err), EINJIT_OK);
        free(copy);
    }
}

/* Every field of the headers set to something absurd: an error or an image, never a wild access. */
static void absurd_headers_do_no_harm(void **state)
{
    (void)state;
    object o = make();
    for (size_t at = 0; at + 8 <= offsetof(object, text); at += 4) {
        object wrong = o;
        memset((char *)&wrong + at, 0xff, at % 8 ? 4 : 8);
        ej_code code = {0};
        einjit_error err;
        if (build(&wrong, &code, &err) == EINJIT_OK) free(code.bytes);
    }
    for (size_t at = offsetof(object, rela); at + 8 <= offsetof(object, strings); at += 4) {
        object wrong = o;
        memset((char *)&wrong + at, 0xff, 4);
        ej_code code = {0};
        einjit_error err;
        if (build(&wrong, &code, &err) == EINJIT_OK) free(code.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances_between_sections_are_resolved),
        cmocka_unit_test(calls_inside_the_text_are_resolved),
        cmocka_unit_test(symbols_from_elsewhere_are_named),
        cmocka_unit_test(objects_refer_to_each_other),
        cmocka_unit_test(other_relocations_are_refused),
        cmocka_unit_test(writable_data_is_refused),
        cmocka_unit_test(other_machines_are_refused),
        cmocka_unit_test(objects_without_the_entry_are_refused),
        cmocka_unit_test(relocations_beyond_their_section_are_refused),
        cmocka_unit_test(cut_objects_are_refused_at_every_length),
        cmocka_unit_test(absurd_headers_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

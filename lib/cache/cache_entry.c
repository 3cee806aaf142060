/* cache_entry.c - the bytes of an entry.
 *
 *     entry     = header pieces checksum
 *     header    = magic[8] format:u32 machine:u32 total:u64 code_entry:u64 compile_ns:u64 piece_bytes:u64[5]
 *     pieces    = key problem generator kernel code, one after the other
 *     key       = text: everything that the code depends on but the code generator (cache_disk.c)
 *     problem   = text: the same for people, in the syntax of einjit-bench
 *     generator = text: which code generator made it, a line for each of its files
 *     kernel    = what is known of the kernel beside its code (cache_description.c)
 *     code      = the image: position-independent, mapped as it is
 *     checksum  = XXH3's 128 bits of all before it, low half first
 *
 * Numbers are the machine's own: an entry is for one machine, and the magic word is not its own reverse.
 * An entry that is cut short anywhere has another size than its header says; one with other bytes has another checksum.
 */
#include <string.h>

#include "cache.h"

#if defined(__x86_64__)
enum { MACHINE = 62 }; /* ELF's numbers */
#elif defined(__aarch64__)
enum { MACHINE = 183 };
#else
enum { MACHINE = 0 };
#endif
enum { FORMAT = 2 };
static const char magic[8] = {'e', 'i', 'n', 'j', 'i', 't', '\r', '\n'};

typedef struct header {
    char magic[8];
    uint32_t format, machine;
    uint64_t total, code_entry, compile_ns;
    uint64_t piece_bytes[EJ_PIECES];
} header;
_Static_assert(sizeof(header) == 80, "no padding: all of it is written");

void ej_entry_write(ej_text *out, const ej_cache_entry *entry)
{
    header h = {.format = FORMAT, .machine = MACHINE, .code_entry = entry->code_entry, .compile_ns = entry->compile_ns};
    size_t start = out->length;
    memcpy(h.magic, magic, sizeof magic);
    h.total = sizeof h + sizeof(ej_hash);
    for (int i = 0; i < EJ_PIECES; i++) h.total += h.piece_bytes[i] = entry->pieces[i].n;
    ej_print_bytes(out, (const char *)&h, sizeof h);
    for (int i = 0; i < EJ_PIECES; i++) ej_print_bytes(out, entry->pieces[i].bytes, entry->pieces[i].n);
    if (out->failed) return;
    ej_hash sum = ej_hash_bytes(out->data + start, out->length - start);
    ej_print_bytes(out, (const char *)&sum, sizeof sum);
}

const char *ej_entry_read(ej_cache_entry *out, const void *bytes, size_t n_bytes)
{
    header h;
    ej_hash sum;
    const char *at = bytes;
    if (n_bytes < sizeof h + sizeof sum) return "it is cut short";
    memcpy(&h, at, sizeof h);
    if (memcmp(h.magic, magic, sizeof magic) != 0) return "it is no entry of the cache";
    if (h.format != FORMAT) return "it has another format";
    if (h.machine != MACHINE) return "it is for another machine";
    if (h.total != n_bytes) return "it is cut short, or has grown";
    memcpy(&sum, at + n_bytes - sizeof sum, sizeof sum);
    if (!ej_hash_same(sum, ej_hash_bytes(at, n_bytes - sizeof sum))) return "its checksum is wrong";
    size_t left = n_bytes - sizeof h - sizeof sum;
    at += sizeof h;
    for (int i = 0; i < EJ_PIECES; i++) {
        if (h.piece_bytes[i] > left) return "its parts do not add up";
        out->pieces[i] = (ej_cache_piece){at, (size_t)h.piece_bytes[i]};
        at += out->pieces[i].n;
        left -= out->pieces[i].n;
    }
    if (left || h.code_entry >= out->pieces[EJ_PIECE_CODE].n) return "its parts do not add up";
    out->code_entry = h.code_entry;
    out->compile_ns = h.compile_ns;
    return NULL;
}

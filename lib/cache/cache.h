/* cache.h - the cache on disk: kernels in plain files, one an entry, found again by the whole of what they depend
 * on. */
#ifndef EJ_CACHE_H
#define EJ_CACHE_H

#include "kernel_cache.h"

/* ---- cache_id.c: which build of a program or library this is ---- */
enum { EJ_ID_TEXT = 2 * 32 + 1 }; /* at most 32 bytes in hexadecimal digits */
/* The GNU build-id of what is mapped at `address`, and its file's name as the loader has it (NULL: not wanted;
 * borrowed). False: it has none. */
bool ej_id_of_mapped(char out[EJ_ID_TEXT], const void *address, const char **file);
/* The same of a file, which is read, not loaded. */
bool ej_id_of_file(char out[EJ_ID_TEXT], const char *path);
/* The code generator that is loaded: its version, "module <build-id>" and, where its LLVM is a library of its own,
 * "llvm <build-id> <file>", a line each. False: it has no build-id. */
bool ej_id_print_generator(ej_text *out, const ej_backend *backend);

/* ---- cache_file.c: folders and files; all system calls of the cache but those of its scan ---- */
/* Calls give 0, an errno, or one of these; ej_file_reason has words for each. */
enum ej_file_fault { EJ_FILE_KIND = -1, EJ_FILE_OWNER = -2, EJ_FILE_MODE = -3, EJ_FILE_SIZE = -4, EJ_FILE_SHORT = -5 };
const char *ej_file_reason(int fault);
/* Who else may own what is read: root, where files come with a container or package. */
enum ej_folder_kind { EJ_FOLDER_OWN, EJ_FOLDER_SHARED };
/* A descriptor of the folder, checked: a folder, of this user, that nobody else can write. `make`: with its parents,
 * 0700. */
int ej_folder_open(int *out, const char *path, enum ej_folder_kind kind, bool make);
/* May folders be made in this home? It is there, and this user's: with sudo HOME may be somebody else's, who could not
 * use what root makes there. */
int ej_folder_check_home(const char *path);
void ej_folder_close(int folder);
/* The whole of a file; *out from the allocator. *out_age_s: seconds since it was written or touched. */
int ej_file_read(int folder, const char *name, enum ej_folder_kind kind, const einjit_allocator *allocator, void **out,
                 size_t *n_bytes, int64_t *age_s);
/* Under a temporary name, then renamed: others see the old file, the new one, or none. */
int ej_file_write(int folder, const char *name, const void *bytes, size_t n_bytes);
void ej_file_touch(int folder, const char *name); /* used now; best effort */

/* ---- cache_scan.c: all files of a folder ---- */
enum { EJ_NAME_DIGITS = 32, EJ_NAME_ROOM = EJ_NAME_DIGITS + 8 };
#define EJ_NAME_END ".kernel" /* behind the digits of the key's hash */
bool ej_is_entry_name(const char *name);
bool ej_is_temporary_name(const char *name);
typedef struct ej_file_info {
    char name[EJ_NAME_ROOM];
    uint64_t bytes;
    int64_t used_s; /* since 1970 */
} ej_file_info;
typedef struct ej_scan {
    ej_arena *arena;
    ej_file_info *files; /* that bear an entry's name */
    size_t n, capacity;
    uint64_t bytes;
} ej_scan;
/* Removes temporary files whose writers are gone (`sweep`). */
int ej_folder_scan(ej_scan *out, int folder, bool sweep, ej_arena *arena);
/* Sweeps; where entries take more than `limit_bytes`, the least recently used ones are removed until the others take at
 * most `keep_bytes`: *n_removed of them. Empty files, which a crash of the system leaves of entries, are always
 * removed: they count for no limit. */
int ej_folder_trim(int folder, uint64_t limit_bytes, uint64_t keep_bytes, uint64_t *n_removed,
                   const einjit_allocator *allocator);

/* ---- cache_entry.c: the bytes of an entry ---- */
typedef struct ej_cache_piece {
    const char *bytes;
    size_t n;
} ej_cache_piece;
enum ej_entry_piece { EJ_PIECE_KEY, EJ_PIECE_PROBLEM, EJ_PIECE_GENERATOR, EJ_PIECE_KERNEL, EJ_PIECE_CODE, EJ_PIECES };
typedef struct ej_cache_entry {
    ej_cache_piece pieces[EJ_PIECES];
    uint64_t code_entry; /* offset in the code */
    uint64_t compile_ns;
} ej_cache_entry;
/* Appends the file's bytes. */
void ej_entry_write(ej_text *out, const ej_cache_entry *entry);
/* Pieces are borrowed from the bytes. NULL, or what is wrong: nothing of *out counts then. */
const char *ej_entry_read(ej_cache_entry *out, const void *bytes, size_t n_bytes);

/* ---- cache_description.c: a kernel's description as bytes ---- */
void ej_kernel_write(ej_text *out, const einjit_kernel *kernel);
/* Fills in an empty kernel. E_NOMEM, or E_IO: not what ej_kernel_write writes. */
int ej_kernel_read(einjit_kernel *kernel, const char *bytes, size_t n_bytes, einjit_error *err);

/* ---- cache_problem.c: a request in the syntax of einjit-bench ---- */
void ej_problem_print(ej_text *out, const einjit_context *context, const ej_request *request);

/* ---- cache_disk.c: of one context ---- */
struct ej_disk;
/* Reads HOME and XDG_CACHE_HOME; touches no file. `folder` NULL: where those say; "none": no cache. `shared`: folders
 * that are only read, with colons; `limit_bytes` 0: the default. */
int ej_disk_create(struct ej_disk **out, einjit_context *context, const char *folder, const char *shared,
                   size_t limit_bytes, einjit_error *err);
void ej_disk_destroy(struct ej_disk *disk);
const char *ej_disk_folder(const struct ej_disk *disk); /* NULL: there is none */
size_t ej_disk_shared(const struct ej_disk *disk, const char *const **folders);
void ej_disk_statistics(const struct ej_disk *disk, einjit_statistics *out); /* its fields; the others stay */
/* Does this library look for, and keep, what it compiles for this request there? */
bool ej_disk_takes(const einjit_context *context, const ej_request *request);
/* The kernel of a key, from the disk, else by `make`, which is then kept there. `graph` NULL: the key's words say all
 * of the program. What is wrong with files is a line to the log, once, never a failure. */
int ej_disk_get(einjit_kernel **out, einjit_context *context, ej_key key, const einjit_graph *graph,
                ej_make_kernel make, void *user, einjit_error *err);
/* NULL: an entry of this library, for this CPU and the code generator that is found; else why it is not used here. */
const char *ej_disk_foreign(einjit_context *context, const ej_cache_entry *entry);

#endif

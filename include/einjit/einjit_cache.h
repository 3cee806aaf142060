/* einjit_cache.h - what einjit keeps: counters of a context, and kernels on disk. Part of einjit.h, which includes it.
 *
 * Kernels are kept in memory by their context, and on disk for the next process: one that finds all of its kernels
 * there neither loads the code generator nor needs it. The folder is the option cache_dir, else EINJIT_CACHE_DIR, else
 * XDG_CACHE_HOME/einjit, else HOME/.cache/einjit; it is made when the first kernel is kept, but in a HOME that is there
 * and this user's only. "none", neither of these variables, a folder that cannot be made or written, belongs to
 * somebody else or can be written by others: in memory only. So for programs that run with more rights than who started
 * them, for compiles that dump stages or take a path from a file, and for the interpreter's kernels.
 *
 * An entry is one file. It is used where it is whole, belongs to this user (in shared folders also root) and nobody
 * else can write it, and was made from the same program, signature and options by the same build of the library for a
 * CPU class that this CPU has; and, where a code generator is found, by the same build of that. Everything else is a
 * miss, before anything of it is mapped, and what is compiled then takes its place. Trouble with files is a line to the
 * log, once a context, and never a failure. Processes share a folder without locks. Above the limit the entries that
 * were used longest ago go.
 */
#ifndef EINJIT_CACHE_H
#define EINJIT_CACHE_H

#include "einjit.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Counters since the context was made. Set struct_bytes = sizeof(einjit_statistics). */
typedef struct einjit_statistics {
    size_t struct_bytes;
    uint64_t hits;                /* look-ups that found their kernel in memory */
    uint64_t misses;              /* look-ups that had to load or compile, waiters not counted */
    uint64_t waits;               /* look-ups that waited for another thread's compile of the same signature */
    uint64_t failures;            /* compiles that failed (remembered like kernels) */
    uint64_t evictions;           /* entries dropped to stay below the limits */
    uint64_t entries;             /* entries now, those being made too */
    uint64_t bytes;               /* bytes of the kernels and failures that are remembered now */
    uint64_t limit_bytes;         /* for the kernels among them */
    uint64_t compile_ns;          /* time spent compiling and loading */
    uint64_t failure_bytes;       /* the failures' part of `bytes`; their limit is a 16th of limit_bytes */
    uint64_t scratch_bytes;       /* scratch memory of runs, in use or kept for the next ones; not part of `bytes` */
    uint64_t scratch_limit_bytes; /* for what is kept of it */
    uint64_t disk_hits;           /* of the misses those that found their kernel on disk */
    uint64_t disk_misses;         /* ... and those that looked there in vain */
    uint64_t disk_rejected;       /* files by an entry's name that were not fit to be used */
    uint64_t disk_writes;         /* kernels that were kept on disk */
    uint64_t disk_write_failures;
    uint64_t disk_evictions;   /* entries on disk that this context has removed */
    uint64_t disk_ns;          /* time spent loading what was found */
    uint64_t disk_limit_bytes; /* of all entries in the folder together */
    uint64_t threads;          /* that a run may use, with the caller's */
    uint64_t processes;        /* that generate code now (EINJIT_OPTION_ISOLATE) */
} einjit_statistics;
EINJIT_API int einjit_context_statistics(const einjit_context *context, einjit_statistics *out, einjit_error *err);
/** Drop every entry in memory, and give back scratch that no run uses. Kernels in use stay alive until they are
 * released. */
EINJIT_API void einjit_context_clear_cache(einjit_context *context);

/* ---- on disk ------------------------------------------------------------------------------------------------ */

/** The folder of a context's kernels on disk, as text: it need not be there. "" where nothing is kept. Buffer handling
 * as einjit_graph_print. */
EINJIT_API int einjit_cache_path(const einjit_context *context, char *buffer, size_t capacity, size_t *needed,
                                 einjit_error *err);

/** What is in the folder and in the shared ones. */
typedef struct einjit_cache_list einjit_cache_list;
typedef struct einjit_cache_entry { /* texts are borrowed from the list; set struct_bytes =
                                     * sizeof(einjit_cache_entry) */
    size_t struct_bytes;
    const char *name; /* 32 hexadecimal digits */
    const char *folder;
    const char *problem;   /* what was compiled, in the syntax of einjit-bench; NULL where the file is bad */
    const char *key;       /* all that it depends on; NULL where the file is bad */
    const char *generator; /* its code generator: version and build; NULL where the file is bad */
    const char *fault;     /* why it cannot be used here; NULL: it can */
    int32_t bad;           /* that is a fault of the file; else it was made by, or for, others */
    int64_t used;          /* when it was written or used last, to an hour; seconds since 1970 */
    uint64_t bytes;        /* of the file */
    uint64_t code_bytes;   /* of the kernel's code */
    uint64_t compile_ns;   /* what making it took */
} einjit_cache_entry;
/** Reads every entry and checks it as a look-up would. Folders that are not there have none. The most recently used
 * first. Errors: E_IO names a folder that cannot be read. Cost: all files are read. */
EINJIT_API int einjit_cache_list_create(einjit_cache_list **out, einjit_context *context, einjit_error *err);
EINJIT_API void einjit_cache_list_destroy(einjit_cache_list *list);
/** How many there are; 0 for no list. */
EINJIT_API size_t einjit_cache_list_count(const einjit_cache_list *list);
/** Entry i of them. Errors: E_VALUE for an i beyond the last; E_INVALID. */
EINJIT_API int einjit_cache_list_entry(const einjit_cache_list *list, size_t i, einjit_cache_entry *out,
                                       einjit_error *err);

/** Remove entries from the context's folder until they take at most `keep_bytes`, those that were used longest ago
 * first, and what writers that were killed left behind. *n_removed (may be NULL) of them. Kernels in memory stay.
 * E_IO. */
EINJIT_API int einjit_cache_trim(einjit_context *context, uint64_t keep_bytes, uint64_t *n_removed, einjit_error *err);

#ifdef __cplusplus
}
#endif

#endif

/* cache_support.h - a folder for the cache on disk, and one einsum that is kept in it. */
#ifndef TEST_CACHE_SUPPORT_H
#define TEST_CACHE_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "einjit/einjit.h"

/* A new empty folder; removed with all that is in it. */
char *cache_folder_make(void);
void cache_folder_remove(char *folder);
/* Around each test that has a folder of its own: this one. Counts of log lines start at 0. */
extern char *cache_folder;
int cache_set_up(void **state);
int cache_tear_down(void **state);
/* The only entry of the folder, as a path; the number of entries and of other files. */
char *cache_only_entry(const char *folder);
size_t cache_count(const char *folder, size_t *others);
/* The whole of a file, and back. */
unsigned char *cache_read(const char *path, size_t *n);
void cache_write(const char *path, const void *bytes, size_t n);

/* LLVM, or the module with it, is in this process. */
bool cache_llvm_is_mapped(void);

/* Lines that a context logs are counted here. */
extern int cache_log_lines;
void cache_log(void *user, const char *line);
/* A context of its own over the folder computes an einsum and checks the result: its status. *after: its counters. */
int cache_use(const char *folder, const char *backend, einjit_statistics *after);
/* The same with all options; cache_dir may be NULL. */
int cache_use_with(einjit_options options, einjit_statistics *after);

#endif

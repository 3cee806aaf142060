/* cache_scan.c - lists and evicts the files of a cache folder.
 *
 * Takes  an opened folder, which others may be writing to.
 * Gives  its entries; removes the ones that were used longest ago, and what writers that were killed have left.
 * Keeps  every file that does not bear a name of the cache. Times of use are those of the files, to an hour
 *        (cache_disk.c).
 * Not here: who asks for it, and when (cache_disk.c).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cache.h"

enum { OLD_S = 3600 }; /* a temporary file is not written to for so long */

static size_t digits_of(const char *name)
{
    return strspn(name, "0123456789abcdef");
}

bool ej_is_entry_name(const char *name)
{
    return digits_of(name) == EJ_NAME_DIGITS && !strcmp(name + EJ_NAME_DIGITS, EJ_NAME_END);
}

bool ej_is_temporary_name(const char *name)
{
    return digits_of(name) == 16 && !strcmp(name + 16, ".new");
}

/* Its writer holds a lock on it. One that was made this very moment is not locked yet: then the writer's rename fails,
 * and an entry is not kept. */
static void sweep_temporary(int folder, const char *name, const struct stat *info)
{
    int file = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) return;
    bool locked = flock(file, LOCK_EX | LOCK_NB) != 0;
    bool orphan = !locked || (errno != EWOULDBLOCK && time(NULL) - info->st_mtime > OLD_S);
    if (orphan) (void)unlinkat(folder, name, 0);
    (void)close(file);
}

static bool add(ej_scan *scan, const char *name, const struct stat *info)
{
    if (!EJ_PUSH_ROOM(scan->arena, scan->files, scan->capacity, scan->n)) return false;
    ej_file_info *file = &scan->files[scan->n++];
    memcpy(file->name, name, strlen(name) + 1);
    file->bytes = (uint64_t)info->st_size;
    file->used_s = (int64_t)info->st_mtime;
    scan->bytes += file->bytes;
    return true;
}

static int scan_all(ej_scan *scan, int folder, DIR *stream, bool sweep)
{
    for (;;) {
        errno = 0;
        struct dirent *d = readdir(stream);
        if (!d) return errno;
        struct stat info;
        bool entry = ej_is_entry_name(d->d_name), temporary = sweep && ej_is_temporary_name(d->d_name);
        if (!entry && !temporary) continue;
        if (fstatat(folder, d->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode)) continue;
        if (temporary) sweep_temporary(folder, d->d_name, &info);
        else if (!add(scan, d->d_name, &info)) return ENOMEM;
    }
}

int ej_folder_scan(ej_scan *out, int folder, bool sweep, ej_arena *arena)
{
    *out = (ej_scan){.arena = arena};
    int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (again < 0) return errno;
    DIR *stream = fdopendir(again);
    if (!stream) {
        int fault = errno;
        (void)close(again);
        return fault;
    }
    int fault = scan_all(out, folder, stream, sweep);
    (void)closedir(stream);
    return fault;
}

static int by_use(const void *a, const void *b)
{
    const ej_file_info *x = a, *y = b;
    if (x->used_s != y->used_s) return x->used_s < y->used_s ? -1 : 1;
    return strcmp(x->name, y->name);
}

int ej_folder_trim(int folder, uint64_t limit_bytes, uint64_t keep_bytes, uint64_t *n_removed,
                   const einjit_allocator *allocator)
{
    ej_arena arena;
    ej_scan scan;
    *n_removed = 0;
    ej_arena_init(&arena, allocator);
    int fault = ej_folder_scan(&scan, folder, true, &arena);
    bool over = !fault && scan.bytes > limit_bytes;
    if (over) qsort(scan.files, scan.n, sizeof *scan.files, by_use);
    for (size_t i = 0; i < scan.n; i++) {
        const ej_file_info *file = &scan.files[i];
        if (file->bytes && (!over || scan.bytes <= keep_bytes)) continue;
        scan.bytes -= file->bytes;
        if (unlinkat(folder, file->name, 0) == 0) ++*n_removed;
        else if (errno != ENOENT) fault = errno; /* else somebody else's scan was first */
    }
    ej_arena_free(&arena);
    return fault;
}

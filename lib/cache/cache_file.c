/* cache_file.c - folders and files of the cache on disk.
 *
 * Takes  paths of folders, and names within them.
 * Gives  whole files, or a reason. What is checked is the opened descriptor, never the path again: files are looked up
 *        in the folder that was checked, and read from the descriptor that was.
 * Keeps  no descriptor between calls: programs that close all of theirs, or fork, do not matter. Nothing locks: a file
 *        is written under a name of its own, then renamed.
 *
 * Files are read, not mapped: a mapped file that is cut short, or on a server that is gone, is a signal. They are not
 * synced: what a crash of the system leaves is found by size and checksum, and compiled again, while a sync of each
 * entry takes longer than small compiles do (12 ms against 5, ext4 on a virtual disk). `einjit cache warm` syncs once,
 * at its end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base_time.h"
#include "cache.h"

enum { FILE_MAX = 256 << 20, NAME_TRIES = 8 };

const char *ej_file_reason(int fault)
{
    switch (fault) {
    case EJ_FILE_KIND: return "it is of the wrong kind";
    case EJ_FILE_OWNER: return "it belongs to somebody else";
    case EJ_FILE_MODE: return "others can write it";
    case EJ_FILE_SIZE: return "it has no size that an entry can have";
    case EJ_FILE_SHORT: return "it ends before its size";
    default: return strerror(fault);
    }
}

static int check(const struct stat *info, enum ej_folder_kind kind, bool is_folder)
{
    if (is_folder ? !S_ISDIR(info->st_mode) : !S_ISREG(info->st_mode)) return EJ_FILE_KIND;
    if (info->st_uid != geteuid() && !(kind == EJ_FOLDER_SHARED && info->st_uid == 0)) return EJ_FILE_OWNER;
    if (info->st_mode & (S_IWGRP | S_IWOTH)) return EJ_FILE_MODE;
    return 0;
}

static int status_of(int descriptor, struct stat *info)
{
    while (fstat(descriptor, info) != 0)
        if (errno != EINTR) return errno;
    return 0;
}

static int open_at(int *out, int folder, const char *name, int flags, mode_t mode)
{
    while ((*out = openat(folder, name, flags | O_CLOEXEC | O_NOCTTY, mode)) < 0)
        if (errno != EINTR) return errno;
    return 0;
}

/* ---- folders ---- */

/* Every folder on the way that is missing; whatever goes wrong, opening the last one says it. */
static void make_folders(const char *path)
{
    char part[EJ_PATH_ROOM];
    size_t length = strlen(path);
    if (length >= sizeof part) return;
    for (size_t i = 1; i <= length; i++) {
        if (path[i] && path[i] != '/') continue;
        memcpy(part, path, i);
        part[i] = 0;
        (void)mkdir(part, S_IRWXU);
    }
}

int ej_folder_open(int *out, const char *path, enum ej_folder_kind kind, bool make)
{
    struct stat info;
    int fault = open_at(out, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    if (fault == ENOENT && make) {
        make_folders(path);
        fault = open_at(out, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    }
    if (fault) return fault;
    fault = status_of(*out, &info);
    if (!fault) fault = check(&info, kind, true);
    if (fault) ej_folder_close(*out);
    return fault;
}

int ej_folder_check_home(const char *path)
{
    struct stat info;
    while (fstatat(AT_FDCWD, path, &info, 0) != 0)
        if (errno != EINTR) return errno;
    if (!S_ISDIR(info.st_mode)) return EJ_FILE_KIND;
    return info.st_uid == geteuid() ? 0 : EJ_FILE_OWNER;
}

void ej_folder_close(int folder)
{
    (void)close(folder); /* of Linux: closed, whatever it returns */
}

/* ---- reading ---- */

static int read_all(int file, char *to, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = read(file, to + done, n - done);
        if (got == 0) return EJ_FILE_SHORT;
        if (got < 0 && errno != EINTR) return errno;
        if (got > 0) done += (size_t)got;
    }
    return 0;
}

static int64_t age_of(const struct stat *info)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec - (int64_t)info->st_mtime;
}

static int read_opened(int file, enum ej_folder_kind kind, const einjit_allocator *allocator, void **out,
                       size_t *n_bytes, int64_t *age_s)
{
    struct stat info;
    int fault = status_of(file, &info);
    if (!fault) fault = check(&info, kind, false);
    if (fault) return fault;
    if (info.st_size <= 0 || info.st_size > FILE_MAX) return EJ_FILE_SIZE;
    *n_bytes = (size_t)info.st_size;
    *age_s = age_of(&info);
    void *bytes = allocator->alloc(allocator->user, *n_bytes); /* no need of zeros */
    if (!bytes) return ENOMEM;
    fault = read_all(file, bytes, *n_bytes);
    if (fault) ej_release(allocator, bytes, *n_bytes);
    else *out = bytes;
    return fault;
}

int ej_file_read(int folder, const char *name, enum ej_folder_kind kind, const einjit_allocator *allocator, void **out,
                 size_t *n_bytes, int64_t *age_s)
{
    int file;
    /* a pipe by that name must not block */
    int fault = open_at(&file, folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fault) return fault == ELOOP ? EJ_FILE_KIND : fault;
    fault = read_opened(file, kind, allocator, out, n_bytes, age_s);
    (void)close(file);
    return fault;
}

void ej_file_touch(int folder, const char *name)
{
    (void)utimensat(folder, name, NULL, AT_SYMLINK_NOFOLLOW);
}

/* ---- writing ---- */

static int write_all(int file, const char *from, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t put = write(file, from + done, n - done);
        if (put < 0 && errno != EINTR) return errno;
        if (put == 0) return EIO;
        if (put > 0) done += (size_t)put;
    }
    return 0;
}

/* A new file under a name that nobody else has. It is locked as long as its writer lives: scans remove those that are
 * not. */
static int make_temporary(int *out, int folder, char name[EJ_NAME_ROOM])
{
    static atomic_uint_fast64_t made;
    int fault = EEXIST;
    for (int i = 0; i < NAME_TRIES && fault == EEXIST; i++) {
        const uint64_t words[] = {(uint64_t)getpid(), ej_now_ns(), atomic_fetch_add(&made, 1)};
        snprintf(name, EJ_NAME_ROOM, "%016llx.new", (unsigned long long)ej_hash64(words, sizeof words, 0));
        fault = open_at(out, folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    }
    if (!fault) (void)flock(*out, LOCK_EX | LOCK_NB); /* where the system has no locks, age decides */
    return fault;
}

/* Beyond the process's limit a write does not fail: it ends the process, by SIGXFSZ. */
static bool is_within_limit(size_t n_bytes)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || n_bytes <= limit.rlim_cur;
}

int ej_file_write(int folder, const char *name, const void *bytes, size_t n_bytes)
{
    char temporary[EJ_NAME_ROOM];
    int file;
    if (n_bytes > FILE_MAX) return EJ_FILE_SIZE;
    if (!is_within_limit(n_bytes)) return EFBIG;
    int fault = make_temporary(&file, folder, temporary);
    if (fault) return fault;
    fault = write_all(file, bytes, n_bytes);
    /* before the lock goes with the descriptor */
    bool renamed = !fault && renameat(folder, temporary, folder, name) == 0;
    if (!fault && !renamed) fault = errno;
    int closed = close(file) == 0 || errno == EINTR ? 0 : errno;
    if (fault) (void)unlinkat(folder, temporary, 0);
    return fault ? fault : closed;
}

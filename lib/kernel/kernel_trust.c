/* kernel_trust.c - who could have written the code generator module that is about to be loaded?
 *
 * Takes  the module's path.
 * Gives  the path to load it by. A privileged process (ej_is_privileged) loads no file that anybody but root and the
 *        process's own user could have written or replaced: E_BACKEND names the file or folder. In other processes a
 *        module that anybody can write is a line to the log.
 *
 * Every folder from the root on is looked at, so that nobody else can change what the path leads to between the look
 * and the loading. Loading an open file by its number (/proc/self/fd/...) would need no such argument, but debuggers
 * and profilers then find no file of that name, and $ORIGIN in the module means another folder.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"

/* In a folder with the sticky bit others can make files, but neither remove nor rename those that are not theirs. */
static bool is_writable(const struct stat *info, mode_t by)
{
    return info->st_mode & by && !(S_ISDIR(info->st_mode) && info->st_mode & S_ISVTX);
}

static bool is_safe(const struct stat *info, bool privileged)
{
    if (!privileged) return !is_writable(info, S_IWOTH);
    bool ours = info->st_uid == 0 || info->st_uid == geteuid();
    return ours && !S_ISLNK(info->st_mode) && !is_writable(info, S_IWGRP | S_IWOTH);
}

/* How much of the path (absolute, without links) leads to the first folder, or to the file, that is not safe; 0: all
 * are. */
static size_t unsafe_part(const char *path, bool privileged, struct stat *info)
{
    char part[EJ_PATH_ROOM];
    for (size_t i = 1;; i++) {
        if (path[i] && path[i] != '/' && i > 1) continue; /* "/" itself is a part */
        memcpy(part, path, i);
        part[i] = 0;
        if (lstat(part, info) != 0 || !is_safe(info, privileged)) return i;
        if (!path[i]) return 0;
    }
}

int ej_module_check(einjit_context *context, const char **path, char room[EJ_PATH_ROOM], einjit_error *err)
{
    bool privileged = ej_is_privileged();
    struct stat info = {0};
    if (!realpath(*path, room)) { /* elsewhere the loader says why, and looks for names without a folder */
        if (!privileged) return EINJIT_OK;
        return ej_fail(err, EINJIT_E_BACKEND, "the code generator %s cannot be loaded: %s", *path, strerror(errno));
    }
    int unsafe = (int)unsafe_part(room, privileged, &info);
    if (unsafe && privileged)
        return ej_fail(err, EINJIT_E_BACKEND,
                       "the code generator %s is not loaded by a program that has more rights than its "
                       "user: others could have written %.*s (owner %ld, mode %04o)",
                       *path, unsafe, room, (long)info.st_uid, (unsigned)info.st_mode & 07777);
    if (unsafe && !context->module_warned) {
        ej_context_log(context, "einjit: anybody can write %.*s, and so change the code generator", unsafe, room);
        context->module_warned = true;
    }
    if (privileged) *path = room;
    return EINJIT_OK;
}

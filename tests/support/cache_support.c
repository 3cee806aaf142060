/* cache_support.c - see cache_support.h. Failures here end the program: there is nothing to test then. */
#include "cache_support.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api_support.h"

int cache_log_lines;

void cache_log(void *user, const char *line)
{
    (void)user;
    (void)line;
    cache_log_lines++;
}

static void need(bool condition, const char *what)
{
    if (condition) return;
    perror(what);
    abort();
}

char *cache_folder_make(void)
{
    const char *base = getenv("TMPDIR");
    char *folder = malloc(4096);
    need(folder != NULL, "malloc");
    snprintf(folder, 4096, "%s/einjit-test-XXXXXX", base && *base ? base : "/tmp");
    need(mkdtemp(folder) != NULL, folder);
    return folder;
}

void cache_folder_remove(char *folder)
{
    DIR *stream = opendir(folder);
    for (struct dirent *d; stream && (d = readdir(stream));)
        if (strcmp(d->d_name, ".") && strcmp(d->d_name, "..")) unlinkat(dirfd(stream), d->d_name, 0);
    if (stream) closedir(stream);
    rmdir(folder);
    free(folder);
}

size_t cache_count(const char *folder, size_t *others)
{
    size_t n = 0, other = 0;
    DIR *stream = opendir(folder);
    for (struct dirent *d; stream && (d = readdir(stream));) {
        size_t length = strlen(d->d_name);
        if (length == 39 && !strcmp(d->d_name + 32, ".kernel")) n++;
        else if (strcmp(d->d_name, ".") && strcmp(d->d_name, "..")) other++;
    }
    if (stream) closedir(stream);
    if (others) *others = other;
    return n;
}

char *cache_folder;

int cache_set_up(void **state)
{
    (void)state;
    cache_folder = cache_folder_make();
    cache_log_lines = 0;
    return 0;
}

int cache_tear_down(void **state)
{
    (void)state;
    cache_folder_remove(cache_folder);
    return 0;
}

char *cache_only_entry(const char *folder)
{
    char *path = NULL;
    DIR *stream = opendir(folder);
    for (struct dirent *d; stream && (d = readdir(stream));) {
        if (!strstr(d->d_name, ".kernel")) continue;
        need(!path, "more than one entry");
        path = malloc(4096);
        need(path != NULL, "malloc");
        snprintf(path, 4096, "%s/%s", folder, d->d_name);
    }
    need(path != NULL, "no entry");
    closedir(stream);
    return path;
}

unsigned char *cache_read(const char *path, size_t *n)
{
    FILE *file = fopen(path, "rb");
    need(file != NULL, path);
    fseek(file, 0, SEEK_END);
    *n = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*n ? *n : 1);
    need(bytes && fread(bytes, 1, *n, file) == *n, path);
    fclose(file);
    return bytes;
}

void cache_write(const char *path, const void *bytes, size_t n)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    need(file >= 0 && write(file, bytes, n) == (ssize_t)n, path);
    close(file);
}

int cache_use_with(einjit_options options, einjit_statistics *after)
{
    einjit_error err = {0};
    einjit_context *context;
    float a[6] = {1, -2, 3, -4, 5, -6}, b[6] = {1, 2, 3, 4, 5, 6}, c[4] = {0};
    const einjit_tensor in[] = {F32(a, 2, 3), F32(b, 3, 2)};
    options.struct_bytes = sizeof options;
    int status = einjit_context_create(&context, &options, &err);
    if (status) return status;
    status = einjit_einsum(context, "ij,jk->ik", 2, in, &F32(c, 2, 2), &err);
    if (after) einjit_context_statistics(context, after, NULL);
    einjit_context_release(context);
    if (!status && (c[0] != 10 || c[1] != 12 || c[2] != -19 || c[3] != -24)) return EINJIT_E_INTERNAL;
    return status;
}

int cache_use(const char *folder, const char *backend, einjit_statistics *after)
{
    return cache_use_with((einjit_options){.cache_dir = folder, .backend = backend, .log = cache_log}, after);
}

bool cache_llvm_is_mapped(void)
{
    char line[4096];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) found |= strstr(line, "llvm") || strstr(line, "LLVM");
    if (maps) fclose(maps);
    return found;
}

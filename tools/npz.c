/* npz.c - reads and writes .npz files, by libzip; what an array looks like is npy.c's matter.
 *
 * Takes  "x.npz", "x.npz:a". Gives tensors with memory of their own.
 * Refuses entries that are no .npy files, names that are not there.
 */
#include "npz.h"

#include <stdlib.h>
#include <string.h>

#include "npy.h"

/* Where the file's name ends: at ".npz", or ".npz:" with a name behind it; NULL: it is no such file. */
static const char *end_of(const char *argument)
{
    const char *end = NULL;
    for (const char *at = argument; (at = strstr(at, ".npz")); at += 4)
        if (!at[4] || at[4] == ':') end = at + 4;
    return end;
}

bool npz_is(const char *argument)
{
    return end_of(argument);
}

#ifndef EINJIT_WITH_ZIP

static int without_libzip(const char *path)
{
    return tool_fail("E_UNSUPPORTED", "%s: this command was built without libzip, for .npz files", path);
}

int npz_load(tool_tensor **list, size_t *n, const char *argument, const char *const *names, size_t n_names)
{
    (void)list, (void)n, (void)names, (void)n_names;
    return without_libzip(argument);
}

int npz_read(npz_entry *entry, const char *path)
{
    (void)entry;
    return without_libzip(path);
}

int npz_save(const char *path, const npz_entry *entries, size_t n)
{
    (void)entries, (void)n;
    return without_libzip(path);
}

#else

#include <zip.h>

typedef struct archive {
    zip_t *zip;
    char *path;
    tool_tensor **list;
    size_t *n;
} archive;

/* All of it and no more: libzip compares the checksum when it meets the end. */
static bool read_entry(zip_file_t *file, char *bytes, zip_uint64_t size)
{
    char more;
    return zip_fread(file, bytes, size) == (zip_int64_t)size && !zip_fread(file, &more, 1);
}

/* A whole entry, freed with free(). */
static int take_entry(const archive *a, zip_int64_t index, const char *what, char **bytes, size_t *n_bytes)
{
    struct zip_stat info;
    zip_file_t *file = zip_fopen_index(a->zip, (zip_uint64_t)index, 0);
    bool sized = file && !zip_stat_index(a->zip, (zip_uint64_t)index, 0, &info) && info.valid & ZIP_STAT_SIZE;
    bool empty = sized && !info.size;
    *bytes = sized && info.size && info.size < SIZE_MAX / 2 ? malloc((size_t)info.size) : NULL;
    bool got = *bytes && read_entry(file, *bytes, info.size);
    int status = got                ? TOOL_OK
                 : empty            ? tool_fail("E_IO", "%s is empty", what)
                 : sized && !*bytes ? tool_fail("E_NOMEM", "out of memory for %s", what)
                                    : tool_fail("E_IO", "%s cannot be read: %s", what,
                                                file ? zip_file_strerror(file) : zip_strerror(a->zip));
    *n_bytes = got ? (size_t)info.size : 0;
    if (file) zip_fclose(file);
    if (!status) return TOOL_OK;
    free(*bytes);
    *bytes = NULL;
    return status;
}

static int append(const archive *a, zip_int64_t index)
{
    const char *name = zip_get_name(a->zip, (zip_uint64_t)index, 0);
    char *what = tool_alloc(strlen(a->path) + strlen(name ? name : "") + 2), *bytes;
    size_t n_bytes;
    sprintf(what, "%s:%s", a->path, name ? name : "");
    int status = take_entry(a, index, what, &bytes, &n_bytes);
    FILE *memory = status ? NULL : fmemopen(bytes, n_bytes, "rb");
    tool_tensor *grown = memory ? realloc(*a->list, (*a->n + 1) * sizeof *grown) : NULL;
    if (grown) *a->list = grown;
    if (!status)
        status = grown ? npy_read(&grown[*a->n], memory, what) : tool_fail("E_NOMEM", "out of memory for %s", what);
    if (!status) ++*a->n;
    if (memory) fclose(memory);
    free(bytes);
    free(what);
    return status;
}

/* An array's entry is called by its name, with .npy behind it; -1: there is none. */
static zip_int64_t find(const archive *a, const char *name)
{
    char *entry = tool_alloc(strlen(name) + 5);
    sprintf(entry, "%s.npy", name);
    zip_int64_t index = zip_name_locate(a->zip, entry, 0);
    free(entry);
    return index;
}

static bool is_folder(const archive *a, zip_int64_t index)
{
    const char *name = zip_get_name(a->zip, (zip_uint64_t)index, 0);
    return name && *name && name[strlen(name) - 1] == '/';
}

static int append_all(const archive *a, const char *const *names, size_t n_names)
{
    zip_int64_t n = zip_get_num_entries(a->zip, 0);
    bool named = n_names;
    int status = TOOL_OK;
    for (size_t i = 0; i < n_names && named; i++) named = find(a, names[i]) >= 0;
    for (size_t i = 0; i < n_names && named && !status; i++) status = append(a, find(a, names[i]));
    for (zip_int64_t i = 0; i < n && !named && !status; i++)
        if (!is_folder(a, i)) status = append(a, i);
    return n ? status : tool_fail("E_IO", "%s has no arrays", a->path);
}

static int append_one(const archive *a, const char *name)
{
    zip_int64_t index = find(a, name);
    return index >= 0 ? append(a, index) : tool_fail("E_VALUE", "%s has no array '%s'", a->path, name);
}

static int open_archive(archive *a)
{
    int code = 0;
    a->zip = zip_open(a->path, ZIP_RDONLY, &code);
    if (a->zip) return TOOL_OK;
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    int status = tool_fail("E_IO", "%s: %s", a->path, zip_error_strerror(&error));
    zip_error_fini(&error);
    return status;
}

int npz_load(tool_tensor **list, size_t *n, const char *argument, const char *const *names, size_t n_names)
{
    const char *end = end_of(argument);
    archive a = {.path = tool_copy(argument), .list = list, .n = n};
    a.path[end - argument] = 0;
    int status = open_archive(&a);
    if (!status) status = *end ? append_one(&a, end + 1) : append_all(&a, names, n_names);
    if (a.zip) zip_discard(a.zip);
    free(a.path);
    return status;
}

int npz_read(npz_entry *entry, const char *path)
{
    archive a = {.path = tool_copy(path)};
    char *what = tool_alloc(strlen(path) + sizeof entry->name + 2);
    sprintf(what, "%s:%s", path, entry->name);
    int status = open_archive(&a);
    zip_int64_t index = status ? -1 : zip_name_locate(a.zip, entry->name, 0);
    if (!status && index < 0) status = tool_fail("E_IO", "%s has no file '%s'", path, entry->name);
    if (!status) status = take_entry(&a, index, what, &entry->bytes, &entry->n_bytes);
    if (a.zip) zip_discard(a.zip);
    free(what);
    free(a.path);
    return status;
}

/* libzip writes beside the old file and renames; one in its place that is no archive is not looked at. */
int npz_save(const char *path, const npz_entry *entries, size_t n)
{
    int code = 0;
    zip_error_t error;
    zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &code);
    zip_error_init_with_code(&error, code);
    bool added = zip != NULL;
    for (size_t i = 0; i < n && added; i++) {
        zip_source_t *source = zip_source_buffer(zip, entries[i].bytes, entries[i].n_bytes, 0);
        zip_int64_t index = source ? zip_file_add(zip, entries[i].name, source, ZIP_FL_ENC_UTF_8) : -1;
        if (source && index < 0) zip_source_free(source);
        added = index >= 0 && !zip_set_file_compression(zip, (zip_uint64_t)index, ZIP_CM_STORE, 0);
    }
    int status = added && !zip_close(zip) ? TOOL_OK
                                          : tool_fail("E_IO", "%s cannot be written: %s", path,
                                                      zip ? zip_strerror(zip) : zip_error_strerror(&error));
    if (status && zip) zip_discard(zip);
    zip_error_fini(&error);
    return status;
}

#endif

/* npz.c - reads .npz files, by libzip; what an array looks like is npy.c's matter.
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

int npz_load(tool_tensor **list, size_t *n, const char *argument, const char *const *names, size_t n_names)
{
    (void)list, (void)n, (void)names, (void)n_names;
    return tool_fail("E_UNSUPPORTED", "%s: this command was built without libzip, which reads .npz files", argument);
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

static int append(const archive *a, zip_int64_t index)
{
    struct zip_stat info;
    const char *name = zip_get_name(a->zip, (zip_uint64_t)index, 0);
    char *what = tool_alloc(strlen(a->path) + strlen(name ? name : "") + 2);
    sprintf(what, "%s:%s", a->path, name ? name : "");
    zip_file_t *file = zip_fopen_index(a->zip, (zip_uint64_t)index, 0);
    bool sized = file && !zip_stat_index(a->zip, (zip_uint64_t)index, 0, &info) && info.valid & ZIP_STAT_SIZE;
    bool empty = sized && !info.size;
    char *bytes = sized && info.size && info.size < SIZE_MAX / 2 ? malloc((size_t)info.size) : NULL;
    bool got = bytes && read_entry(file, bytes, info.size);
    FILE *memory = got ? fmemopen(bytes, (size_t)info.size, "rb") : NULL;
    tool_tensor *grown = memory ? realloc(*a->list, (*a->n + 1) * sizeof *grown) : NULL;
    if (grown) *a->list = grown;
    int status = empty                      ? tool_fail("E_IO", "%s is empty", what)
                 : grown                    ? npy_read(&grown[*a->n], memory, what)
                 : got || (sized && !bytes) ? tool_fail("E_NOMEM", "out of memory for %s", what)
                                            : tool_fail("E_IO", "%s cannot be read: %s", what,
                                                        file ? zip_file_strerror(file) : zip_strerror(a->zip));
    if (!status) ++*a->n;
    if (memory) fclose(memory);
    if (file) zip_fclose(file);
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

int npz_load(tool_tensor **list, size_t *n, const char *argument, const char *const *names, size_t n_names)
{
    const char *end = end_of(argument);
    archive a = {.path = tool_copy(argument), .list = list, .n = n};
    int code = 0;
    a.path[end - argument] = 0;
    a.zip = zip_open(a.path, ZIP_RDONLY, &code);
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    int status = !a.zip ? tool_fail("E_IO", "%s: %s", a.path, zip_error_strerror(&error))
                 : *end ? append_one(&a, end + 1)
                        : append_all(&a, names, n_names);
    zip_error_fini(&error);
    if (a.zip) zip_discard(a.zip);
    free(a.path);
    return status;
}

#endif

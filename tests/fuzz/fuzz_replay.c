/* fuzz_replay.c - runs a fuzz target over files, and over the files of folders: what failed once must not fail again.
 * Links with any target in place of libFuzzer.
 *
 * usage: fuzz_replay_<target> FILE-OR-FOLDER...
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static long replayed;

static bool replay_file(const char *path)
{
    struct stat info;
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &info)) {
        perror(path);
        return false;
    }
    size_t size = (size_t)info.st_size;
    uint8_t *data = malloc(size ? size : 1); /* its own block, so that sanitizers see where it ends */
    bool ok = data && fread(data, 1, size, file) == size;
    fclose(file);
    printf("%s\n", path);
    fflush(stdout);
    if (ok) LLVMFuzzerTestOneInput(data, size);
    free(data);
    replayed++;
    return ok;
}

static bool replay_folder(const char *path)
{
    char inner[4096];
    bool ok = true;
    DIR *folder = opendir(path);
    if (!folder) return replay_file(path);
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.') continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        ok &= replay_file(inner);
    }
    closedir(folder);
    return ok;
}

int main(int argc, char **argv)
{
    bool ok = argc > 1;
    for (int i = 1; i < argc; i++) ok &= replay_folder(argv[i]);
    printf("%ld inputs\n", replayed);
    return !ok || !replayed;
}

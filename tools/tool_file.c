/* tool_file.c - files of the commands: opened, read, closed with a message. "-" is standard input or output.
 *
 * Keeps  standard input for one reader: a second one would find its end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

bool tool_is_stdio(const char *path)
{
    return path && !strcmp(path, "-");
}

int tool_take_stdin(void)
{
    static bool taken;
    if (taken) return tool_usage("'-' is standard input, which can be read once");
    taken = true;
    return TOOL_OK;
}

int tool_open(FILE **out, const char *path, bool to_write)
{
    *out = to_write ? stdout : stdin;
    if (tool_is_stdio(path)) return to_write ? TOOL_OK : tool_take_stdin();
    *out = fopen(path, to_write ? "wb" : "rb");
    return *out ? TOOL_OK : tool_fail("E_IO", "%s: %s", path, strerror(errno));
}

void tool_close_input(FILE *file)
{
    if (file != stdin) fclose(file);
}

int tool_close_output(FILE *file, const char *path)
{
    bool failed = ferror(file);
    if ((file == stdout ? fflush(file) : fclose(file)) || failed)
        return tool_fail("E_IO", "%s cannot be written", path);
    return TOOL_OK;
}

char *tool_read_file(const char *path, size_t *length)
{
    FILE *file;
    if (tool_open(&file, path, false)) return NULL;
    size_t used = 0, capacity = 1 << 16;
    char *text = malloc(capacity);
    while (text) {
        size_t got = fread(text + used, 1, capacity - used - 1, file);
        used += got;
        if (!got) break;
        if (used + 1 < capacity) continue;
        char *grown = realloc(text, capacity *= 2);
        if (!grown) free(text);
        text = grown;
    }
    bool failed = ferror(file);
    tool_close_input(file);
    if (!text || failed) {
        tool_fail(text ? "E_IO" : "E_NOMEM", "%s cannot be read", path);
        free(text);
        return NULL;
    }
    text[used] = 0;
    if (length) *length = used;
    return text;
}

/* tool_json.c - JSON as the commands read and write it. */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "tool.h"

int tool_read_json(json_t **out, const char *path)
{
    FILE *file;
    json_error_t error;
    int status = tool_open(&file, path, false);
    if (status) return status;
    *out = json_loadf(file, JSON_REJECT_DUPLICATES, &error);
    tool_close_input(file);
    return *out ? TOOL_OK
                : tool_fail("E_SYNTAX", "%s: %s (line %d, column %d)", path, error.text, error.line, error.column);
}

json_t *tool_json_number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

json_t *tool_json_lines(const char *text)
{
    json_t *list = json_array();
    while (text && *text) {
        size_t n = strcspn(text, "\n");
        json_array_append_new(list, json_stringn(text, n));
        text += n + (text[n] == '\n');
    }
    return list;
}

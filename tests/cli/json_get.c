/* json_get.c - reads one JSON document from stdin (anything behind it is an error) and prints the value at a path:
 * "steps.0.kernel"; an object's or array's size for a path that ends in "#"; "null" where there is nothing. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const json_t *inside(const json_t *value, char *path)
{
    for (char *key = strtok(path, "."); key && value; key = strtok(NULL, ".")) {
        if (!strcmp(key, "#")) break;
        value = json_is_array(value) ? json_array_get(value, (size_t)atol(key)) : json_object_get(value, key);
    }
    return value;
}

int main(int argc, char **argv)
{
    json_error_t error;
    json_t *doc = json_loadf(stdin, JSON_REJECT_DUPLICATES, &error);
    if (!doc) {
        fprintf(stderr, "line %d: %s\n", error.line, error.text);
        return 1;
    }
    if (argc > 1) {
        size_t length = strlen(argv[1]);
        int count = length && argv[1][length - 1] == '#';
        const json_t *value = inside(doc, argv[1]);
        if (!value) puts("null");
        else if (count) printf("%zu\n", json_is_array(value) ? json_array_size(value) : json_object_size(value));
        else if (json_is_string(value)) puts(json_string_value(value));
        else {
            json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_COMPACT);
            putchar('\n');
        }
    }
    json_decref(doc);
    return 0;
}

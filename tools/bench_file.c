/* bench_file.c - one case of a file of cases (INTERFACES: data/speed_cases.json), for einjit-bench and `einjit cache
 * warm`. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

/* A program's file is looked for beside the cases first. */
char *bench_case_program(const bench_case *one, const char *cases)
{
    const char *program = one->program, *slash = strrchr(cases, '/');
    size_t n = strlen(program), folder = slash ? (size_t)(slash - cases) + 1 : 0;
    if (n < 4 || strcmp(program + n - 4, ".ein") || *program == '/') return tool_copy(program);
    char *beside = tool_alloc(folder + n + 1);
    memcpy(beside, cases, folder);
    memcpy(beside + folder, program, n);
    if (!access(beside, R_OK)) return beside;
    free(beside);
    return tool_copy(program);
}

/* What it is called, before anything of it can be wrong. */
bench_case bench_case_name(const json_t *item)
{
    const char *name = json_string_value(json_object_get(item, "name"));
    const char *program = json_string_value(json_object_get(item, "program"));
    if (!program) program = json_string_value(json_object_get(item, "equation"));
    return (bench_case){.name = name      ? name
                                : program ? program
                                          : "(no name)",
                        .program = program,
                        .dtype = EINJIT_F32,
                        .group = json_string_value(json_object_get(item, "group"))};
}

int bench_case_read(bench_case *out, const json_t *item)
{
    const char *dtype = json_string_value(json_object_get(item, "dtype")), *key;
    json_t *size;
    if (!out->program) return tool_fail("E_VALUE", "case '%s' has neither \"equation\" nor \"program\"", out->name);
    if (dtype && (out->dtype = einjit_dtype_from_name(dtype)) < 0)
        return tool_fail("E_DTYPE", "case '%s': there is no dtype '%s'", out->name, dtype);
    out->flop = json_number_value(json_object_get(item, "gflop")) * 1e9;
    json_object_foreach (json_object_get(item, "sizes"), key, size) {
        char text[256];
        if (!json_is_integer(size) || json_integer_value(size) < 0)
            return tool_fail("E_VALUE", "case '%s': size '%s' is not a number from 0 to 2^63-1", out->name, key);
        snprintf(text, sizeof text, "%s=%lld", key, (long long)json_integer_value(size));
        int status = tool_sizes_add(&out->sizes, text);
        if (status) return status;
    }
    return TOOL_OK;
}

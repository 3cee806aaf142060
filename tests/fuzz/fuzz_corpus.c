/* fuzz_corpus.c - the inputs that fuzzing starts from: programs of the generators, the equations in them, small files.
 *
 * usage: fuzz_corpus FOLDER    writes FOLDER/<target>/... and FOLDER/program.dict
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "gen.h"
#include "npy.h"

enum { PROGRAMS = 400, SEQUENCES = 100, ROOM = 4000 };

static const char *folder;

static bool write_file(const char *target, const char *bytes, size_t length)
{
    static int written;
    char path[4096];
    snprintf(path, sizeof path, "%s/%s/%04d", folder, target, written++);
    FILE *file = fopen(path, "wb");
    bool ok = file && fwrite(bytes, 1, length, file) == length;
    if (file && fclose(file)) ok = false;
    if (!ok) perror(path);
    return ok;
}

static void put_choices(ej_text *text, gen_random *r)
{
    ej_print(text, "# ");
    for (int i = 0; i < 24; i++) ej_print(text, "%c", gen_chance(r, 60) ? '0' : '0' + gen_below(r, 6));
    ej_print(text, "\n");
}

/* ---- programs and equations ---- */

static bool write_equations(const ej_graph *graph, ej_arena *arena, gen_random *r)
{
    bool ok = true;
    for (size_t v = 0; ok && v < graph->n_nodes; v++) {
        ej_text text;
        if (graph->nodes[v].op != EJ_OP_EINSUM) continue;
        ej_text_init(&text, arena);
        put_choices(&text, r);
        ej_equation_print(&text, graph->nodes[v].equation);
        ok = !text.failed && write_file("equation", text.data, text.length);
    }
    return ok;
}

static bool write_programs(void)
{
    bool ok = true;
    for (uint64_t seed = 1; ok && seed <= PROGRAMS; seed++) {
        gen_program p;
        gen_random r = {seed};
        ej_arena arena;
        ej_text text;
        if (!gen_program_of(&p, (int)(seed % GEN_KINDS), seed, 1 + gen_below(&r, 12), NULL)) continue;
        ej_arena_init(&arena, &ej_malloc_allocator);
        ej_text_init(&text, &arena);
        put_choices(&text, &r);
        ej_graph_print(&text, &p.graph);
        ok = !text.failed && (text.length > ROOM || write_file("program", text.data, text.length)) &&
             write_equations(&p.graph, &arena, &r);
        ej_arena_free(&arena);
        gen_program_free(&p);
    }
    return ok;
}

/* Words of the program text that come in lists. */
static bool write_words(void)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/program.dict", folder);
    FILE *file = fopen(path, "w");
    if (!file) {
        perror(path);
        return false;
    }
    for (int fn = 0; fn < EJ_FN_COUNT; fn++) fprintf(file, "\"%s(\"\n", ej_fns[fn].name);
    for (int op = 0; op < EJ_OP_COUNT; op++) fprintf(file, "\"%s(\"\n", ej_op_name(op));
    for (int dtype = 0; dtype < EINJIT_DTYPE_COUNT; dtype++) fprintf(file, "\"%s\"\n", einjit_dtype_name(dtype));
    return !fclose(file);
}

/* ---- files ---- */

static bool write_sequences(void)
{
    bool ok = true;
    for (int i = 0; ok && i < SEQUENCES; i++) {
        char bytes[200];
        gen_random r = {(uint64_t)i};
        size_t length = 40 + (size_t)gen_below(&r, 160);
        for (size_t k = 0; k < length; k++) bytes[k] = (char)('0' + gen_below(&r, 64));
        ok = write_file("build", bytes, length);
    }
    return ok;
}

static bool write_npy(void)
{
    static const int dtypes[] = {EINJIT_F32, EINJIT_C128, EINJIT_BOOL, EINJIT_I64};
    char path[4096];
    bool ok = true;
    for (int rank = 0; ok && rank < 4; rank++) {
        tool_tensor tensor;
        snprintf(path, sizeof path, "%s/npy/%d.npy", folder, rank);
        if (tool_tensor_make(&tensor, dtypes[rank], rank, (const int64_t[]){2, 3, 2}, "a seed")) return false;
        tool_tensor_fill(&tensor, 1);
        ok = !npy_save(&tensor, path);
        tool_tensor_free(&tensor);
    }
    return ok;
}

static bool write_texts(void)
{
    static const char *const paths[] = {"# 0\n{\"ssa_path\": [[0, 1], [2, 3], [4, 5]]}",
                                        "# 01\n{\"name\": \"x\", \"ssa_path\": [[0], [1, 2], [3, 5], [4, 6]]}",
                                        "# 300\n{\"ssa_path\": []}",
                                        "auto",
                                        "random:7",
                                        "optimal"};
    static const char *const networks[] = {
        "{\"inputs\": [[0, 1], [1, 2], [2, 0]], \"output\": [], \"sizes\": [2, 3, 4]}",
        "{\"inputs\": [[\"a\", \"b\"], [\"b\", \"c\"], [\"c\"]], \"output\": [\"a\"], \"size_dict\": {\"a\": 2, \"b\": "
        "3, \"c\": 1}}",
        "{\"inputs\": [[0, 0, 1], [1], [], [2, 3], [3, 4], [4, 2]], \"output\": [1, 3], \"sizes\": [2, 0, 5, "
        "9223372036854775807, 1]}"};
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof paths / sizeof *paths; i++) ok = write_file("path", paths[i], strlen(paths[i]));
    for (size_t i = 0; ok && i < sizeof networks / sizeof *networks; i++)
        ok = write_file("network", networks[i], strlen(networks[i]));
    return ok;
}

int main(int argc, char **argv)
{
    static const char *const targets[] = {"program", "equation", "build", "npy", "path", "network"};
    char path[4096];
    if (argc != 2) {
        fprintf(stderr, "usage: fuzz_corpus FOLDER\n");
        return 2;
    }
    folder = argv[1];
    mkdir(folder, 0777);
    for (size_t t = 0; t < sizeof targets / sizeof *targets; t++) {
        snprintf(path, sizeof path, "%s/%s", folder, targets[t]);
        mkdir(path, 0777);
    }
    return !(write_programs() && write_words() && write_sequences() && write_npy() && write_texts());
}

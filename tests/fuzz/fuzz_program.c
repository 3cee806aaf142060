/* fuzz_program.c - program text: read, printed, differentiated, optimized, compiled, run. A first line `# 0123...`
 * holds the choices: machine code or not, gradients, strides, extents. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    einjit_error err = {0};
    einjit_graph *graph = NULL;
    fuzz_bytes choices = fuzz_choices(data, size);
    einjit_context *context = fuzz_begin(fuzz_below(&choices, 32) == 1 ? "llvm" : "interp");
    if (!context) return 0;
    if (fuzz_ok(einjit_graph_parse(&graph, context, (const char *)data, size, &err), &err, "parse"))
        fuzz_graph(context, graph, &choices);
    einjit_graph_destroy(graph);
    fuzz_end(context);
    return 0;
}

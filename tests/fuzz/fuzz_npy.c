/* fuzz_npy.c - .npy files: what is read is a tensor in memory of its own, and is read again as it was after saving. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "npy.h"

static void check_tensor(const tool_tensor *t)
{
    const einjit_tensor *view = &t->tensor;
    einjit_error err = {0};
    ej_span span;
    if (!fuzz_ok(ej_tensor_check(view, "file", 0, &err), &err, "npy")) fuzz_finding("%s", err.text);
    if (!ej_tensor_span(view, &span)) fuzz_finding("a tensor that does not fit into 63 bits");
    if (span.hi > span.lo && (span.lo < 0 || (size_t)span.hi > t->bytes))
        fuzz_finding("bytes %lld to %lld of %zu", (long long)span.lo, (long long)span.hi, t->bytes);
}

/* As C order has it: what a save of it must give back. */
static void save_and_load(const tool_tensor *t)
{
    tool_tensor again = {0};
    fuzz_file file;
    if (t->strides || !fuzz_file_open(&file, "", 0)) return; /* results, which are saved, are row-major */
    if (!npy_save(t, file.path)) {
        if (npy_load(&again, file.path)) fuzz_finding("what was saved cannot be read");
        if (again.tensor.dtype != t->tensor.dtype || again.tensor.rank != t->tensor.rank || again.bytes != t->bytes ||
            memcmp(again.shape, t->shape, (size_t)t->tensor.rank * sizeof *t->shape) ||
            (t->bytes && memcmp(again.block, t->block, t->bytes)))
            fuzz_finding("what was saved reads as something else");
        tool_tensor_free(&again);
    }
    fuzz_file_close(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tool_tensor tensor;
    fuzz_file file;
    if (!fuzz_file_open(&file, data, size)) return 0;
    if (!npy_load(&tensor, file.path)) {
        check_tensor(&tensor);
        save_and_load(&tensor);
        tool_tensor_free(&tensor);
    }
    fuzz_file_close(&file);
    return 0;
}

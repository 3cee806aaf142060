/* oom_slices.c - the scenarios of oom_scenarios.c that compute in slices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api_support.h"
#include "oom_scenarios.h"

const char scenario_ring[] = "def forward(a: f32[n, n], b: f32[n, n], c: f32[n, n], d: f32[n, n]):\n"
                             "    return einsum(\"ij,jk,kl,li->\", a, b, c, d)\n";

/* A ring of matrices within 1,280 bytes: labels are cut, kernels of other programs are found, sums wait. */
int scenario_slices(scene *s)
{
    enum { N = 16 };
    static float x[N * N];
    float result;
    for (size_t i = 0; i < N * N; i++) x[i] = i % (N + 1) == 0 ? 2.0f : 0.0f;
    einjit_tensor in[] = {F32(x, N, N), F32(x, N, N), F32(x, N, N), F32(x, N, N)}, out = SCALAR(&result, EINJIT_F32);
    const einjit_compile_options options = {.struct_bytes = sizeof options, .memory_limit = 1280};
    einjit_kernel *kernel = UNTOUCHED(einjit_kernel);
    int status = einjit_compile(&kernel, s->context, s->graph, 4, in, 0, NULL, &options, s->err);
    if (status) {
        assert_ptr_equal(kernel, UNTOUCHED(einjit_kernel));
        return status;
    }
    assert_true(einjit_kernel_slice_count(kernel) > 1);
    status = einjit_run(kernel, 4, in, 1, &out, s->err);
    if (!status) assert_true(result == 16 * N);
    einjit_kernel_release(kernel);
    return status;
}

int scenario_slices_plan(scene *s)
{
    einjit_tensor in[] = {F32(NULL, 16, 16), F32(NULL, 16, 16), F32(NULL, 16, 16), F32(NULL, 16, 16)};
    const einjit_compile_options options = {.struct_bytes = sizeof options, .memory_limit = 1280};
    const int32_t ranks[] = {2, 2, 2, 2}, labels[] = {0, 1, 1, 2, 2, 3, 3, 0};
    const int64_t sizes[] = {16, 16, 16, 16};
    const einjit_path_options limit = {.struct_bytes = sizeof limit, .memory_limit = 1280, .dtype = EINJIT_F32};
    einjit_path_report report = {.struct_bytes = sizeof report, .n_steps = 12345};
    einjit_cost cost = {.struct_bytes = sizeof cost, .steps = 12345};
    int32_t pairs[16], sliced[4] = {-7};
    char text[64] = "as it was";
    int status =
        einjit_path_find(s->context, 4, ranks, labels, 0, NULL, 4, sizes, &limit, pairs, 8, sliced, 4, &report, s->err);
    if (status) assert_true(report.n_steps == 12345 && sliced[0] == -7);
    else assert_true(report.slices > 1 && sliced[0] >= 0);
    TRY(status);
    if ((status = einjit_plan_cost(&cost, s->context, s->graph, 4, in, &options, s->err)))
        assert_int_equal(cost.steps, 12345);
    TRY(status);
    assert_true(cost.slices > 1);
    status = einjit_explain(s->context, s->graph, 4, in, &options, "plan", text, sizeof text, NULL, s->err);
    if (status) assert_string_equal(text, "as it was");
    return status;
}

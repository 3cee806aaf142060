/* target.c - the table of CPU classes and which of them this CPU can run.
 *
 * Takes  nothing but the CPU it runs on.
 * Gives  rows of numbers, best first; the last row of an architecture runs on every CPU of it.
 * Keeps  nothing: the compiler's run-time support knows CPUID and what the system saves of the registers.
 * Not here: tiles for a given step (schedule_rules.c), LLVM's view of the CPU (jit/).
 */
#include "target.h"

#include <stddef.h>
#include <string.h>

#if defined(__x86_64__) || defined(_M_X64)
#define EJ_X86_64 1
#else
#define EJ_X86_64 0
#endif
#if defined(__aarch64__) || defined(_M_ARM64)
#define EJ_AARCH64 1
#else
#define EJ_AARCH64 0
#endif

#if EJ_X86_64
#define AVX512_FEATURES "+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl,+fma,+avx2,+bmi,+bmi2,+popcnt"
#if defined(__GNUC__) || defined(__clang__)
#include <cpuid.h>

/* Intel's server CPUs from Sapphire Rapids on. CPUID's leaf 4, which says so, is Intel's: ways, partitions, bytes of a
 * line and sets of one cache after the other, each less by one. */
static bool has_l2_of_2m(void)
{
    unsigned a, b, c, d;
    for (unsigned i = 0; __get_cpuid_count(4, i, &a, &b, &c, &d) && (a & 31); i++) {
        int64_t bytes = (int64_t)((b >> 22) + 1) * ((b >> 12 & 1023) + 1) * ((b & 4095) + 1) * ((int64_t)c + 1);
        if ((a >> 5 & 7) == 2) return bytes >= 2 << 20;
    }
    return false;
}

/* __builtin_cpu_supports also asks the system (XGETBV) whether it saves the wide registers. What LLVM's CPU names imply
 * beyond the rows (lzcnt, movbe, f16c) every CPU with AVX2 and BMI2 has. */
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

static bool has_avx512_vnni(void)
{
    return has_avx512() && __builtin_cpu_supports("avx512vnni");
}

static bool has_avx512_bf16(void)
{
    return has_avx512_vnni() && __builtin_cpu_supports("avx512bf16");
}

/* From Zen 4 on vdpbf16ps is as fast as a multiply-add of f32; Sapphire Rapids needs four times as long. */
static bool is_amd(void)
{
    return __builtin_cpu_is("amd");
}
#else
/* Without a way to ask only the last row, which needs nothing, is safe. */
static bool has_avx2(void)
{
    return false;
}

static bool has_avx512(void)
{
    return false;
}

static bool has_avx512_vnni(void)
{
    return false;
}

static bool has_avx512_bf16(void)
{
    return false;
}

static bool is_amd(void)
{
    return false;
}

static bool has_l2_of_2m(void)
{
    return false;
}
#endif
#endif

static bool always(void)
{
    return true;
}

/* Cycles of lines and pages are of cores of the class, one thread of a loaded machine: Sapphire Rapids reads 180, 28
 * and 15 GB/s from L2, L3 and memory at 3.3 GHz.
 *
 * Tiles: accumulators are tile_vectors * tile_rows registers, beside them tile_vectors for the lane operand and one for
 * the splat. 2 x 12 of 32 registers, 2 x 6 of 16 with fused multiply-add (12 + 2 + 1), 2 x 4 without (the product
 * needs registers of its own).
 *
 * Panels: on Zen 5, whose L2 gives a line a cycle, 2048^3 f32 takes 1.5 times as long with 1/32 of it as with 1/6,
 * since results are read back more often. On Sapphire Rapids tiles of three vectors are better than of two, in place as
 * packed, with panels of 1/20: beside MKL, 2047^3 f32 NN has 0.96 with 8 x 3, 0.90 with 8 x 2. Packed, more rows than 8
 * are worse (1000^3 f64 TN: 0.77 with 10 x 2, 0.91 with 8 x 3), and so are blocks of fewer rows, which read all panels
 * from the L3 each (1000^3 f64 TN: 0.88 with 128 rows of 512 terms, 0.91 with 256 of 256). Strided reads from the L2
 * are slow there: 512^3 f32 TN takes 1.15 times as long where the left operand, 1/2 of the L2, is not packed. With AVX2
 * panels have to lie in the L1, and packed tiles may be of three vectors: beside MKL's AVX2 kernels 1024^3 f32 NN had
 * 0.86 with 1/6 of the L2, the left operand in place, has 1.04 with 1/10, and packed; f64 0.89 and 1.04. */
/* clang-format off: a line for each group of numbers, so that rows can be compared */
#if EJ_X86_64
/* Of a core with AVX-512 and an L2 of 1 MB, whatever else it has. */
#define AVX512_NUMBERS \
    .vector_bytes = 64, .vector_registers = 32, .masks = true, .fma = true, .half = true, .int_pairs = true, \
    .stream_fence = true, .tile_vectors = 2, .tile_rows = 12, .panel_part = 6, .packed_rows = 16, .far_part = 1, \
    .l3_part = 8, .cut = 0.95, .packed_cut = 0.95, .l1_bytes = 32 << 10, .l2_bytes = 1 << 20, .l3_bytes = 16 << 20, \
    .line_cycles = {1.5, 7, 14}, .half_turns = 2, .tlb_pages = 2048, .walk_cycles = 25
#endif
const ej_target ej_targets[] = {
#if EJ_X86_64
    {.name = "avx512_2m",
     .runs_here = has_avx512_vnni, /* as all CPUs with such an L2 have */
     .suits_here = has_l2_of_2m,
     .cpu = "skylake-avx512",
     .features = AVX512_FEATURES ",+avx512vnni",
     .int_pairs = true,
     .fused_pairs = true,
     .vector_bytes = 64,
     .vector_registers = 32,
     .masks = true,
     .fma = true,
     .half = true,
     .stream_fence = true,
     .tile_vectors = 2,
     .tile_rows = 12,
     .panel_part = 20,
     .packed_rows = 8,
     .packed_block = 256,
     .far_part = 8,
     .l3_part = 2,
     .cut = 1,
     .packed_cut = 1,
     .l1_bytes = 48 << 10,
     .l2_bytes = 2 << 20,
     .l3_bytes = 16 << 20,
     .line_cycles = {1.5, 7, 14},
     .half_turns = 2,
     .tlb_pages = 2048,
     .walk_cycles = 25},
    {.name = "avx512_bf16",
     .runs_here = has_avx512_bf16,
     .suits_here = is_amd,
     .cpu = "skylake-avx512",
     .features = AVX512_FEATURES ",+avx512vnni,+avx512bf16",
     .pairs = true,
     .fused_pairs = true,
     AVX512_NUMBERS},
    {.name = "avx512",
     .runs_here = has_avx512,
     .suits_here = always,
     .cpu = "skylake-avx512",
     .features = AVX512_FEATURES,
     AVX512_NUMBERS},
    {.name = "avx2",
     .runs_here = has_avx2,
     .suits_here = always,
     .cpu = "haswell",
     .features = "+avx2,+fma,+bmi,+bmi2,+popcnt",
     .int_pairs = true,
     .vector_bytes = 32,
     .vector_registers = 16,
     .masks = false,
     .fma = true,
     .half = true,
     .stream_fence = true,
     .tile_vectors = 2,
     .tile_rows = 6,
     .panel_part = 10,
     .packed_rows = 16,
     .far_part = 1,
     .near_part = 1,
     .l3_part = 8,
     .cut = 0.95,
     .packed_cut = 1,
     .l1_bytes = 32 << 10,
     .l2_bytes = 256 << 10,
     .l3_bytes = 8 << 20,
     .line_cycles = {2, 7, 14},
     .half_turns = 1,
     .tlb_pages = 1536,
     .walk_cycles = 25},
    {.name = "sse2",
     .runs_here = always,
     .suits_here = always,
     .cpu = "x86-64",
     .features = "+sse2",
     .int_pairs = true,
     .vector_bytes = 16,
     .vector_registers = 16,
     .masks = false,
     .fma = false,
     .half = false,
     .stream_fence = true,
     .tile_vectors = 2,
     .tile_rows = 4,
     .panel_part = 6,
     .packed_rows = 16,
     .far_part = 1,
     .l3_part = 8,
     .cut = 0.95,
     .packed_cut = 0.95,
     .l1_bytes = 32 << 10,
     .l2_bytes = 256 << 10,
     .l3_bytes = 4 << 20,
     .line_cycles = {2.5, 8, 16},
     .half_turns = 1,
     .tlb_pages = 512,
     .walk_cycles = 30},
#elif EJ_AARCH64
    {.name = "neon",
     .runs_here = always,
     .suits_here = always,
     .cpu = "generic",
     .features = "+neon",
     .vector_bytes = 16,
     .vector_registers = 32,
     .masks = false,
     .fma = true,
     .half = true,
     .tile_vectors = 2,
     .tile_rows = 12,
     .panel_part = 6,
     .packed_rows = 16,
     .far_part = 1,
     .l3_part = 8,
     .cut = 0.95,
     .packed_cut = 0.95,
     .l1_bytes = 32 << 10,
     .l2_bytes = 512 << 10,
     .l3_bytes = 4 << 20,
     .line_cycles = {2.5, 8, 16},
     .half_turns = 1,
     .tlb_pages = 512,
     .walk_cycles = 30},
#else
    {.name = "generic",
     .runs_here = always,
     .suits_here = always,
     .cpu = "generic",
     .features = "",
     .vector_bytes = 16,
     .vector_registers = 16,
     .masks = false,
     .fma = false,
     .half = false,
     .tile_vectors = 2,
     .tile_rows = 4,
     .panel_part = 6,
     .packed_rows = 16,
     .far_part = 1,
     .l3_part = 8,
     .cut = 0.95,
     .packed_cut = 0.95,
     .l1_bytes = 32 << 10,
     .l2_bytes = 256 << 10,
     .l3_bytes = 4 << 20,
     .line_cycles = {2.5, 8, 16},
     .half_turns = 1,
     .tlb_pages = 512,
     .walk_cycles = 30},
#endif
};
/* clang-format on */
const int ej_n_targets = (int)(sizeof ej_targets / sizeof *ej_targets);

bool ej_target_runs_here(const ej_target *target)
{
    return target->runs_here();
}

const ej_target *ej_target_host(void)
{
    int row = 0;
    while (!ej_targets[row].runs_here() || !ej_targets[row].suits_here()) row++;
    return &ej_targets[row];
}

const ej_target *ej_target_by_name(const char *name)
{
    for (int row = 0; row < ej_n_targets; row++)
        if (!strcmp(ej_targets[row].name, name)) return &ej_targets[row];
    return NULL;
}

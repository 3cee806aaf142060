/* target.h - what a CPU is to the planner and the code generator: numbers, one row per class of CPU. */
#ifndef EJ_TARGET_H
#define EJ_TARGET_H

#include <stdbool.h>
#include <stdint.h>

typedef struct ej_target {
    const char *name;         /* of the row: "avx512_2m", "avx512_bf16", "avx512", "avx2", "sse2"; EINJIT_TARGET names
                               * one */
    bool (*runs_here)(void);  /* this CPU has every feature of the row */
    bool (*suits_here)(void); /* and has the row's cache sizes; else a later row is better */
    const char *cpu;          /* LLVM's -mcpu, for scheduling only */
    const char *features;     /* LLVM's feature string: only names every supported LLVM knows */
    int vector_bytes;         /* of one register */
    int vector_registers;
    bool masks; /* masked loads and stores are one instruction */
    bool fma;
    bool pairs;        /* sums of products of bf16 take two terms an instruction, twice as fast as f32 */
    bool int_pairs;    /* products of two pairs of i16 are added up by one instruction ... */
    bool fused_pairs;  /* ... which also adds that to a sum (VNNI) */
    bool half;         /* f16 to f32 and back is one instruction */
    bool stream_fence; /* stores past the caches reach other cores in order only behind a fence */
    /* register tile of a contraction: vectors along the lane axis, rows along the other one */
    int tile_vectors, tile_rows;
    int panel_part;   /* 1/panel_part of the L2: the panel of a product that tile after tile reads again */
    int packed_rows;  /* of a register tile at most, where the left operand of a product is packed */
    int packed_block; /* rows that its blocks should have at least, rather than more terms */
    int far_part;     /* 1/far_part of the L2: what is larger, and read with far strides, is packed */
    int near_part;    /* the same of what lies along the sum; 0: that is not packed */
    int l3_part;      /* 1/l3_part of the L3: panels that each block of rows of a contraction reads again */
    /* how good it is, 0 to 1, to cut rows of a product into pieces of three vectors and more: with operands in place,
     * packed */
    double cut, packed_cut;
    int64_t l1_bytes, l2_bytes, l3_bytes; /* defaults, where the host does not report them */
    /* cycles to bring a line of 64 bytes into the L1 from the L2, into the L2 from the L3, and from memory */
    double line_cycles[3];
    int half_turns;     /* shuffles between registers a cycle, of vectors of half the bytes; of whole ones it is one */
    int tlb_pages;      /* of 4 KB, in all levels together */
    double walk_cycles; /* to find a page that none of them holds */
} ej_target;

extern const ej_target ej_targets[];
extern const int ej_n_targets;
/* The first (best) row that runs here and suits; the last row does everywhere. */
const ej_target *ej_target_host(void);
/* A row by name; NULL when there is none. */
const ej_target *ej_target_by_name(const char *name);
bool ej_target_runs_here(const ej_target *target);

#endif

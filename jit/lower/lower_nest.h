/* lower_nest.h - what the emitters of nests share: the state of one function, and of one leaf.
 *
 * A failure is latched in ej_lower.status and looked at between nests: emitters go on with poison values meanwhile.
 */
#ifndef EJ_LOWER_NEST_H
#define EJ_LOWER_NEST_H

#include "lower.h"
#include "nest_leaf.h"

enum { EJ_LANES_MAX = 64 };

/* The current range of an axis: `count` values from lo on. */
typedef struct ej_range {
    LLVMValueRef lo;         /* i64 */
    int64_t count;           /* number of values; -1: known at run time only, see n */
    LLVMValueRef n;          /* i64, where count is -1: number of values */
    int64_t most;            /* an upper bound of n */
    bool maybe_empty;        /* n may be 0 */
    int64_t modulo, residue; /* modulo > 0: n is a multiple of it, in the last chunk with residue % modulo more */
    bool past_start;         /* known at compile time: lo is not 0 */
    bool short_of_end;       /* known at compile time: the range ends before the axis does */
} ej_range;

/* Position of an axis' lo within a block of a term. The pointer always includes the offset of the block's start. */
enum ej_block_state {
    EJ_BLOCK_START,  /* lo is the start of a block */
    EJ_BLOCK_INSIDE, /* lo is inside of a block, the pointer includes that, and the range ends in the same block */
    EJ_BLOCK_LOOSE   /* lo is `past` values behind the start, which the pointer does not include */
};
typedef struct ej_at_block {
    uint8_t state;
    LLVMValueRef past;
} ej_at_block;

/* Position of an access: its element when every axis is at its lo. */
typedef struct ej_at {
    const ej_access *access;
    LLVMValueRef pointer; /* memory */
    int64_t offset;       /* registers, when fixed */
    bool fixed;
    uint64_t tables;           /* bit t: term t's table entry is part of the pointer already */
    const ej_at_block *blocks; /* per term; never changed in place: saved states share it. NULL: all at the start */
} ej_at;

/* A vector that holds elements of a REG buffer: lane l has element elems[l] (-1: none). */
typedef struct ej_reg {
    int32_t buffer;
    int32_t lanes;
    int32_t *elems; /* never changed in place: snapshots share it */
    ej_vec value;   /* re NULL: an unused row */
} ej_reg;
typedef struct ej_reg_place {
    int32_t reg; /* 1 + index, 0: nothing was stored */
    int32_t lane;
} ej_reg_place;
typedef struct ej_regs {
    size_t n, cap;
    ej_reg *items;
    ej_reg_place **where; /* per buffer of the nest, per element */
    size_t *n_where;
} ej_regs;

/* A LOCAL buffer, while its place is open, that values need not go through (lower_direct.c). */
typedef struct ej_direct {
    const ej_access *out; /* where they go; NULL: they need to */
    LLVMValueRef waits;   /* at run time they go through it all the same, */
    int32_t copy;         /* and the subtree of this node copies them from there */
} ej_direct;

/* Pointers that a loop without loops inside moves on from round to round, next to its variable. Further out they would
 * hold a register all the time, where a product of the variable a round costs nothing. */
enum { EJ_RUNNING_MAX = 8 };
/* Stores that wait for the next round (lower_interleave.c): what they store, and where. */
enum { EJ_LATE_MAX = 8 };
typedef struct ej_late {
    bool may;  /* rounds are many, and the code behind the loop comes from nowhere else */
    int32_t n; /* values; 0: nothing waits */
    LLVMValueRef kept[EJ_LATE_MAX + 1], now[EJ_LATE_MAX + 1]; /* of the round before, of this one; then the address */
} ej_late;
typedef struct ej_running {
    LLVMValueRef variable;
    int64_t step;
    LLVMBasicBlockRef before, body; /* body: the loop's first block */
    int32_t n;
    int64_t bytes[EJ_RUNNING_MAX]; /* by so many */
    LLVMValueRef pointer[EJ_RUNNING_MAX];
    ej_late late;
} ej_running;

/* What is the same for all nests of a module. */
typedef struct ej_lower_module {
    ej_emit *e;
    const ej_nests *nests;
    ej_leaves leaves;
    int32_t n_modules; /* that were full so far */
    LLVMTypeRef i1, i8, i32, i64, pointer;
    LLVMTypeRef entry_type;    /* (data, sizes, scratch) */
    LLVMTypeRef part_type;     /* (data, sizes, scratch, local, from, to): of phases and leaves */
    LLVMValueRef *constants;   /* per constant of the plan; NULL until used */
    LLVMValueRef aligned_loop; /* what says of a loop that it is aligned; NULL until used */
    LLVMValueRef copy_run;     /* lower_run.c; NULL until used */
    LLVMTypeRef copy_type;
} ej_lower_module;

/* Scalars that were spread over lanes in the block that is emitted: tiles use each with many vectors. */
enum { EJ_SPREADS = 32 }; /* a power of 2 */
typedef struct ej_spreads {
    LLVMBasicBlockRef block;
    uint32_t n; /* the latest overwrite the oldest */
    struct {
        LLVMValueRef scalar, vector;
        int32_t lanes;
    } made[EJ_SPREADS];
} ej_spreads;

/* One nest, in one function: the entry itself, or a leaf. */
typedef struct ej_lower {
    ej_lower_module *m;
    ej_emit *e;
    ej_arena *arena;
    const ej_nest *nest;
    LLVMValueRef function, data, sizes, scratch;
    LLVMValueRef local;          /* the thread's part of scratch; NULL: it lies behind the plan's, and nobody asked */
    LLVMValueRef from, to;       /* of a nest that is cut: which pieces; NULL: the function is given none */
    const ej_leaf_use *use;      /* of a leaf: what `data` holds; NULL: the entry's */
    int32_t *pointers;           /* of a leaf, per buffer: index in `data`, -1: it has none */
    LLVMBasicBlockRef entry;     /* sizes and base pointers, computed when first asked for */
    LLVMValueRef *atoms, *exprs; /* values of the sizes' atoms and expressions */
    LLVMValueRef *buffers;       /* base pointers */
    LLVMValueRef **placed_lo;    /* per buffer: los of all axes where it was placed; NULL: not placed */
    bool *written;               /* per buffer: a leaf of the nest stores to it */
    int32_t *planar;             /* per buffer: lower_planar.c's W, 0: complex parts lie side by side */
    ej_range *ranges;            /* per axis */
    int32_t *first_at, *end_at;  /* per node: the accesses of its subtree, a leaf's dst before its sources */
    ej_at *at;
    ej_regs regs;
    ej_running *running; /* of the loop whose body is emitted; NULL: it has none */
    ej_direct *direct;   /* per buffer */
    bool streamed;       /* some store goes past the caches */
    ej_spreads spreads;
    bool *in_step;          /* per node: a loop whose last chunk is a whole one, as buffers in blocks have it */
    int32_t *block_axis;    /* per buffer: the axis along which its blocks are such chunks; -1: they are not */
    LLVMValueRef blocks_by; /* how far the chunk that is entered next moves them */
    double twice;           /* work that is done twice: lower_overlap.c */
    double times;           /* how often the loop runs that is emitted, by the loops around it */
    int status;
} ej_lower;

#define EJ_LOWER_NEW(w, type, n) ((type *)ej_lower_alloc((w), (size_t)(n), sizeof(type)))
void *ej_lower_alloc(ej_lower *w, size_t n, size_t size);                           /* NULL latches E_NOMEM */
void ej_lower_fail(ej_lower *w, int code, const char *format, ...) EJ_PRINTF(3, 4); /* the first one counts */

/* ---- lower.c ---- */
/* internal, never inlined */
LLVMValueRef ej_lower_inner_function(ej_lower_module *m, const char *name, LLVMTypeRef type);

/* ---- lower_size.c: sizes and base pointers, in the entry block ---- */
LLVMValueRef ej_lower_i64(ej_lower *w, int64_t value);
LLVMValueRef ej_lower_size(ej_lower *w, ej_size size);
LLVMValueRef ej_lower_base(ej_lower *w, int32_t buffer);
LLVMValueRef ej_lower_element(ej_lower *w, int32_t buffer, ej_size element); /* counted from ej_lower_base() */
LLVMValueRef ej_lower_memory(ej_lower *w, const ej_buffer *buffer);          /* where the entry finds a buffer */
LLVMValueRef ej_lower_local(ej_lower *w);                                    /* where LOCAL buffers are counted from */
LLVMValueRef ej_lower_constant_data(ej_lower *w, int32_t slot);
/* a + b, a * b on i64; what is constant is folded, adding 0 and multiplying by 1 emit nothing. */
LLVMValueRef ej_lower_add(ej_lower *w, LLVMValueRef a, LLVMValueRef b, const char *name);
LLVMValueRef ej_lower_mul(ej_lower *w, LLVMValueRef a, LLVMValueRef b, const char *name);
bool ej_lower_constant(LLVMValueRef value, int64_t *out);
/* pointer + elements * bytes */
LLVMValueRef ej_lower_offset(ej_lower *w, LLVMValueRef pointer, LLVMValueRef elements, int64_t bytes, const char *name);

/* lower_loop.c: pointer + by / block * stride * bytes as a pointer that the loop moves on; NULL: it does not, or an
 * address of an instruction can say it as well. */
LLVMValueRef ej_loop_pointer(ej_lower *w, LLVMValueRef pointer, LLVMValueRef by, int64_t block, ej_size stride,
                             int64_t bytes);

bool ej_has_loops(const ej_lower *w, int32_t id); /* among a node and those behind it */
/* lower_overlap.c: the last chunk of a loop, of `rest` values, may as well be one of `latest` that ends where it does:
 * what is computed twice comes out the same, and is little. Then no copy of the body is needed. */
bool ej_loop_overlaps(ej_lower *w, int32_t loop, int64_t rest, int64_t latest);
/* How many values the last chunk takes so that no body is copied for it: it begins earlier, and is full, or has full
 * chunks in it (`divided`); 0: it does not. */
int64_t ej_loop_last_chunk(ej_lower *w, int32_t loop, int64_t rest, bool divided);
/* Which LOCAL buffers have blocks that begin earlier with the chunks that fill and read them: the last chunk of every
 * loop in step with them is a whole one. At the root. */
void ej_blocks_find(ej_lower *w);

/* ---- lower_steps.c: the entry of several nests ---- */
/* Fills the entry block and "start" of a function, whose state is w: calls of the leaves of nests first .. end-1
 * (`leaves`: functions, one a leaf). */
void ej_lower_steps(ej_lower *w, LLVMValueRef const *leaves, int32_t first, int32_t end);

/* ---- lower_loop.c: the tree ---- */
void ej_lower_tree(ej_lower *w);
LLVMBasicBlockRef ej_lower_block(ej_lower *w, const char *name);

/* ---- lower_when.c: code that not every way goes through ---- */
typedef struct ej_guard {
    LLVMBasicBlockRef before, after;
    ej_regs regs; /* as they were before */
} ej_guard;
/* if (condition) { what is emitted until the end }: REG values of both ways meet behind it. */
bool ej_guard_begin(ej_lower *w, ej_guard *guard, LLVMValueRef condition, const char *name);
void ej_guard_end(ej_lower *w, ej_guard *guard);
/* False: never in the current ranges. *condition NULL: always. */
bool ej_lower_when(ej_lower *w, const ej_when *when, LLVMValueRef *condition);

/* ---- lower_access.c: accesses in the current ranges ---- */
void ej_at_start(ej_lower *w, int32_t first, int32_t end);                 /* at the root: ARG, SCRATCH and CONST */
void ej_at_place(ej_lower *w, int32_t first, int32_t end, int32_t buffer); /* LOCAL and REG where they are placed */
/* The axis' lo grew by `by`, a multiple of `step`; its range was `outer` and is a chunk of at most `step` now. */
void ej_at_advance(ej_lower *w, int32_t first, int32_t end, int32_t axis, LLVMValueRef by, const ej_range *outer,
                   int64_t step);
/* Take in the table entries of axes that stand at one value; `all` (at a leaf) also those of tables that this nest
 * writes, and blocks that are not at their start. */
void ej_at_tables(ej_lower *w, int32_t first, int32_t end, bool all);
LLVMValueRef ej_lower_entry(ej_lower *w, const ej_access_term *term, LLVMValueRef value); /* table entry, i64 */
/* What a term with blocks adds to the element for a value counted from the start of a block. */
LLVMValueRef ej_lower_blocked(ej_lower *w, const ej_access_term *term, LLVMValueRef value);
const ej_at_block *ej_at_block_of(const ej_at *at, const ej_access_term *term);

/* ---- lower_leaf.c and what it uses: one leaf ---- */
/* The lanes of one vector: the digit value of every digit axis. Bit l of `exist`: the lane means something. */
typedef struct ej_lanes {
    int32_t n; /* a power of 2 */
    uint64_t exist;
    int32_t v[EJ_TILE_DIGITS][EJ_LANES_MAX];
} ej_lanes;

typedef struct ej_leaf_axis {
    int32_t axis;
    int32_t total;  /* product of its digits' counts */
    int64_t bound;  /* values below may exist */
    LLVMValueRef n; /* run-time count (i64); NULL: all values below bound exist */
} ej_leaf_axis;
typedef struct ej_leaf_digit {
    int32_t axis; /* index of leaf->axes */
    int32_t count, weight;
    int32_t stride; /* in the lane or unroll number */
    bool lane;
} ej_leaf_digit;
typedef struct ej_leaf_access {
    ej_at *at;
    const ej_buffer *buffer;
    int32_t planar;  /* as in ej_lower */
    uint32_t set;    /* digit axes it depends on */
    uint32_t opaque; /* of these: symbolic strides and tables */
    int64_t stride[EJ_TILE_DIGITS], block[EJ_TILE_DIGITS], block_stride[EJ_TILE_DIGITS];
    const ej_access_term *term[EJ_TILE_DIGITS];
    LLVMValueRef *value[EJ_TILE_DIGITS]; /* what the term adds to the element, by digit value; then the same clamped */
    struct ej_interleaved *interleaved;  /* lower_interleave.c; NULL: nobody asked */
} ej_leaf_access;
typedef struct ej_leaf {
    ej_lower *w;
    const ej_nest_node *node;
    int32_t lanes, width, unrolls; /* width: lanes rounded up to a power of 2 */
    int32_t n_axes, n_digits;
    ej_leaf_axis axes[EJ_TILE_DIGITS];
    ej_leaf_digit digits[EJ_TILE_DIGITS];
    uint32_t dynamic; /* digit axes with a run-time count */
    bool empty;       /* the range of an axis without digits is */
    ej_leaf_access dst, *src;
} ej_leaf;

/* A value in all lanes (lanes == 1: the same one) or in each. */
typedef struct ej_operand {
    ej_vec v;
    int32_t lanes;
} ej_operand;

/* lower_tile.c: which digit values are in which lanes */
bool ej_leaf_init(ej_leaf *leaf, ej_lower *w, int32_t node);
/* Of any access in the leaf. False: a failure was latched. */
bool ej_leaf_read_access(ej_leaf *leaf, ej_leaf_access *access, ej_at *at);
bool ej_leaf_has_axis(const ej_nest_node *leaf, int32_t axis); /* one of its accesses does */
void ej_leaf_lanes(const ej_leaf *leaf, int32_t unroll, ej_lanes *out);
/* unroll number counting only digits of set */
int32_t ej_leaf_index(const ej_leaf *leaf, int32_t unroll, uint32_t set);
int32_t ej_leaf_count(const ej_leaf *leaf, uint32_t set);                          /* how many of these there are */
uint64_t ej_leaf_static(const ej_leaf *leaf, const ej_lanes *lanes, uint32_t set); /* lanes that may exist */
/* Run-time conditions of the axes in set: *scalar for all lanes, *vector per lane; NULL: always. */
void ej_leaf_dynamic(ej_leaf *leaf, const ej_lanes *lanes, uint32_t set, LLVMValueRef *scalar, LLVMValueRef *vector);
LLVMValueRef ej_leaf_bits(ej_lower *w, uint64_t bits, int32_t lanes); /* constant <lanes x i1> */
/* Groups of lanes with the same digit values for the axes of set: representatives' lanes in *out, group of each
 * lane. */
void ej_leaf_group(const ej_lanes *lanes, uint32_t set, ej_lanes *out, int32_t *group);

/* lower_lane.c: elements of lanes */
typedef struct ej_offsets {
    int32_t n;
    uint64_t valid;
    uint64_t key[2 * EJ_LANES_MAX]; /* lanes with one key differ by constants */
    int64_t c[2 * EJ_LANES_MAX];    /* constant part, elements */
    int32_t from[2 * EJ_LANES_MAX]; /* the lane (complex: real and imaginary part of one) */
} ej_offsets;
void ej_offsets_of(ej_leaf *leaf, const ej_leaf_access *access, const ej_lanes *lanes, uint32_t clamp, ej_offsets *out);
bool ej_offsets_uniform(const ej_offsets *o);
bool ej_offsets_consecutive(const ej_offsets *o); /* c[l] == c[0] + l, one key, for the valid lanes */
/* Digit axes of set with a run-time count whose digit values differ between lanes / are not 0 but the same. */
uint32_t ej_leaf_varying(const ej_leaf *leaf, const ej_lanes *lanes, uint32_t set, bool differ);
/* Address of lane l's element + c elements. */
LLVMValueRef ej_lane_address(ej_leaf *leaf, ej_leaf_access *access, const ej_lanes *lanes, int32_t lane, uint32_t clamp,
                             int64_t c_bytes);

/* Before leaving a block that not every way goes through: what was computed in it is not kept. */
void ej_leaf_forget(ej_leaf_access *access);

/* lower_shuffle.c: vectors out of lanes of vectors. Lane l of the result is lane[l] of from[vec[l]]; vec[l] < 0:
 * any. */
LLVMValueRef ej_shuffle_pick(ej_lower *w, LLVMValueRef const *from, int32_t n_from, int32_t from_lanes,
                             const int32_t *vec, const int32_t *lane, int32_t lanes, const char *name);
LLVMValueRef ej_shuffle(ej_lower *w, LLVMValueRef a, LLVMValueRef b, const int32_t *mask, int32_t lanes,
                        const char *name);                          /* b may be NULL; mask < 0: any */
LLVMValueRef ej_extract(ej_lower *w, LLVMValueRef v, int32_t lane); /* a scalar stays as it is */
ej_vec ej_extract_lane(ej_lower *w, ej_vec v, int32_t lane);

/* lower_load.c, lower_store.c */
ej_operand ej_lower_load(ej_leaf *leaf, ej_leaf_access *access, const ej_lanes *lanes);
void ej_lower_store(ej_leaf *leaf, ej_leaf_access *access, const ej_lanes *lanes, ej_vec value);
/* One lane's element (value: a scalar), at offsets computed with `clamp`. */
ej_vec ej_lower_load_lane(ej_leaf *leaf, ej_leaf_access *access, const ej_lanes *lanes, const ej_offsets *o,
                          int32_t lane, uint32_t clamp);
void ej_lower_store_lane(ej_leaf *leaf, ej_leaf_access *access, const ej_lanes *lanes, const ej_offsets *o,
                         int32_t lane, uint32_t clamp, ej_vec value);
/* Lane entries of a vector in memory order: (complex: real and imaginary parts apart), sorted by key and element. */
typedef struct ej_entry {
    uint64_t key;
    int64_t c; /* in parts */
    int32_t lane;
    int32_t part; /* 0, 1: imaginary */
} ej_entry;
int32_t ej_entries_of(const ej_leaf_access *access, const ej_offsets *o, ej_entry *out); /* out: 2 * EJ_LANES_MAX */
bool ej_can_mask(const ej_lower *w, int64_t bytes); /* masked moves of elements of that size are instructions */
LLVMValueRef ej_lower_masked_load(ej_lower *w, LLVMTypeRef type, LLVMValueRef pointer, LLVMValueRef mask,
                                  const char *name);
void ej_lower_masked_store(ej_lower *w, LLVMValueRef value, LLVMValueRef pointer, LLVMValueRef mask);
/* lower_planar.c: complex scratch with the parts of a vector apart */
bool ej_planar_find(ej_lower *w); /* false: out of memory */
/* Where a part (0, 1: imaginary) of an element lies, from the access' pointer, counted in parts. */
int64_t ej_part_of(const ej_leaf_access *access, int64_t element, int32_t part);

/* Parts in memory order of one vector; complex: interleaved. */
LLVMValueRef ej_lower_flat(ej_lower *w, int dtype, ej_vec value, int32_t lanes);
/* Lanes from `first` on, each twice: <a, a, b, b, ...>, n in all. */
LLVMValueRef ej_lower_twice(ej_lower *w, LLVMValueRef v, int32_t first, int32_t n);
LLVMValueRef ej_lower_load_at(ej_lower *w, LLVMTypeRef type, LLVMValueRef pointer, const char *name);
void ej_lower_store_at(ej_lower *w, LLVMValueRef value, LLVMValueRef pointer);

/* lower_reg.c: REG buffers */
bool ej_regs_init(ej_lower *w);
bool ej_regs_copy(ej_lower *w, ej_regs *out, const ej_regs *from);
/* NULL: nothing was stored there */
const ej_reg_place *ej_reg_place_of(const ej_regs *regs, int32_t buffer, int32_t elem);
/* `regs`: the current rows, or a copy of earlier ones. */
ej_vec ej_reg_read(ej_lower *w, const ej_regs *regs, int32_t buffer, int32_t lanes, const int32_t *elems);
void ej_reg_write(ej_lower *w, int32_t buffer, int32_t lanes, const int32_t *elems, ej_vec value);
void ej_regs_drop(ej_lower *w, int32_t buffer); /* its place is left */
/* lower_permute.c: where a read takes its lanes from several rows, adds rows that hold all elements of these under its
 * lane map; false: the map is none that it deals with. */
bool ej_reg_permute(ej_lower *w, int32_t buffer, int32_t lanes, const int32_t *elems);
/* lower_join.c: REG values where control flow meets */
typedef struct ej_loop_regs {
    size_t n;
    ej_reg *rows; /* as they were before the loop */
    ej_vec *phis;
} ej_loop_regs;
void ej_regs_loop_begin(ej_lower *w, ej_loop_regs *loop, LLVMBasicBlockRef before); /* builder at the loop's block */
void ej_regs_loop_end(ej_lower *w, ej_loop_regs *loop); /* builder at the end of the last block, before its branch */
/* Builder at the start of the block where `skip` (which has `before`) and `through` (which has w->regs) meet. */
void ej_regs_join(ej_lower *w, ej_regs *before, LLVMBasicBlockRef skip, LLVMBasicBlockRef through);

/* lower_reduce.c */
ej_vec ej_lower_neutral(ej_lower *w, int reduce, int dtype, int32_t lanes);
/* One lane per group out of all lanes in it; groups are numbered from 0, -1 takes no part. */
ej_vec ej_lower_horizontal(ej_lower *w, int reduce, int dtype, int32_t lanes, ej_vec value, const int32_t *group,
                           int32_t n_groups, int32_t out_lanes);
/* Lane l of the result, which has n: all lanes of values[l]; n is a power of 2, no more than lanes, and the values are
 * more than half as many. */
ej_vec ej_lower_horizontal_each(ej_lower *w, int reduce, int dtype, int32_t lanes, const ej_vec *values,
                                int32_t n_values, int32_t n);

/* lower_leaf.c */
void ej_lower_leaf(ej_lower *w, int32_t node);
/* Elements of a REG access in the lanes: -1 where the lane does not exist for the access. */
bool ej_leaf_elems(ej_leaf *leaf, const ej_leaf_access *access, const ej_lanes *lanes, int32_t *elems);

/* lower_expr.c, lower_leaf.c, lower_stream.c: what a leaf computes */
typedef struct ej_tape {
    uint32_t set;     /* digit axes the op depends on */
    bool fresh;       /* reads what the leaf stores: never kept */
    bool brain;       /* it is f32, and every value of it is one that bf16 has */
    ej_operand *memo; /* by ej_leaf_index */
    ej_operand now;   /* for the unroll number last asked for */
} ej_tape;
ej_tape *ej_tape_new(ej_leaf *leaf);
/* Fill in `now` of the first n ops. */
void ej_tape_run(ej_leaf *leaf, ej_tape *tape, int32_t n, int32_t unroll, const ej_lanes *lanes);
ej_vec ej_operand_spread(ej_lower *w, ej_operand a, int32_t lanes); /* in all lanes */
/* lower_dot.c: a contraction of complex products along all lanes, into registers; NULL: it is none. */
typedef struct ej_dot ej_dot;
ej_dot *ej_dot_new(ej_leaf *leaf);
int32_t ej_dot_lanes(const ej_dot *dot); /* of its sums, all lanes of which belong to the result */
/* acc (re NULL: nothing yet) with the terms of this unroll number; acc's lanes add up to the result's parts. */
ej_vec ej_dot_add(ej_dot *dot, int32_t unroll, const ej_lanes *lanes, ej_vec acc);
/* What the leaf's source is in these lanes. (lower_expr.c) */
ej_operand ej_leaf_source(ej_leaf *leaf, int32_t source, const ej_lanes *lanes);
/* lower_pair.c: a contraction of products of bf16 or short integers that takes its terms two at a time; NULL: it
 * is none. */
typedef struct ej_pairs ej_pairs;
ej_pairs *ej_pairs_new(ej_leaf *leaf);
/* The unroll number of the term that goes with this one; -1: it goes alone. */
int32_t ej_pairs_other(const ej_pairs *pairs, int32_t unroll);
/* acc (re NULL: nothing yet) with both terms. */
ej_vec ej_pairs_add(ej_pairs *pairs, int32_t unroll, int32_t other, ej_vec acc);
/* The tape's last value, in the destination's dtype and all lanes. */
ej_vec ej_leaf_result(ej_leaf *leaf, ej_tape *tape, int32_t unroll, const ej_lanes *lanes);
/* A move with stores past the caches; false: they are not whole vectors at known distances, nothing was emitted. */
bool ej_lower_streamed(ej_leaf *leaf, ej_tape *tape);
/* The same; where `waits` holds at run time, plain stores to `buffer` instead. */
void ej_lower_streamed_unless(ej_leaf *leaf, ej_tape *tape, LLVMValueRef waits, const ej_leaf_access *buffer);
void ej_lower_past_caches(ej_lower *w, LLVMValueRef store, int64_t alignment); /* makes it such a store */
void ej_lower_stream_end(ej_lower *w); /* at the end of a nest: such stores are done */
/* lower_run.c: a loop, or leaf, that copies one piece of memory past the caches; false: it is none, nothing was
 * emitted. */
bool ej_lower_run(ej_lower *w, int32_t id);
bool ej_is_streamed_copy(const ej_lower *w, const ej_nest_node *leaf); /* from memory to memory, as it is */
/* 0: the access does not move along the axis; -1: by how much is not a number. */
int64_t ej_stride_along(const ej_access *access, int32_t axis);
/* lower_interleave.c: lanes that lie some elements apart, of which the tile has all: a source, or all of a move's
 * results. False: they are none, nothing was emitted. */
bool ej_load_interleaved(ej_leaf *leaf, ej_leaf_access *access, const ej_lanes *lanes, ej_operand *out);
bool ej_store_interleaved(ej_leaf *leaf, ej_tape *tape);
void ej_late_keep(const ej_late *late, LLVMBasicBlockRef latch); /* at the end of a round */
void ej_late_store(ej_lower *w, const ej_late *late);            /* behind the loop: what the last one left */
/* lower_direct.c: a loop placed a buffer; begins what lasts until its place is left. */
void ej_direct_begin(ej_lower *w, int32_t loop, int32_t buffer);
LLVMValueRef ej_direct_condition(const ej_lower *w, int32_t node); /* under which a node is needed; NULL: always */
bool ej_lower_direct(ej_leaf *leaf, ej_tape *tape); /* a leaf that writes such a buffer; false: it is none */
void ej_lower_prefetch(ej_leaf *leaf);              /* the lines of the source that its hints name */

#endif

/* job.h - what every stage of one compile gets: memory, the error, options, destinations of dumps. */
#ifndef EJ_JOB_H
#define EJ_JOB_H

#include <stdatomic.h>

#include "base_diag.h"
#include "base_memory.h"
#include "base_print.h"
#include "target.h"

/* PASSES: the program after every pass that changed it; STATS: what each pass gained. */
enum ej_stage {
    EJ_STAGE_GRAPH,
    EJ_STAGE_PASSES,
    EJ_STAGE_OPT,
    EJ_STAGE_STATS,
    EJ_STAGE_BIND,
    EJ_STAGE_PATH,
    EJ_STAGE_PLAN,
    EJ_STAGE_SCHEDULE,
    EJ_STAGE_NEST,
    EJ_STAGE_COST,
    EJ_STAGE_STEPS,
    EJ_STAGE_DOT,
    EJ_STAGE_IR,
    EJ_STAGE_ASM,
    EJ_STAGE_KEY,
    EJ_STAGE_TIME,
    EJ_STAGE_COUNT
};
struct ej_opt_watch;

struct ej_job;
/* How passes learn the values of constants, though the stages that compute come behind them: the graph goes through
 * bind, plan and nests, and the interpreter runs it. Graphs have no inputs, and extents are numbers. A status other
 * than OK and E_NOMEM says that it cannot be known now: the program is wrong, or it would take too long. Neither writes
 * job->err but for E_NOMEM. Results lie in job->arena. */
struct ej_graph;
typedef struct ej_measure { /* of one value of the graph */
    int64_t bytes;          /* -1: no result needs it, or it is a literal */
    int64_t elements;
    double work; /* to compute it from its operands, as written: operations and stores */
} ej_measure;
typedef struct ej_evaluated { /* of one result */
    int16_t dtype;
    int32_t rank;
    int64_t *shape;
    void *data; /* row-major */
} ej_evaluated;
typedef struct ej_evaluator {
    int (*measure)(ej_measure *out, const struct ej_graph *graph, struct ej_job *job);    /* one per value */
    int (*evaluate)(ej_evaluated *out, const struct ej_graph *graph, struct ej_job *job); /* one per result */
} ej_evaluator;

/* Who wants to hear how far a compile is, and may end it. One for all jobs of a call, in the arena of the first. */
enum { EJ_ASK_EVERY_NS = 5000000 };
typedef struct ej_progress {
    int (*hook)(void *user, const char *stage, double done); /* NULL: nobody */
    void *user;
    uint64_t next_ns; /* when it is asked again */
    bool interrupted; /* once it said so, whatever is tried instead ends, too */
} ej_progress;

/* EINJIT_RULE_LIMIT: passes stop rewriting after so many applications of rules, so that the one that does harm can be
 * found by halving. One for all jobs of a context. */
typedef struct ej_rule_limit {
    int64_t most;         /* -1: no limit */
    _Atomic int64_t done; /* applications so far, and those that were refused */
    /* The last one that is allowed, at this value (NULL: it has no name). */
    void (*tell)(struct ej_rule_limit *limit, const char *rule, const char *pass, const char *value);
} ej_rule_limit;

typedef struct ej_job {
    ej_arena *arena;                   /* freed when the compile ends: results that live longer are copied out */
    einjit_error *err;                 /* may be NULL */
    const einjit_allocator *allocator; /* for what outlives the job */
    const ej_target *target;
    const char *path_strategy;              /* NULL = auto */
    const struct ej_path_watch *path_watch; /* receives the progress of path searches (path.h); may be NULL */
    bool half_time;                         /* path searches: the other half of the time is for what follows */
    struct ej_path_memo *paths;             /* searched before (path.h); NULL: every search is made */
    const char *recipe;                     /* EINJIT_RECIPE: for all steps that it matches; NULL: recipe.c chooses */
    struct ej_trial *trial; /* a compile that measures asks for recipes step by step (recipe.h); NULL: none does */
    bool strict;            /* only what changes no bit of any result: passes, rules and decisions that are exact */
    bool shares;            /* threads may share loops: else no nest is cut, which is more code (nest_cut.h) */
    bool ordered;           /* sums add up their terms in the order of the program: strict, and programs as written */
    bool verify;            /* check invariants after every stage */
    uint32_t dump;          /* bit EJ_STAGE_x: the stage prints itself ... */
    ej_text *dump_text;     /* ... into this; may be NULL when dump is 0 */
    const ej_evaluator *evaluator; /* NULL: nobody computes; constants stay as they are */
    ej_text *asm_text;             /* backends: assembly goes here; NULL: into dump_text, behind the IR */
    uint32_t *rule_hits;        /* passes: how often each rule of job_rules.def rewrote something; NULL: nobody asks */
    ej_rule_limit *rule_limit;  /* NULL: no limit */
    uint32_t *rewrite_hits;     /* schedules: how often each rewrite was done, then each refusal; NULL: nobody asks */
    ej_progress *progress;      /* NULL: nobody wants to hear of it */
    struct ej_opt_watch *watch; /* passes: who is called around each of them (opt.h); NULL: nobody */
} ej_job;

#define EJ_JOB_NEW(job, type) EJ_NEW((job)->arena, type)
#define EJ_JOB_ARRAY(job, type, n) EJ_NEW_ARRAY((job)->arena, type, (n))

/* What strict and ordered compiles hold back beside whole passes, decisions and rules. In the test build
 * (EINJIT_BREAK_RULES) gates, passes, decisions and rules can be let through on purpose: bits must then differ. */
enum ej_gate {
#define EJ_GATE(NAME, what) EJ_GATE_##NAME,
#include "job_gates.def"
#undef EJ_GATE
    EJ_GATE_COUNT
};
#ifdef EINJIT_BREAK_RULES
extern const char *ej_let_through; /* their names, with commas; NULL: none */
bool ej_is_let_through(const char *name);
bool ej_is_held(bool held, enum ej_gate gate);
#else
static inline bool ej_is_let_through(const char *name)
{
    (void)name;
    return false;
}
static inline bool ej_is_held(bool held, enum ej_gate gate)
{
    (void)gate;
    return held;
}
#endif
/* What prop_worth leaves out, in the test build, to see what it is worth: passes and decisions by their names in their
 * tables, and the further choices of job_options.def. */
enum ej_option {
#define EJ_OPTION(NAME, what) EJ_OPTION_##NAME,
#include "job_options.def"
#undef EJ_OPTION
    EJ_OPTION_COUNT
};
#ifdef EINJIT_BREAK_RULES
extern const char *ej_left_out; /* a name; NULL: none */
bool ej_is_left_out(const char *name);
#else
static inline bool ej_is_left_out(const char *name)
{
    (void)name;
    return false;
}
#endif
#define EJ_LEFT_OUT(NAME) ((void)EJ_OPTION_##NAME, ej_is_left_out(#NAME))

/* `held`: job->strict, job->ordered or step->ordered. */
#define EJ_HELD(held, NAME) ej_is_held((held), EJ_GATE_##NAME)

/* Rules (job_rules.def): one line a rewrite rule. In the test build (EINJIT_BREAK_RULES) one of them can be broken on
 * purpose; the property tests must then see a wrong result. */
enum ej_rule {
#define EJ_RULE(NAME, pass, inputs, from, to, refused, breaks) EJ_RULE_##NAME,
#include "job_rules.def"
#undef EJ_RULE
    EJ_RULE_COUNT
};
typedef struct ej_rule_row {
    const char *name, *pass; /* or decision */
    bool exact;
} ej_rule_row;
extern const ej_rule_row ej_rules[];
/* In a strict compile only exact rules rewrite. Passes whose rules are not all exact ask. */
#define EJ_ALLOWED(job, NAME) (!(job)->strict || ej_rules[EJ_RULE_##NAME].exact || ej_is_let_through(#NAME))
#ifdef EINJIT_BREAK_RULES
extern int ej_broken_rule; /* -1: none */
#define EJ_BROKEN(NAME) (ej_broken_rule == EJ_RULE_##NAME)
#else
#define EJ_BROKEN(NAME) false
#endif

/* To be called every few microseconds or more rarely, wherever work may take long: asks the caller's hook now and then
 * (5 ms). `done`: what part of the stage is behind it, from 0 to 1; -1: unknown. E_INTERRUPTED: the call ends. */
int ej_job_poll_hook(const ej_job *job, int stage, double done);
static inline int ej_job_poll(const ej_job *job, int stage, double done)
{
    return job->progress ? ej_job_poll_hook(job, stage, done) : EINJIT_OK;
}

/* The seed of path strategy "random" or "random:SEED" (at least 1); 0 for every other strategy: no random choices. */
uint64_t ej_job_random(const ej_job *job);

const char *ej_stage_name(int stage);                           /* "graph" ... "time" */
int ej_stage_by_name(const char *name, size_t length);          /* -1 = none */
uint32_t ej_stage_mask(const char *list);                       /* "plan,nest", "all" or "none" */
const char *ej_stage_unknown(const char *list, size_t *length); /* the first word that names no stage; NULL: none */

#endif

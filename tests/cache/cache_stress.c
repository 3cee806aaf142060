/* cache_stress.c - the cache on disk under kill -9, and under many processes at once; prints what it counted.
 *
 *   cache_stress kill N          a process that writes entries is killed N times at any moment: no entry that was there
 *                                is lost or bad, and one scan removes what was left behind
 *   cache_stress many N SECONDS  N processes compile, load and evict in one folder that starts empty: no result is
 *                                wrong, no entry bad
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "api_support.h"
#include "built_module.h"
#include "cache.h"
#include "cache_support.h"

enum { NAMES = 64, LARGEST = 300000 };

typedef struct shared {       /* by all processes */
    atomic_long there[NAMES]; /* that name was renamed to at least once */
    atomic_long writes, uses, hits, kept, rejected, wrong, evicted;
} shared;

static shared *common;
static char *folder;

static uint64_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static int usage(void)
{
    fputs("usage: cache_stress kill N | many N SECONDS\n", stderr);
    return 2;
}

static void name_of(char name[EJ_NAME_ROOM], int i)
{
    snprintf(name, EJ_NAME_ROOM, "%032x%s", (unsigned)i * 2654435761u, EJ_NAME_END);
}

/* ---- kill ---- */

static void write_for_ever(uint64_t seed)
{
    static char code[LARGEST];
    ej_arena arena;
    memset(code, 0x90, sizeof code);
    ej_arena_init(&arena, &ej_malloc_allocator);
    for (;;) {
        int i = (int)(next(&seed) % NAMES), file;
        char name[EJ_NAME_ROOM];
        ej_text bytes;
        ej_cache_entry entry = {.code_entry = 0, .compile_ns = next(&seed)};
        name_of(name, i);
        for (int p = 0; p < EJ_PIECES; p++) entry.pieces[p] = (ej_cache_piece){name, strlen(name)};
        entry.pieces[EJ_PIECE_CODE] = (ej_cache_piece){code, 1 + next(&seed) % LARGEST};
        ej_text_init(&bytes, &arena);
        ej_entry_write(&bytes, &entry);
        if (ej_folder_open(&file, folder, EJ_FOLDER_OWN, false)) _exit(1);
        if (ej_file_write(file, name, bytes.data, bytes.length)) _exit(2);
        ej_folder_close(file);
        atomic_store(&common->there[i], 1);
        atomic_fetch_add(&common->writes, 1);
        ej_arena_clear(&arena);
    }
}

/* Of entries that are known to be there. */
static void look(long *lost, long *bad)
{
    int at;
    *lost = *bad = 0;
    if (ej_folder_open(&at, folder, EJ_FOLDER_OWN, false)) abort();
    for (int i = 0; i < NAMES; i++) {
        char name[EJ_NAME_ROOM];
        void *bytes;
        size_t n;
        int64_t age;
        ej_cache_entry entry;
        name_of(name, i);
        int fault = ej_file_read(at, name, EJ_FOLDER_OWN, &ej_malloc_allocator, &bytes, &n, &age);
        *lost += fault && atomic_load(&common->there[i]);
        if (fault) continue;
        *bad += ej_entry_read(&entry, bytes, n) != NULL;
        ej_release(&ej_malloc_allocator, bytes, n);
    }
    ej_folder_close(at);
}

static int kill_writers(long n)
{
    uint64_t state = 12345, swept;
    long lost = 0, bad = 0, more_lost, more_bad, ended = 0, reach = 3000000;
    size_t left, after;
    for (long k = 0; k < n; k++) {
        int status;
        pid_t child = fork();
        if (child < 0) return 1;
        if (!child) write_for_ever((uint64_t)k * 77 + 1);
        nanosleep(&(struct timespec){0, (long)(next(&state) % (uint64_t)reach)}, NULL);
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        ended += !WIFSIGNALED(status); /* it failed by itself */
        /* on a busy machine a writer takes longer than that to begin */
        if (k % 30 == 29 && !atomic_load(&common->writes) && reach < 500000000) reach *= 4;
        if (k % 16 && k != n - 1) continue;
        look(&more_lost, &more_bad);
        lost += more_lost;
        bad += more_bad;
    }
    cache_count(folder, &left);
    int at;
    if (ej_folder_open(&at, folder, EJ_FOLDER_OWN, false)) return 1;
    ej_folder_trim(at, UINT64_MAX, UINT64_MAX, &swept, &ej_malloc_allocator);
    ej_folder_close(at);
    cache_count(folder, &after);
    printf("%ld kills, %ld writes: %ld entries lost, %ld bad, %ld writers failed; %zu files left behind, %zu after a "
           "scan\n",
           n, atomic_load(&common->writes), lost, bad, ended, left, after);
    return lost || bad || ended || after || !atomic_load(&common->writes);
}

/* ---- many ---- */

enum { SHAPES = 60, SMALL_LIMIT = 40000 };

static void use_once(int64_t n)
{
    float ones[SHAPES * 5 + 5], out[5] = {0};
    einjit_options o = {.struct_bytes = sizeof o, .cache_dir = folder, .disk_bytes = SMALL_LIMIT};
    einjit_context *context;
    einjit_statistics s = {.struct_bytes = sizeof s};
    for (int64_t i = 0; i < n * 5; i++) ones[i] = 1;
    if (einjit_context_create(&context, &o, NULL)) _exit(1);
    int status =
        einjit_einsum(context, "zi,zi->i", 2, (einjit_tensor[]){F32(ones, n, 5), F32(ones, n, 5)}, &F32(out, 5), NULL);
    einjit_context_statistics(context, &s, NULL);
    einjit_context_release(context);
    for (int i = 0; i < 5; i++) status |= out[i] != (float)n;
    atomic_fetch_add(&common->uses, 1);
    atomic_fetch_add(&common->wrong, status != 0);
    atomic_fetch_add(&common->hits, (long)s.disk_hits);
    atomic_fetch_add(&common->kept, (long)s.disk_writes);
    atomic_fetch_add(&common->rejected, (long)s.disk_rejected);
    atomic_fetch_add(&common->evicted, (long)s.disk_evictions);
}

static void use_until(time_t end, uint64_t seed)
{
    while (time(NULL) < end) use_once(1 + (int64_t)(next(&seed) % SHAPES));
    _exit(0);
}

static int many(long n, long seconds)
{
    time_t end = time(NULL) + seconds;
    int failed = 0, status;
    size_t left;
    for (long p = 0; p < n; p++) {
        pid_t child = fork();
        if (child < 0) return 1;
        if (!child) use_until(end, (uint64_t)p * 991 + 3);
    }
    for (long p = 0; p < n; p++) failed += wait(&status) < 0 || status != 0;
    size_t entries = cache_count(folder, &left);
    printf("%ld processes, %ld uses: %ld wrong, %ld hits, %ld kept, %ld bad entries, %ld evicted; %zu entries and %zu "
           "other files at "
           "the end; %d processes failed\n",
           n, atomic_load(&common->uses), atomic_load(&common->wrong), atomic_load(&common->hits),
           atomic_load(&common->kept), atomic_load(&common->rejected), atomic_load(&common->evicted), entries, left,
           failed);
    return failed || atomic_load(&common->wrong) || atomic_load(&common->rejected) || left ||
           !atomic_load(&common->hits);
}

int main(int argc, char **argv)
{
    int status = 2;
    use_built_module();
    common = mmap(NULL, sizeof *common, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (common == MAP_FAILED || argc < 3) return usage();
    folder = cache_folder_make();
    if (!strcmp(argv[1], "kill")) status = kill_writers(atol(argv[2]));
    else if (!strcmp(argv[1], "many") && argc > 3) status = api_has_llvm() ? many(atol(argv[2]), atol(argv[3])) : 0;
    else usage();
    cache_folder_remove(folder);
    return status;
}

/* cache_start.c - from the start of a process to its first result, with the kernel on disk; beside a process that does
 * nothing.
 *
 *   cache_start EMPTY [N]      N (200) starts of both, alternating; prints medians and least times. Fails where a warm
 *                              start maps LLVM, computes something else, or takes 1 ms more than EMPTY (least times:
 *                              other work on the machine is none of its own)
 *   cache_start result WARM    one of them: computes, and with WARM 1 looks at its own mappings
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <einjit/einjit.h>

extern char **environ;

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* ---- the process ---- */

static int maps_llvm(void)
{
    char line[1024];
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    if (!maps) return 0;
    while (fgets(line, sizeof line, maps)) found |= strstr(line, "LLVM") || strstr(line, "llvm");
    fclose(maps);
    return found;
}

static int result(int warm)
{
    static float a[10][4][5], b[10][5][8], v[10][8], out[10][4];
    static const int64_t shapes[4][3] = {{10, 4, 5}, {10, 5, 8}, {10, 8}, {10, 4}};
    const einjit_tensor in[3] = {
        {a, EINJIT_F32, 3, shapes[0], NULL}, {b, EINJIT_F32, 3, shapes[1], NULL}, {v, EINJIT_F32, 2, shapes[2], NULL}};
    const einjit_tensor to = {out, EINJIT_F32, 2, shapes[3], NULL};
    for (int i = 0; i < 200; i++) (&a[0][0][0])[i] = 1;
    for (int i = 0; i < 400; i++) (&b[0][0][0])[i] = 1;
    for (int i = 0; i < 80; i++) (&v[0][0])[i] = 1;
    einjit_context *context;
    if (einjit_context_create(&context, NULL, NULL)) return 4;
    if (einjit_einsum(context, "zij,zjk,zk->zi", 3, in, &to, NULL)) return 5;
    for (int i = 0; i < 40; i++)
        if ((&out[0][0])[i] != 40) return 6;
    int mapped = warm && maps_llvm();
    einjit_context_release(context);
    return mapped ? 3 : 0;
}

/* ---- both, from outside ---- */

static double start(char *const *arguments, int *status)
{
    pid_t child;
    double begin = now_ms();
    if (posix_spawn(&child, arguments[0], NULL, NULL, arguments, environ)) return -1;
    if (waitpid(child, status, 0) < 0) return -1;
    return now_ms() - begin;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    enum { MOST = 10000 };
    static double times[2][MOST];
    if (argc == 3 && !strcmp(argv[1], "result")) return result(atoi(argv[2]));
    int n = argc > 2 ? atoi(argv[2]) : 200, status = 0;
    if (argc < 2 || n < 1 || n > MOST) return 2;
    char folder[] = "/tmp/einjit-start-XXXXXX", remove[64];
    if (!mkdtemp(folder)) return 1;
    setenv("EINJIT_CACHE_DIR", folder, 1);
    char *empty[] = {argv[1], NULL}, *cold[] = {argv[0], "result", "0", NULL}, *warm[] = {argv[0], "result", "1", NULL};
    double first = start(cold, &status);
    for (int i = 0; i < n && !status; i++) {
        times[0][i] = start(empty, &status);
        if (!status) times[1][i] = start(warm, &status);
    }
    snprintf(remove, sizeof remove, "rm -rf %s", folder);
    if (system(remove)) fputs("the folder stays\n", stderr);
    if (status || first < 0) {
        fprintf(stderr, "a process gives %d%s\n", WEXITSTATUS(status),
                WEXITSTATUS(status) == 3 ? ": LLVM is mapped" : "");
        return 1;
    }
    for (int k = 0; k < 2; k++) qsort(times[k], (size_t)n, sizeof times[k][0], compare);
    double least = times[1][0] - times[0][0], median = times[1][n / 2] - times[0][n / 2];
    printf("start to first result: %.3f ms above an empty process (medians of %d: %.3f and %.3f), %.3f of the least; "
           "LLVM not mapped; cold %.1f ms\n",
           median, n, times[1][n / 2], times[0][n / 2], least, first);
    return least >= 1;
}

/* base_cpus.c - which CPUs a thread may use, and how many of them at a time.
 *
 * Takes  the affinity mask of the calling thread, and what the kernel says of control groups, of either version.
 * Gives  a number of threads that run at the same time; and that mask, for threads that are made later.
 * Keeps  to whole CPUs: a quota of one and a half would have two threads stand still for a quarter of the time.
 */
#include "base_cpus.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_ROOM = 4096 };

/* Whole CPUs of a quota and a period in microseconds; INT32_MAX: there is none. */
static int32_t whole(long long quota, long long period)
{
    if (quota <= 0 || period <= 0 || quota / period >= INT32_MAX) return INT32_MAX;
    return quota < period ? 1 : (int32_t)(quota / period);
}

static bool read_line(const char *path, char *line, size_t room)
{
    FILE *file = fopen(path, "re");
    bool read = file && fgets(line, (int)room, file);
    if (file) (void)fclose(file);
    return read;
}

/* "max 100000" or "150000 100000" */
static int32_t quota_of_v2(const char *folder)
{
    char path[PATH_ROOM + 32], line[64], *end;
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    if (!read_line(path, line, sizeof line)) return INT32_MAX;
    long long quota = strtoll(line, &end, 10);
    return end == line ? INT32_MAX : whole(quota, strtoll(end, NULL, 10));
}

static int32_t quota_of_v1(const char *folder)
{
    char path[PATH_ROOM + 32], quota[64], period[64];
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
    if (!read_line(path, quota, sizeof quota)) return INT32_MAX;
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    if (!read_line(path, period, sizeof period)) return INT32_MAX;
    return whole(strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
}

/* The least of a group and those that it is in, up to where they are mounted. */
static int32_t least_quota(const char *mount, const char *group, int32_t (*quota_of)(const char *folder))
{
    char folder[PATH_ROOM];
    int n = snprintf(folder, sizeof folder, "%s%s", mount, group);
    int32_t least = INT32_MAX;
    if (n < 0 || (size_t)n >= sizeof folder) return least;
    for (size_t length = (size_t)n, end = strlen(mount);;) {
        int32_t one = quota_of(folder);
        if (one < least) least = one;
        while (length > end && folder[length - 1] != '/') length--;
        if (length <= end) return least;
        folder[--length] = 0;
    }
}

/* Is "cpu" one of the words of a list with commas? */
static bool names_cpu(const char *list)
{
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        size_t length = strcspn(at, ",");
        if (length == 3 && !memcmp(at, "cpu", 3)) return true;
    }
    return false;
}

/* A line of the file: number:controllers:group; no controllers: version 2. */
static int32_t quota_of_line(char *line, const char *root)
{
    char mount[PATH_ROOM];
    line[strcspn(line, "\n")] = 0;
    char *list = strchr(line, ':'), *group = list ? strchr(list + 1, ':') : NULL;
    if (!group) return INT32_MAX;
    *group++ = 0;
    list++;
    if (!*list) return least_quota(root, group, quota_of_v2);
    if (!names_cpu(list)) return INT32_MAX;
    snprintf(mount, sizeof mount, "%s/cpu", root); /* a link where several controllers are mounted together */
    return least_quota(mount, group, quota_of_v1);
}

int32_t ej_cpus_quota(const char *self, const char *root)
{
    char line[PATH_ROOM];
    int32_t least = INT32_MAX;
    FILE *file = fopen(self, "re");
    while (file && fgets(line, sizeof line, file)) {
        int32_t one = quota_of_line(line, root);
        if (one < least) least = one;
    }
    if (file) (void)fclose(file);
    return least;
}

static int32_t affinity(void)
{
#ifdef __linux__
    enum { MOST = 1 << 16 };
    for (int n = 1024; n <= MOST; n *= 4) { /* the kernel's own mask may be longer */
        cpu_set_t *set = CPU_ALLOC((size_t)n);
        if (!set) break;
        bool read = sched_getaffinity(0, CPU_ALLOC_SIZE((size_t)n), set) == 0;
        int count = read ? CPU_COUNT_S(CPU_ALLOC_SIZE((size_t)n), set) : 0;
        CPU_FREE(set);
        if (count > 0) return count;
    }
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 && online < INT32_MAX ? (int32_t)online : 1;
}

int32_t ej_cpus_allowed(void)
{
    int32_t cpus = affinity(), quota = ej_cpus_quota("/proc/self/cgroup", "/sys/fs/cgroup");
    return cpus < quota ? cpus : quota;
}

void ej_cpus_read(ej_cpus *out)
{
    memset(out, 0, sizeof *out);
#ifdef __linux__
    out->known = sched_getaffinity(0, sizeof out->mask, (cpu_set_t *)(void *)out->mask) == 0;
#endif
}

/* A mask that is set is remembered through later changes of the thread's cpuset, so that equal ones are not. */
void ej_cpus_confine(const ej_cpus *cpus)
{
    ej_cpus now;
    ej_cpus_read(&now);
    if (!cpus->known || !now.known || !memcmp(now.mask, cpus->mask, sizeof now.mask)) return;
#ifdef __linux__
    (void)sched_setaffinity(0, sizeof cpus->mask, (const cpu_set_t *)(const void *)cpus->mask);
#endif
}

/* base_cpus.h - which CPUs a thread may use, and how many of them at a time. */
#ifndef EJ_BASE_CPUS_H
#define EJ_BASE_CPUS_H

#include <stdbool.h>
#include <stdint.h>

/* At least 1: those of the affinity mask, no more than the quotas of its control groups pay for. Costs a few files. */
int32_t ej_cpus_allowed(void);
/* Whole CPUs that the quotas of a process's control groups pay for, at least 1; INT32_MAX: there is no quota. `self`:
 * its file "cgroup" in /proc; `root`: where control groups are mounted. */
int32_t ej_cpus_quota(const char *self, const char *root);

/* An affinity mask of up to EJ_CPUS_MOST CPUs. */
enum { EJ_CPUS_MOST = 1024 };
typedef struct ej_cpus {
    bool known; /* false: the system has none, or a longer one */
    _Alignas(8) unsigned char mask[EJ_CPUS_MOST / 8];
} ej_cpus;

void ej_cpus_read(ej_cpus *out); /* the calling thread's */
/* The calling thread to those. What the system refuses, and what is not known, stays as it is. */
void ej_cpus_confine(const ej_cpus *cpus);

#endif

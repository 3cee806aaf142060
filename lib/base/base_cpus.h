/* base_cpus.h - how many CPUs this process may use at a time. */
#ifndef EJ_BASE_CPUS_H
#define EJ_BASE_CPUS_H

#include <stdint.h>

/* At least 1: those of the affinity mask, no more than the quotas of its control groups pay for. Costs a few files. */
int32_t ej_cpus_allowed(void);
/* Whole CPUs that the quotas of a process's control groups pay for, at least 1; INT32_MAX: there is no quota. `self`:
 * its file "cgroup" in /proc; `root`: where control groups are mounted. */
int32_t ej_cpus_quota(const char *self, const char *root);

#endif

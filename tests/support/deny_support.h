/* deny_support.h - takes executable memory away from this process, for the rest of its life. */
#ifndef TEST_DENY_SUPPORT_H
#define TEST_DENY_SUPPORT_H

#if defined(__linux__) && defined(__x86_64__)
#define TEST_CAN_DENY 1
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif

/* No mprotect makes memory executable, as under systemd's MemoryDenyWriteExecute. False: before Linux 6.3. */
static inline bool deny_making_executable(void)
{
    return prctl(PR_SET_MDWE, 1UL, 0UL, 0UL, 0UL) == 0;
}

static inline bool deny_memory_files(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}
#endif

#endif

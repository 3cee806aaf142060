/* tool_mpi.h - processes that MPI started together. What MPI is, a module knows (mpi/), which is loaded when it is
 * asked for: the commands need no MPI. */
#ifndef TOOL_MPI_H
#define TOOL_MPI_H

#include <stddef.h>

/* Calls return 0, or what is not. Messages between two processes arrive in the order in which they were sent. */
typedef struct tool_mpi {
    int version;                              /* TOOL_MPI_VERSION */
    int (*begin)(int *rank, int *n_ranks);    /* before all others; rank: 0 .. n_ranks-1, of this process */
    int (*send)(const void *bytes, size_t n); /* to rank 0 */
    int (*receive)(int from, void *bytes, size_t n);
    int (*wait)(void);     /* until all ranks wait */
    void (*give_up)(void); /* ends all ranks */
    void (*end)(void);     /* after all others; all ranks */
} tool_mpi;
enum { TOOL_MPI_VERSION = 1 };

/* The module, from the folder of libeinjit or its folder einjit/ (EINJIT_MPI_MODULE names another file), loaded for
 * good. TOOL_OK, or TOOL_FAILED after a message. */
int tool_mpi_load(const tool_mpi **out);

#endif

/* einjit_mpi.c - the module einjit-mpi: what tool_mpi.h says, by the MPI library that this was built with. */
#include <mpi.h>

#include "tool_mpi.h"

enum { TAG = 1, MOST_BYTES = 1 << 30 }; /* of a message: MPI counts them in an int */

static int begin(int *rank, int *n_ranks)
{
    if (MPI_Init(NULL, NULL)) return 1;
    return MPI_Comm_rank(MPI_COMM_WORLD, rank) || MPI_Comm_size(MPI_COMM_WORLD, n_ranks);
}

static int piece(size_t left)
{
    return left < MOST_BYTES ? (int)left : MOST_BYTES;
}

static int send(const void *bytes, size_t n)
{
    for (size_t at = 0; at < n; at += MOST_BYTES)
        if (MPI_Send((const char *)bytes + at, piece(n - at), MPI_BYTE, 0, TAG, MPI_COMM_WORLD)) return 1;
    return 0;
}

static int receive(int from, void *bytes, size_t n)
{
    for (size_t at = 0; at < n; at += MOST_BYTES)
        if (MPI_Recv((char *)bytes + at, piece(n - at), MPI_BYTE, from, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE))
            return 1;
    return 0;
}

static int wait_for_all(void)
{
    return MPI_Barrier(MPI_COMM_WORLD);
}

static void give_up(void)
{
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static void end(void)
{
    MPI_Finalize();
}

__attribute__((visibility("default"))) const tool_mpi einjit_mpi = {
    .version = TOOL_MPI_VERSION,
    .begin = begin,
    .send = send,
    .receive = receive,
    .wait = wait_for_all,
    .give_up = give_up,
    .end = end,
};

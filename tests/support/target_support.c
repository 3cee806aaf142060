/* target_support.c - rows above this CPU with the instructions of its own row. */
#include "target_support.h"

#include <assert.h>

const ej_target *target_row(int row)
{
    static ej_target copies[8];
    const ej_target *wanted = &ej_targets[row], *host = ej_target_host();
    if (ej_target_runs_here(wanted)) return wanted;
    assert(row < (int)(sizeof copies / sizeof *copies));
    copies[row] = *wanted;
    copies[row].runs_here = host->runs_here;
    copies[row].cpu = host->cpu;
    copies[row].features = host->features;
    copies[row].pairs = wanted->pairs && host->pairs;
    return &copies[row];
}

/* target_support.h - every row of the table of targets on whatever CPU the tests meet. */
#ifndef EJ_TARGET_SUPPORT_H
#define EJ_TARGET_SUPPORT_H

#include "target.h"

/* The row of ej_targets. Where this CPU lacks its instructions, a copy that has them from the host's row: vectors,
 * registers and masks, of which schedules and nests are made, are the row's, and LLVM splits what is wider than the
 * host. Its name is the row's. Static storage, the same pointer for the same row. Not thread-safe. */
const ej_target *target_row(int row);

#endif

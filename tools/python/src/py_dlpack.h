/* py_dlpack.h - the part of DLPack's binary interface (1.x) that the extension reads and writes: tensors, capsules, and
 * the table of functions that a type offers as __dlpack_c_exchange_api__.
 */
#ifndef EJ_PY_DLPACK_H
#define EJ_PY_DLPACK_H

#include <stdint.h>

enum { DL_CPU = 1, DL_MAJOR = 1, DL_READ_ONLY = 1 };
enum { DL_INT = 0, DL_UINT = 1, DL_FLOAT = 2, DL_BFLOAT = 4, DL_COMPLEX = 5, DL_BOOL = 6 };

typedef struct dl_version {
    uint32_t major, minor;
} dl_version;

typedef struct dl_tensor {
    void *data;
    int32_t device_type, device_id;
    int32_t rank;
    uint8_t code, bits; /* dtype */
    uint16_t lanes;
    int64_t *shape, *strides; /* in elements; strides may be NULL: row-major */
    uint64_t byte_offset;
} dl_tensor;

/* In capsules called "dltensor"; before 1.0. */
typedef struct dl_managed {
    dl_tensor tensor;
    void *manager;
    void (*deleter)(struct dl_managed *self);
} dl_managed;

/* In capsules called "dltensor_versioned". */
typedef struct dl_versioned {
    dl_version version;
    void *manager;
    void (*deleter)(struct dl_versioned *self);
    uint64_t flags;
    dl_tensor tensor;
} dl_versioned;

/* In capsules called "dlpack_exchange_api". All of it is called with the GIL held. */
typedef struct dl_exchange {
    dl_version version;
    struct dl_exchange *previous;
    int (*allocate)(dl_tensor *prototype, dl_versioned **out, void *user,
                    void (*fail)(void *user, const char *kind, const char *message));
    int (*from_object)(void *object, dl_versioned **out);
    int (*to_object)(dl_versioned *tensor, void **out);
    int (*view_object)(void *object, dl_tensor *out); /* borrowed from the object; may be NULL */
    int (*current_stream)(int32_t device_type, int32_t device_id, void **out);
} dl_exchange;

#endif

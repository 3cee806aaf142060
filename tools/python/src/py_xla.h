/* py_xla.h - the part of XLA's binary interface for foreign functions (api_version 0.3, c_api.h of jaxlib) that the
 * extension reads and writes: buffers, attributes and errors of one call. The interface only grows, and says in each
 * struct how large it is.
 */
#ifndef EJ_PY_XLA_H
#define EJ_PY_XLA_H

#include <stddef.h>
#include <stdint.h>

enum { XLA_MAJOR = 0, XLA_MINOR = 3 };
enum { XLA_EXTENSION_METADATA = 1, XLA_ATTRIBUTE_STRING = 4, XLA_STAGE_EXECUTE = 3 };
enum { XLA_RESOURCE_EXHAUSTED = 8, XLA_INVALID_ARGUMENT = 3 };
enum {
    XLA_PRED = 1,
    XLA_S8 = 2,
    XLA_S16 = 3,
    XLA_S32 = 4,
    XLA_S64 = 5,
    XLA_U8 = 6,
    XLA_F16 = 10,
    XLA_F32 = 11,
    XLA_F64 = 12,
    XLA_C64 = 15,
    XLA_BF16 = 16,
    XLA_C128 = 18
};

typedef struct xla_extension {
    size_t struct_size;
    int type;
    struct xla_extension *next;
} xla_extension;

typedef struct xla_version {
    size_t struct_size;
    xla_extension *extensions;
    int major, minor;
} xla_version;

typedef struct xla_metadata {
    size_t struct_size;
    xla_version version;
    uint32_t traits;
    int64_t state; /* its type's number; since jaxlib 0.10 */
} xla_metadata;

typedef struct xla_metadata_extension {
    xla_extension base;
    xla_metadata *metadata;
} xla_metadata_extension;

typedef struct xla_error xla_error;
typedef struct xla_error_create {
    size_t struct_size;
    xla_extension *extensions;
    const char *message;
    int code;
} xla_error_create;

typedef struct xla_api {
    size_t struct_size;
    xla_extension *extensions;
    xla_version version;
    const void *internal;
    xla_error *(*create_error)(xla_error_create *args);
} xla_api;

typedef struct xla_buffer {
    size_t struct_size;
    xla_extension *extensions;
    int dtype;
    void *data;
    int64_t rank;
    int64_t *shape;
} xla_buffer;

typedef struct xla_text {
    const char *text;
    size_t length;
} xla_text;

/* Arguments, results and attributes are lists alike; attributes have names. */
typedef struct xla_list {
    size_t struct_size;
    xla_extension *extensions;
    int64_t n;
    int *types;
    void **items;
} xla_list;

typedef struct xla_attributes {
    size_t struct_size;
    xla_extension *extensions;
    int64_t n;
    int *types;
    xla_text **names;
    void **items;
} xla_attributes;

typedef struct xla_call {
    size_t struct_size;
    xla_extension *extensions;
    const xla_api *api;
    void *context;
    int stage;
    xla_list args, results;
    xla_attributes attributes;
} xla_call;

#endif

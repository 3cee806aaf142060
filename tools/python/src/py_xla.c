/* py_xla.c - a program as a foreign function of XLA: what einjit.jax puts into jax's graphs.
 *
 * Takes  XLA's call: buffers, row-major, and the program's text as the attribute "program".
 * Gives  results in XLA's buffers; errors as XLA's.
 * Keeps  the graph of every text that was met. Runs on XLA's threads without the GIL; kernels are found in the
 *        library's cache by the signature of the buffers.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "py_einjit.h"
#include "py_xla.h"

/* ---- programs by their text ---- */

typedef struct known_text {
    struct known_text *next;
    einjit_graph *graph;
    size_t length;
    char text[];
} known_text;
enum { TEXTS = 256 };
static known_text *known_texts[TEXTS];
static pthread_mutex_t texts_lock = PTHREAD_MUTEX_INITIALIZER;

static size_t place_of(const xla_text *text)
{
    size_t h = text->length;
    for (size_t i = 0; i < text->length; i++) h = h * 31 + (unsigned char)text->text[i];
    return h % TEXTS;
}

static int learn_text(known_text **out, const xla_text *text, einjit_error *err)
{
    known_text *made = malloc(sizeof *made + text->length + 1);
    *err = (einjit_error){.code = EINJIT_E_NOMEM, .text = "out of memory"};
    if (!made) return EINJIT_E_NOMEM;
    *made = (known_text){.length = text->length};
    memcpy(made->text, text->text, text->length);
    made->text[text->length] = 0;
    int status = einjit_graph_parse(&made->graph, py_known_context(), made->text, text->length, err);
    if (status) free(made);
    else *out = made;
    return status;
}

static int find_graph(einjit_graph **out, const xla_text *text, einjit_error *err)
{
    known_text **slot = &known_texts[place_of(text)], *found;
    int status = EINJIT_OK;
    pthread_mutex_lock(&texts_lock);
    for (found = *slot; found; found = found->next)
        if (found->length == text->length && !memcmp(found->text, text->text, text->length)) break;
    if (!found && !(status = learn_text(&found, text, err))) {
        found->next = *slot;
        *slot = found;
    }
    pthread_mutex_unlock(&texts_lock);
    if (!status) *out = found->graph;
    return status;
}

static const xla_text *program_of(const xla_attributes *attributes)
{
    for (int64_t i = 0; i < attributes->n; i++) {
        const xla_text *name = attributes->names[i];
        if (attributes->types[i] == XLA_ATTRIBUTE_STRING && name->length == 7 && !memcmp(name->text, "program", 7))
            return attributes->items[i];
    }
    return NULL;
}

/* ---- calls ---- */

static int dtype_of(int dtype)
{
    switch (dtype) {
    case XLA_PRED: return EINJIT_BOOL;
    case XLA_S8: return EINJIT_I8;
    case XLA_U8: return EINJIT_U8;
    case XLA_S16: return EINJIT_I16;
    case XLA_S32: return EINJIT_I32;
    case XLA_S64: return EINJIT_I64;
    case XLA_F16: return EINJIT_F16;
    case XLA_BF16: return EINJIT_BF16;
    case XLA_F32: return EINJIT_F32;
    case XLA_F64: return EINJIT_F64;
    case XLA_C64: return EINJIT_C64;
    case XLA_C128: return EINJIT_C128;
    default: return -1;
    }
}

static bool read_buffers(einjit_tensor *out, const xla_list *list)
{
    for (int64_t i = 0; i < list->n; i++) {
        const xla_buffer *b = list->items[i];
        out[i] = (einjit_tensor){b->data, dtype_of(b->dtype), (int32_t)b->rank, b->shape, NULL};
        if (out[i].dtype < 0) return false;
    }
    return true;
}

static xla_error *fail(const xla_api *api, int code, const char *text)
{
    return api->create_error(&(xla_error_create){sizeof(xla_error_create), NULL, text, code});
}

static xla_error *run_program(const xla_call *call)
{
    enum { SMALL = 16 };
    const xla_text *program = program_of(&call->attributes);
    size_t n_in = (size_t)call->args.n, n_out = (size_t)call->results.n;
    einjit_tensor small[SMALL], *tensors = n_in + n_out <= SMALL ? small : calloc(n_in + n_out, sizeof *tensors);
    einjit_graph *graph;
    einjit_error err;
    xla_error *failed = NULL;
    if (!tensors) return fail(call->api, XLA_RESOURCE_EXHAUSTED, "out of memory");
    if (!program) failed = fail(call->api, XLA_INVALID_ARGUMENT, "einjit: no attribute \"program\"");
    else if (!read_buffers(tensors, &call->args) || !read_buffers(tensors + n_in, &call->results))
        failed = fail(call->api, XLA_INVALID_ARGUMENT, "einjit: a dtype that programs do not have");
    else if (find_graph(&graph, program, &err) ||
             einjit_call(py_known_context(), graph, n_in, tensors, n_out, tensors + n_in, &err))
        failed = fail(call->api, XLA_INVALID_ARGUMENT, err.text);
    if (tensors != small) free(tensors);
    return failed;
}

/* What XLA made has all that is read here, `field` and what is in front of it. */
#define COVERS(object, type, field) ((object)->struct_size >= offsetof(type, field) + sizeof(object)->field)

static xla_error *describe(const xla_call *call)
{
    const xla_metadata_extension *extension = (const xla_metadata_extension *)call->extensions;
    if (!COVERS(&extension->base, xla_extension, next) || !COVERS(extension->metadata, xla_metadata, traits))
        return fail(call->api, XLA_INVALID_ARGUMENT, "einjit: jaxlib has metadata of another form");
    xla_metadata *metadata = extension->metadata;
    metadata->version = (xla_version){sizeof(xla_version), NULL, XLA_MAJOR, XLA_MINOR};
    metadata->traits = 0;
    if (COVERS(metadata, xla_metadata, state)) metadata->state = 0; /* there is none */
    return NULL;
}

static xla_error *handle(xla_call *call)
{
    if (call->api->version.major != XLA_MAJOR || !COVERS(call, xla_call, attributes))
        return fail(call->api, XLA_INVALID_ARGUMENT, "einjit: jaxlib has another interface for foreign functions");
    if (call->extensions && call->extensions->type == XLA_EXTENSION_METADATA) return describe(call);
    if (call->stage != XLA_STAGE_EXECUTE) return NULL;
    py_in_xla = true;
    xla_error *failed = run_program(call);
    py_in_xla = false;
    return failed;
}

PyObject *py_xla_handler(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    if (!py_context()) return NULL; /* made here, where an error can be raised */
    uintptr_t address = (uintptr_t)handle;
    return PyCapsule_New((void *)address, NULL, NULL);
}

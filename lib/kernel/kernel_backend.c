/* kernel_backend.c - the code generator module, loaded once per context on the first miss.
 *
 * Takes  the context's module path, or the places where the module is installed.
 * Gives  the backend's table; E_BACKEND says where it was looked for and what the loader said.
 * Keeps  the module loaded for the rest of the process: kernels do not need it (they are images of their own), but LLVM
 *        does not survive being unloaded and loaded again.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel.h"
#include "kernel_isolate.h"

#ifndef EINJIT_MODULE_FILE
#define EINJIT_MODULE_FILE "libeinjit-llvm.so"
#endif
#ifndef EINJIT_MODULE_DIR
#define EINJIT_MODULE_DIR "/usr/local/lib/einjit"
#endif

static int accept_backend(const ej_backend **out, ej_codegen_fn codegen, const char *path, einjit_error *err)
{
    static const ej_host host = {.abi = EJ_BACKEND_ABI};
    const ej_backend *backend = codegen(&host);
    if (!backend || backend->abi != EJ_BACKEND_ABI || !backend->compile)
        return ej_fail(err, EINJIT_E_BACKEND, "the code generator %s is of another version than this library", path);
    *out = backend;
    return EINJIT_OK;
}

#ifdef EINJIT_STATIC_CODEGEN

static int find_backend(einjit_context *context, const ej_backend **out, einjit_error *err)
{
    (void)context;
    return accept_backend(out, einjit_codegen, "that is linked in", err);
}

bool ej_backend_locate(const einjit_context *context, char path[EJ_PATH_ROOM])
{
    static const char here = 0;
    Dl_info info;
    (void)context;
    if (!dladdr(&here, &info) || !info.dli_fname) return false;
    snprintf(path, EJ_PATH_ROOM, "%s", info.dli_fname);
    return true;
}

int ej_backend_find(const einjit_context *context, char path[EJ_PATH_ROOM], einjit_error *err)
{
    if (ej_backend_locate(context, path)) return EINJIT_OK;
    return ej_fail(err, EINJIT_E_BACKEND, "it is not known which file this library is");
}

#else

static int open_module(einjit_context *context, const char *path, const ej_backend **out, einjit_error *err)
{
    char room[EJ_PATH_ROOM];
    EJ_TRY(ej_module_check(context, &path, room, err));
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) return ej_fail(err, EINJIT_E_BACKEND, "the code generator cannot be loaded: %s", dlerror());
    void *symbol = dlsym(handle, "einjit_codegen");
    if (!symbol) return ej_fail(err, EINJIT_E_BACKEND, "%s is not a code generator of einjit", path);
    ej_codegen_fn codegen;
    memcpy(&codegen, &symbol, sizeof codegen); /* ISO C has no cast from an object's to a function's address */
    EJ_TRY(accept_backend(out, codegen, path, err));
    context->backend_handle = handle;
    return EINJIT_OK;
}

/* The folder that libeinjit (or the program it is part of) was loaded from, with its last slash; 0: not known. */
static size_t own_folder(const char **folder)
{
    static const char here = 0;
    Dl_info info;
    if (!dladdr(&here, &info) || !info.dli_fname) return 0;
    const char *slash = strrchr(info.dli_fname, '/');
    *folder = info.dli_fname;
    return slash ? (size_t)(slash - info.dli_fname) + 1 : 0;
}

enum { PLACES = 3 };

/* The first of the usual places where there is a file; NULL: none has. */
static const char *look_around(char places[PLACES][EJ_PATH_ROOM])
{
    const char *folder = "";
    int n = (int)own_folder(&folder);
    snprintf(places[0], EJ_PATH_ROOM, "%.*s%s", n, folder, EINJIT_MODULE_FILE);
    snprintf(places[1], EJ_PATH_ROOM, "%.*seinjit/%s", n, folder, EINJIT_MODULE_FILE);
    snprintf(places[2], EJ_PATH_ROOM, "%s/%s", EINJIT_MODULE_DIR, EINJIT_MODULE_FILE);
    for (int i = n ? 0 : 2; i < PLACES; i++)
        if (access(places[i], F_OK) == 0) return places[i];
    return NULL;
}

/* A path without a folder is looked for by the loader, in places of its own. */
bool ej_backend_locate(const einjit_context *context, char path[EJ_PATH_ROOM])
{
    char places[PLACES][EJ_PATH_ROOM];
    const char *given = context->module_path, *found = given;
    if (!given) found = look_around(places);
    else if (strchr(given, '/') && access(given, F_OK) != 0) found = NULL;
    if (!found) return false;
    snprintf(path, EJ_PATH_ROOM, "%s", found);
    return true;
}

int ej_backend_find(const einjit_context *context, char path[EJ_PATH_ROOM], einjit_error *err)
{
    char places[PLACES][EJ_PATH_ROOM];
    if (ej_backend_locate(context, path)) return EINJIT_OK;
    if (context->module_path)
        return ej_fail(err, EINJIT_E_BACKEND, "there is no code generator %s", context->module_path);
    (void)look_around(places);
    return ej_fail(err, EINJIT_E_BACKEND,
                   "the code generator was not found; looked for %s, %s, %s (EINJIT_MODULE names it; "
                   "the backend 'interp' works without)",
                   places[0], places[1], places[2]);
}

/* The failure of a module that is there and does not load (a missing libLLVM, say) is the answer: it is what the user
 * must hear about. */
static int find_backend(einjit_context *context, const ej_backend **out, einjit_error *err)
{
    char path[EJ_PATH_ROOM];
    if (context->module_path) return open_module(context, context->module_path, out, err);
    EJ_TRY(ej_backend_find(context, path, err));
    return open_module(context, path, out, err);
}

#endif

/* ---- the code generator and forks ---- */

/* The dynamic loader and LLVM set things up when they are first used, under locks of their own that nobody can take
 * over in a forked child. Once something has been compiled, what compiles share is only read. They are the process's,
 * whatever the number of contexts, and so is this. */
static atomic_uint_fast64_t users; /* the process in the upper half, and its threads within; 0: nobody yet */
static atomic_bool warm;           /* something has been compiled */
static atomic_bool torn;           /* the process was forked while nothing had, and another thread was within */

bool ej_backend_enter(void)
{
    uint_fast64_t own = (uint_fast64_t)(uint32_t)getpid() << 32, seen = atomic_load(&users), next;
    do {
        bool forked = seen >> 32 != own >> 32;
        if (forked && (uint32_t)seen && !atomic_load(&warm)) atomic_store(&torn, true);
        next = forked ? own + 1 : seen + 1;
    } while (!atomic_compare_exchange_weak(&users, &seen, next));
    if (!atomic_load(&torn)) return true;
    ej_backend_leave();
    return false;
}

void ej_backend_leave(void)
{
    atomic_fetch_sub(&users, 1);
}

static int fail_torn(einjit_error *err)
{
    return ej_fail(err, EINJIT_E_BACKEND,
                   "the process was forked while another thread was starting the code generator: the "
                   "child cannot compile (compile something before the fork, or in a context of the backend 'interp')");
}

static int load_locked(einjit_context *context, const ej_backend **out, einjit_error *err)
{
    *out = atomic_load_explicit(&context->backend, memory_order_relaxed);
    if (*out) return EINJIT_OK;
    if (!ej_backend_enter()) return fail_torn(err);
    int status = find_backend(context, out, err);
    if (status == EINJIT_OK) atomic_store_explicit(&context->backend, *out, memory_order_release);
    ej_backend_leave();
    return status;
}

int ej_backend_load(einjit_context *context, const ej_backend **out, einjit_error *err)
{
    ej_context_enter(context);
    const ej_backend *backend = atomic_load_explicit(&context->backend, memory_order_acquire);
    int status = EINJIT_OK;
    if (!backend) {
        pthread_mutex_lock(&context->load_lock);
        status = load_locked(context, &backend, err);
        pthread_mutex_unlock(&context->load_lock);
    }
    if (status == EINJIT_OK) *out = backend;
    return status;
}

static int compile_here(const ej_backend *backend, ej_code *out, const ej_nests *nests, ej_job *job)
{
    if (!ej_backend_enter()) return fail_torn(job->err);
    int status = backend->compile(out, nests, job);
    if (status == EINJIT_OK) atomic_store(&warm, true);
    ej_backend_leave();
    return status;
}

int ej_backend_generate(einjit_context *context, ej_code *out, const ej_nests *nests, ej_job *job)
{
    const ej_backend *backend;
    if (context->isolate) return ej_isolate_compile(context->isolate, out, nests, job);
    EJ_TRY(ej_backend_load(context, &backend, job->err));
    return compile_here(backend, out, nests, job);
}

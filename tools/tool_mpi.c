/* tool_mpi.c - finds and loads the module einjit-mpi. */
#include "tool_mpi.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

/* Beside libeinjit, or in its folder for modules; NULL: in neither. */
static char *find_module(void)
{
    const char *(*symbol)(void) = einjit_version, *given = getenv("EINJIT_MPI_MODULE");
    void *address;
    Dl_info info;
    if (given && *given) return tool_copy(given);
    memcpy(&address, &symbol, sizeof address); /* ISO C has no cast from a function's to an object's address */
    if (!dladdr(address, &info) || !info.dli_fname) return NULL;
    size_t n = (size_t)(tool_file_name(info.dli_fname) - info.dli_fname);
    static const char *const names[] = {"einjit-mpi.so", "einjit/einjit-mpi.so"};
    for (int i = 0; i < 2; i++) {
        char *path = tool_alloc(n + strlen(names[i]) + 1);
        memcpy(path, info.dli_fname, n);
        strcpy(path + n, names[i]);
        if (!access(path, R_OK)) return path;
        free(path);
    }
    return NULL;
}

int tool_mpi_load(const tool_mpi **out)
{
    char *path = find_module();
    if (!path)
        return tool_fail("E_UNSUPPORTED", "the module einjit-mpi is not installed: einjit was built without MPI "
                                          "(libopenmpi-dev), and EINJIT_MPI_MODULE names none");
    void *handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL); /* Open MPI loads modules of its own, which want its symbols */
    *out = handle ? dlsym(handle, "einjit_mpi") : NULL;
    int status = !handle ? tool_fail("E_UNSUPPORTED", "the module einjit-mpi cannot be loaded: %s", dlerror())
                 : !*out || (*out)->version != TOOL_MPI_VERSION
                     ? tool_fail("E_UNSUPPORTED", "%s is not this version's module einjit-mpi", path)
                     : TOOL_OK;
    free(path);
    return status;
}

/* einjit_core.c - what einjit.lua calls, for Lua 5.4: handles, buffers, and calls with tensors. LuaJIT has the same by
 * its FFI, in einjit.lua.
 *
 * Takes  tensors as tables of einjit.lua: {data = buffer, dtype = "f32", shape = {2, 3}, strides = nil or {3, 1}}.
 * Gives  handles that the collector releases; a failure is an error whose value is a table {code, message, line, ...}
 *        with the metatable that einjit.lua gives to `errors`.
 * Keeps  one count of live handles. A kernel and a graph hold their context themselves.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include <einjit/einjit.h>

#define KEY_ERRORS "einjit.errors"

enum { CONTEXT, GRAPH, KERNEL, BUFFER };
static const char *const types[] = {"einjit.context", "einjit.graph", "einjit.kernel", "einjit.buffer"};

typedef struct handle {
    void *pointer; /* NULL: released */
} handle;

/* A Lua state is one thread's; several states may be several threads'. */
static _Atomic long n_handles;

/* ---- errors ---- */

static int raise_error(lua_State *L, const einjit_error *err)
{
    lua_createtable(L, 0, 6);
    lua_pushstring(L, einjit_status_name(err->code));
    lua_setfield(L, -2, "code");
    lua_pushstring(L, err->text);
    lua_setfield(L, -2, "message");
    if (err->line) {
        lua_pushinteger(L, err->line);
        lua_setfield(L, -2, "line");
        lua_pushinteger(L, err->column);
        lua_setfield(L, -2, "column");
        lua_pushinteger(L, err->caret);
        lua_setfield(L, -2, "caret");
        lua_pushstring(L, err->source);
        lua_setfield(L, -2, "source");
    }
    if (lua_getfield(L, LUA_REGISTRYINDEX, KEY_ERRORS) == LUA_TTABLE) lua_setmetatable(L, -2);
    else lua_pop(L, 1);
    return lua_error(L);
}

static void check(lua_State *L, int status, einjit_error *err)
{
    if (!status) return;
    err->code = status;
    raise_error(L, err);
}

static int errors(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, KEY_ERRORS);
    return 0;
}

/* ---- handles ---- */

/* Room first: what was made would be lost if there was no memory for its handle. */
static handle *new_handle(lua_State *L, int type)
{
    handle *h = lua_newuserdatauv(L, sizeof *h, 0);
    h->pointer = NULL;
    luaL_setmetatable(L, types[type]);
    return h;
}

static void *pointer_of(lua_State *L, int at, int type)
{
    handle *h = luaL_checkudata(L, at, types[type]);
    luaL_argcheck(L, h->pointer, at, "was released");
    return h->pointer;
}

#define RELEASE(name, type, release) \
    static int name(lua_State *L) \
    { \
        handle *h = luaL_checkudata(L, 1, types[type]); \
        if (h->pointer) n_handles--; \
        release(h->pointer); \
        h->pointer = NULL; \
        return 0; \
    }
RELEASE(free_context, CONTEXT, einjit_context_release)
RELEASE(free_graph, GRAPH, einjit_graph_destroy)
RELEASE(free_kernel, KERNEL, einjit_kernel_release)

static int handles(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)n_handles);
    return 1;
}

static const char *text_field(lua_State *L, int at, const char *name)
{
    int type = lua_getfield(L, at, name);
    if (type != LUA_TNIL && type != LUA_TSTRING)
        luaL_error(L, "'%s' is a %s, not a string", name, lua_typename(L, type));
    const char *text = type == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    lua_pop(L, 1); /* the table keeps it */
    return text;
}

static lua_Integer number_field(lua_State *L, int at, const char *name)
{
    lua_getfield(L, at, name);
    lua_Integer n = luaL_optinteger(L, -1, 0);
    lua_pop(L, 1);
    return n;
}

static int context(lua_State *L)
{
    einjit_error err = {0};
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer threads = number_field(L, 1, "threads"), flags = number_field(L, 1, "flags");
    luaL_argcheck(L, threads >= INT_MIN && threads <= INT_MAX, 1, "threads are out of range");
    const einjit_options options = {.struct_bytes = sizeof options,
                                    .backend = text_field(L, 1, "backend"),
                                    .target = text_field(L, 1, "target"),
                                    .module_path = text_field(L, 1, "module_path"),
                                    .cache_dir = text_field(L, 1, "cache_dir"),
                                    .cache_shared = text_field(L, 1, "cache_shared"),
                                    .threads = (int32_t)threads,
                                    .flags = (int32_t)flags};
    einjit_context *made;
    handle *h = new_handle(L, CONTEXT);
    check(L, einjit_context_create(&made, &options, &err), &err);
    h->pointer = made;
    n_handles++;
    return 1;
}

static int parse(lua_State *L)
{
    size_t length;
    einjit_error err = {0};
    einjit_graph *made;
    einjit_context *c = pointer_of(L, 1, CONTEXT);
    const char *text = luaL_checklstring(L, 2, &length);
    handle *h = new_handle(L, GRAPH);
    check(L, einjit_graph_parse(&made, c, text, length, &err), &err);
    h->pointer = made;
    n_handles++;
    return 1;
}

static int equation(lua_State *L)
{
    einjit_error err = {0};
    einjit_graph *made;
    einjit_context *c = pointer_of(L, 1, CONTEXT);
    const char *text = luaL_checkstring(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    size_t n = (size_t)lua_rawlen(L, 3);
    int32_t *ranks = lua_newuserdatauv(L, (n + 1) * sizeof *ranks, 0);
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, 3, (lua_Integer)i + 1);
        ranks[i] = (int32_t)luaL_checkinteger(L, -1);
        lua_pop(L, 1);
    }
    handle *h = new_handle(L, GRAPH);
    check(L, einjit_graph_from_equation_ranks(&made, c, text, n, ranks, &err), &err);
    h->pointer = made;
    n_handles++;
    return 1;
}

static int inputs(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)einjit_graph_input_count(pointer_of(L, 1, GRAPH)));
    return 1;
}

/* ---- tensors ---- */

static int64_t *integers_of(lua_State *L, int at, const char *what, int32_t rank)
{
    if (!lua_istable(L, at) || (rank >= 0 && lua_rawlen(L, at) != (lua_Unsigned)rank))
        luaL_error(L, "%s are not a list of %d numbers", what, (int)rank);
    size_t n = (size_t)lua_rawlen(L, at);
    int64_t *out = lua_newuserdatauv(L, (n + 1) * sizeof *out, 0); /* stays on the stack for the call */
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, at, (lua_Integer)i + 1);
        out[i] = luaL_checkinteger(L, -1);
        lua_pop(L, 1);
    }
    return out;
}

/* One field of the tensor at the stack's top stays there below what is pushed later. */
static void read_tensor(lua_State *L, einjit_tensor *out)
{
    int at = lua_gettop(L);
    luaL_checktype(L, at, LUA_TTABLE);
    luaL_checkstack(L, 8, "too many tensors");
    const char *dtype = text_field(L, at, "dtype");
    out->dtype = dtype ? einjit_dtype_from_name(dtype) : -1;
    lua_getfield(L, at, "shape");
    luaL_checktype(L, -1, LUA_TTABLE);
    out->rank = (int32_t)lua_rawlen(L, -1);
    out->shape = integers_of(L, lua_gettop(L), "shape", out->rank);
    out->strides = NULL;
    if (lua_getfield(L, at, "strides") != LUA_TNIL) out->strides = integers_of(L, lua_gettop(L), "strides", out->rank);
    lua_getfield(L, at, "data");
    out->data = lua_isnil(L, -1)             ? NULL
                : lua_islightuserdata(L, -1) ? lua_touserdata(L, -1)
                                             : luaL_checkudata(L, -1, types[BUFFER]);
}

/* A list of tensors; what it points to stays on the stack until the call is over. */
static einjit_tensor *tensors_of(lua_State *L, int at, size_t *n)
{
    luaL_checktype(L, at, LUA_TTABLE);
    *n = (size_t)lua_rawlen(L, at);
    einjit_tensor *out = lua_newuserdatauv(L, (*n + 1) * sizeof *out, 0);
    for (size_t i = 0; i < *n; i++) {
        lua_rawgeti(L, at, (lua_Integer)i + 1);
        read_tensor(L, &out[i]);
    }
    return out;
}

static einjit_compile_options compile_options(lua_State *L, int at)
{
    einjit_compile_options o = {.struct_bytes = sizeof o};
    if (lua_isnoneornil(L, at)) return o;
    luaL_checktype(L, at, LUA_TTABLE);
    o.open = text_field(L, at, "open");
    o.path = text_field(L, at, "path");
    o.constants = text_field(L, at, "constants");
    o.flags = (int32_t)number_field(L, at, "flags");
    lua_getfield(L, at, "alpha");
    lua_getfield(L, at, "beta");
    o.alpha = luaL_optnumber(L, -2, 0);
    o.beta = luaL_optnumber(L, -1, 0);
    lua_pop(L, 2);
    return o;
}

static int infer(lua_State *L)
{
    size_t n;
    einjit_error err = {0};
    einjit_graph *graph = pointer_of(L, 1, GRAPH);
    const einjit_tensor *in = tensors_of(L, 2, &n);
    einjit_shapes *shapes;
    check(L, einjit_shapes_infer(&shapes, graph, n, in, &err), &err);
    /* Numbers first: an error of Lua's own for want of memory would lose `shapes`. */
    size_t n_out = einjit_shapes_output_count(shapes), n_words = 0;
    for (size_t o = 0; o < n_out; o++) {
        int dtype, rank;
        const int64_t *shape;
        if (!einjit_shapes_output(shapes, o, &dtype, &rank, &shape, NULL)) n_words += 2 + (size_t)rank;
    }
    int64_t *words = malloc((n_words + 1) * sizeof *words), *word = words;
    for (size_t o = 0; words && o < n_out; o++) {
        int dtype, rank;
        const int64_t *shape;
        if (einjit_shapes_output(shapes, o, &dtype, &rank, &shape, NULL)) continue;
        *word++ = dtype;
        *word++ = rank;
        if (rank) memcpy(word, shape, (size_t)rank * sizeof *word);
        word += rank;
    }
    einjit_shapes_destroy(shapes);
    if (!words) return luaL_error(L, "not enough memory");
    int64_t *copy = lua_newuserdatauv(L, (n_words + 1) * sizeof *copy, 0);
    memcpy(copy, words, n_words * sizeof *copy);
    free(words);
    lua_createtable(L, (int)n_out, 0);
    for (size_t o = 0; o < n_out; o++) {
        lua_createtable(L, 0, 2);
        lua_pushstring(L, einjit_dtype_name((int)*copy++));
        lua_setfield(L, -2, "dtype");
        int rank = (int)*copy++;
        lua_createtable(L, rank, 0);
        for (int a = 0; a < rank; a++) {
            lua_pushinteger(L, *copy++);
            lua_rawseti(L, -2, a + 1);
        }
        lua_setfield(L, -2, "shape");
        lua_rawseti(L, -2, (lua_Integer)o + 1);
    }
    return 1;
}

static int call(lua_State *L)
{
    size_t n_in, n_out;
    einjit_error err = {0};
    einjit_context *c = pointer_of(L, 1, CONTEXT);
    einjit_graph *graph = pointer_of(L, 2, GRAPH);
    lua_settop(L, 5);
    const einjit_compile_options options = compile_options(L, 5);
    const einjit_tensor *in = tensors_of(L, 3, &n_in), *out = tensors_of(L, 4, &n_out);
    check(L, einjit_call_with(c, graph, n_in, in, n_out, out, &options, &err), &err);
    return 0;
}

static int compile(lua_State *L)
{
    size_t n_in;
    einjit_error err = {0};
    einjit_context *c = pointer_of(L, 1, CONTEXT);
    einjit_graph *graph = pointer_of(L, 2, GRAPH);
    einjit_kernel *made;
    lua_settop(L, 4);
    const einjit_compile_options options = compile_options(L, 4);
    const einjit_tensor *in = tensors_of(L, 3, &n_in);
    handle *h = new_handle(L, KERNEL);
    check(L, einjit_compile(&made, c, graph, n_in, in, 0, NULL, &options, &err), &err);
    h->pointer = made;
    n_handles++;
    return 1;
}

static int run(lua_State *L)
{
    size_t n_in, n_out;
    einjit_error err = {0};
    einjit_kernel *kernel = pointer_of(L, 1, KERNEL);
    const einjit_tensor *in = tensors_of(L, 2, &n_in), *out = tensors_of(L, 3, &n_out);
    check(L, einjit_run(kernel, n_in, in, n_out, out, &err), &err);
    return 0;
}

static int explain(lua_State *L)
{
    size_t n_in, needed = 0;
    einjit_error err = {0};
    einjit_context *c = pointer_of(L, 1, CONTEXT);
    einjit_graph *graph = pointer_of(L, 2, GRAPH);
    const char *stage = luaL_checkstring(L, 4);
    lua_settop(L, 5);
    const einjit_compile_options options = compile_options(L, 5);
    const einjit_tensor *in = tensors_of(L, 3, &n_in);
    check(L, einjit_explain(c, graph, n_in, in, &options, stage, NULL, 0, &needed, &err), &err);
    char *text = lua_newuserdatauv(L, needed + 1, 0);
    check(L, einjit_explain(c, graph, n_in, in, &options, stage, text, needed + 1, &needed, &err), &err);
    lua_pushlstring(L, text, needed);
    return 1;
}

/* ---- buffers: bytes, which einjit.lua reads and writes by string.unpack and string.pack ---- */

static int buffer(lua_State *L)
{
    lua_Integer bytes = luaL_checkinteger(L, 1);
    luaL_argcheck(L, bytes >= 0, 1, "negative");
    void *made = lua_newuserdatauv(L, (size_t)bytes + !bytes, 0);
    memset(made, 0, (size_t)bytes);
    luaL_setmetatable(L, types[BUFFER]);
    return 1;
}

static char *bytes_of(lua_State *L, lua_Integer from, size_t n)
{
    if (lua_islightuserdata(L, 1)) return (char *)lua_touserdata(L, 1) + from; /* of the host's, whose size it knows */
    char *bytes = luaL_checkudata(L, 1, types[BUFFER]);
    size_t size = (size_t)lua_rawlen(L, 1);
    if (from < 0 || (size_t)from > size || n > size - (size_t)from) luaL_error(L, "outside of the buffer");
    return bytes + from;
}

static int put(lua_State *L) /* buffer, first byte from 0, string */
{
    size_t n;
    const char *bytes = luaL_checklstring(L, 3, &n);
    char *to = bytes_of(L, luaL_checkinteger(L, 2), n);
    if (n) memcpy(to, bytes, n);
    return 0;
}

static int take(lua_State *L) /* buffer, first byte from 0, bytes */
{
    lua_Integer n = luaL_checkinteger(L, 3);
    luaL_argcheck(L, n >= 0, 3, "negative");
    lua_pushlstring(L, bytes_of(L, luaL_checkinteger(L, 2), (size_t)n), (size_t)n);
    return 1;
}

static int dtype_bytes(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)einjit_dtype_bytes(einjit_dtype_from_name(luaL_checkstring(L, 1))));
    return 1;
}

static int version(lua_State *L)
{
    lua_pushstring(L, einjit_version());
    return 1;
}

static void add_type(lua_State *L, int type, lua_CFunction release)
{
    luaL_newmetatable(L, types[type]);
    if (release) {
        lua_pushcfunction(L, release);
        lua_setfield(L, -2, "__gc");
    }
    lua_pop(L, 1);
}

__attribute__((visibility("default"))) int luaopen_einjit_core(lua_State *L);
int luaopen_einjit_core(lua_State *L)
{
    static const luaL_Reg functions[] = {{"errors", errors},
                                         {"handles", handles},
                                         {"context", context},
                                         {"parse", parse},
                                         {"equation", equation},
                                         {"inputs", inputs},
                                         {"infer", infer},
                                         {"call", call},
                                         {"compile", compile},
                                         {"run", run},
                                         {"explain", explain},
                                         {"buffer", buffer},
                                         {"put", put},
                                         {"take", take},
                                         {"dtype_bytes", dtype_bytes},
                                         {"version", version},
                                         {NULL, NULL}};
    add_type(L, CONTEXT, free_context);
    add_type(L, GRAPH, free_graph);
    add_type(L, KERNEL, free_kernel);
    add_type(L, BUFFER, NULL);
    luaL_newlib(L, functions);
    return 1;
}

/* tool.c - what the commands share: messages, numbers, options. */
#include "tool.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char *tool_name = "einjit";
char tool_said[640];

int tool_error(const einjit_error *err)
{
    snprintf(tool_said, sizeof tool_said, "%s: %s", einjit_status_name(err->code), err->text);
    fprintf(stderr, "%s: %s", tool_name, tool_said);
    if (err->line) fprintf(stderr, " (line %d, column %d)", (int)err->line, (int)err->column);
    fputc('\n', stderr);
    if (err->line && err->source[0]) {
        fprintf(stderr, "  %s\n  ", err->source);
        for (int i = 0; i < err->caret && err->source[i]; i++)
            if (((unsigned char)err->source[i] & 0xC0) != 0x80) fputc(err->source[i] == '\t' ? '\t' : ' ', stderr);
        fputs("^\n", stderr);
    }
    return TOOL_FAILED;
}

int tool_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double tool_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void say(const char *code, const char *format, va_list args)
{
    int n = snprintf(tool_said, sizeof tool_said, "%s: ", code);
    vsnprintf(tool_said + n, sizeof tool_said - (size_t)n, format, args);
}

int tool_fail(const char *code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(code, format, args);
    va_end(args);
    fprintf(stderr, "%s: %s\n", tool_name, tool_said);
    return TOOL_FAILED;
}

int tool_usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say("E_VALUE", format, args);
    va_end(args);
    fprintf(stderr, "%s: %s; see %s --help\n", tool_name, tool_said, tool_name);
    return TOOL_USAGE;
}

const char *tool_duration(char text[TOOL_WORDS], double seconds)
{
    static const struct {
        double seconds; /* of one */
        const char *name;
    } units[] = {{1e-9, "ns"}, {1e-6, "us"}, {1e-3, "ms"},    {1, "s"},
                 {60, "min"},  {3600, "h"},  {86400, "days"}, {31557600, "years"}};
    enum { N = sizeof units / sizeof *units };
    int u = 0;
    while (u < N - 1 && seconds >= units[u + 1].seconds * (units[u + 1].seconds > 1 ? 2 : 1)) u++;
    double x = seconds / units[u].seconds;
    if (isinf(x)) snprintf(text, TOOL_WORDS, "over 1e300 years");
    else if (x >= 1e6) snprintf(text, TOOL_WORDS, "%.3g %s", x, units[u].name);
    else snprintf(text, TOOL_WORDS, "%.*f %s", x < 10 ? 3 : x < 100 ? 2 : 1, x, units[u].name);
    return text;
}

const char *tool_count(char text[TOOL_WORDS], double x, double log10_of_x)
{
    if (isinf(x) && isfinite(log10_of_x)) snprintf(text, TOOL_WORDS, "10^%.3f", log10_of_x);
    else snprintf(text, TOOL_WORDS, isinf(x) ? "over 1.8e308" : "%.6g", x);
    return text;
}

void tool_log(void *unused, const char *line)
{
    static char said[4096] = "\n"; /* each between line ends */
    char key[1024];
    (void)unused;
    size_t used = strlen(said), n = (size_t)snprintf(key, sizeof key, "\n%s\n", line);
    bool is_dump = strncmp(line, "einjit: ", 8), fits = n < sizeof key && used + n < sizeof said;
    if (!is_dump && fits && strstr(said, key)) return;
    fprintf(stderr, "%s\n", line);
    if (!is_dump && fits) memcpy(said + used, key + 1, n);
}

volatile sig_atomic_t tool_interrupted;

static void interrupt(int signal_number)
{
    (void)signal_number;
    tool_interrupted = 1;
}

void tool_watch(void)
{
    struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
    sigaction(SIGINT, &action, NULL);
}

int tool_progress(void *unused, const char *stage, double done)
{
    (void)unused;
    (void)stage;
    (void)done;
    return tool_interrupted;
}

int64_t tool_threads(const einjit_context *context, int64_t asked)
{
    static bool said;
    einjit_statistics now = {.struct_bytes = sizeof now};
    if (einjit_context_statistics(context, &now, NULL)) return 1;
    if ((int64_t)now.threads < asked && !said)
        fprintf(stderr, "%s: warning: --threads %lld: this process may use %lld at a time\n", tool_name,
                (long long)asked, (long long)now.threads);
    said = said || (int64_t)now.threads < asked;
    return (int64_t)now.threads;
}

void tool_arguments(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "->", 2)) continue;
        char *spaced = tool_alloc(strlen(argv[i]) + 2); /* lives as long as the command */
        sprintf(spaced, " %s", argv[i]);
        argv[i] = spaced;
    }
}

int tool_finish(int status)
{
    if (fflush(stdout) || ferror(stdout)) return tool_fail("E_IO", "the output cannot be written");
    return status;
}

void *tool_alloc(size_t bytes)
{
    void *memory = calloc(1, bytes ? bytes : 1);
    if (!memory) {
        tool_fail("E_NOMEM", "no memory for %zu bytes", bytes);
        exit(TOOL_FAILED);
    }
    return memory;
}

char *tool_copy(const char *text)
{
    size_t n = strlen(text) + 1;
    return memcpy(tool_alloc(n), text, n);
}

int tool_number(int64_t *out, const char *text, int64_t least, int64_t most, const char *option)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || value < least || value > most)
        return tool_usage("%s takes a number from %lld to %lld, not '%s'", option, (long long)least, (long long)most,
                          text);
    *out = value;
    return TOOL_OK;
}

int tool_real(double *out, const char *text, const char *option)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value * 0 == 0)) return tool_usage("%s takes a number, not '%s'", option, text);
    *out = value;
    return TOOL_OK;
}

int tool_once(tool_seen *seen, int letter, const char *value, const char *name)
{
    const char **before = &seen->value[letter];
    if (*before && strcmp(*before, value)) return tool_usage("--%s is given as '%s' and as '%s'", name, *before, value);
    *before = value;
    return TOOL_OK;
}

void tool_append(char **list, const char *value)
{
    if (*list && !*value) return;
    size_t n = *list ? strlen(*list) : 0;
    char *both = tool_alloc(n + strlen(value) + 2);
    sprintf(both, "%s%s%s", n ? *list : "", n ? "," : "", value);
    free(*list);
    *list = both;
}

static int add_size(tool_sizes *sizes, const char *name, size_t n, int64_t value)
{
    for (size_t i = 0; i < sizes->n; i++) {
        if (strncmp(sizes->items[i].name, name, n) || sizes->items[i].name[n]) continue;
        if (sizes->items[i].value == value) return TOOL_OK;
        return tool_usage("size '%s' is given as %lld and as %lld", sizes->items[i].name,
                          (long long)sizes->items[i].value, (long long)value);
    }
    struct tool_size *grown = realloc(sizes->items, (sizes->n + 1) * sizeof *grown);
    if (!grown) return tool_fail("E_NOMEM", "out of memory");
    sizes->items = grown;
    char *copy = tool_alloc(n + 1);
    memcpy(copy, name, n);
    grown[sizes->n++] = (struct tool_size){copy, value};
    return TOOL_OK;
}

/* Numbers behind a '=', with an 'x' between those of an ellipsis, which are extents ellipsis_1, ellipsis_2, ... */
static int add_sizes(tool_sizes *sizes, const char *item, size_t n, const char **at)
{
    bool ellipsis = n == 3 && !memcmp(item, "...", 3);
    char name[32];
    for (int axis = 1;; axis++) {
        char *end;
        errno = 0;
        long long value = strtoll(*at, &end, 10);
        bool more = ellipsis && *end == 'x';
        if (end == *at || (*end && *end != ',' && !more) || errno || value < 0)
            return tool_usage("size '%.*s' is not a number from 0 to 2^63-1", (int)strcspn(item, ","), item);
        snprintf(name, sizeof name, TOOL_ELLIPSIS "%d", axis);
        int status = ellipsis ? add_size(sizes, name, strlen(name), value) : add_size(sizes, item, n, value);
        *at = *end ? end + 1 : end;
        if (status || !more) return status;
    }
}

int tool_sizes_add(tool_sizes *sizes, const char *text)
{
    const char *at = text;
    while (*at) {
        const char *item = at, *equals = strchr(at, '=');
        size_t n = equals ? (size_t)(equals - at) : 0;
        if (!n || memchr(at, ',', n)) return tool_usage("sizes are written z=1000,i=4,...=8x4, not '%.200s'", text);
        at = equals + 1;
        int status = add_sizes(sizes, item, n, &at);
        if (status) return status;
    }
    return TOOL_OK;
}

bool tool_sizes_find(const tool_sizes *sizes, const char *name, int64_t *value)
{
    for (size_t i = sizes->n; i-- > 0;)
        if (!strcmp(sizes->items[i].name, name)) {
            *value = sizes->items[i].value;
            return true;
        }
    return false;
}

void tool_sizes_free(tool_sizes *sizes)
{
    for (size_t i = 0; i < sizes->n; i++) free(sizes->items[i].name);
    free(sizes->items);
    *sizes = (tool_sizes){0};
}

const char *tool_file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool tool_ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

int tool_strategy(char **out, einjit_context *context, const char *name)
{
    einjit_error err = {0};
    const int32_t rank = 0;
    double mults, largest;
    size_t n;
    *out = NULL;
    if (!name) return TOOL_OK;
    if (!strncmp(name, "file:", 5) || tool_is_stdio(name) || strchr(name, '/') || tool_ends_with(name, ".json")) {
        const char *path = strncmp(name, "file:", 5) ? name : name + 5;
        if (tool_is_stdio(path)) {
            path = "/dev/stdin"; /* the library opens it */
            int status = tool_take_stdin();
            if (status) return status;
        }
        if (access(path, R_OK)) return tool_fail("E_IO", "%s: %s", path, strerror(errno));
        *out = tool_alloc(strlen(path) + 6);
        sprintf(*out, "file:%s", path);
        return TOOL_OK;
    }
    /* the library knows the names: asked with a contraction of nothing */
    if (einjit_path(context, 1, &rank, NULL, 0, NULL, 0, NULL, name, NULL, 0, &n, &mults, &largest, &err))
        return tool_usage("%s, or a file with a path", err.text);
    *out = tool_copy(name);
    return TOOL_OK;
}

char *tool_explain(einjit_context *context, const tool_program *program, const einjit_tensor *in, size_t n_in,
                   const einjit_compile_options *options, const char *stage)
{
    einjit_error err = {0};
    size_t needed = 0;
    int status = einjit_explain(context, program->graph, n_in, in, options, stage, NULL, 0, &needed, &err);
    char *text = status ? NULL : tool_alloc(needed + 1);
    if (text) status = einjit_explain(context, program->graph, n_in, in, options, stage, text, needed + 1, NULL, &err);
    if (!status) return text;
    free(text);
    tool_error(&err);
    return NULL;
}

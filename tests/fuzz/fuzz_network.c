/* fuzz_network.c - NETWORK.json: read, searched, counted; and the path that was found, read back from a file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "network.h"

enum { MOST_TERMS = 64, MOST_EXACT = 8 };

static bool search(einjit_context *context, const network *net, const char *strategy, int32_t *pairs, size_t *n,
                   double *mults)
{
    einjit_error err = {0};
    double largest;
    if (!fuzz_ok(einjit_path(context, net->n, net->term_ranks, net->flat, net->output_rank, net->output, net->n_labels,
                             net->sizes, strategy, pairs, 2 * net->n + 2, n, mults, &largest, &err),
                 &err, strategy))
        return false;
    network_count(net, pairs, *n);
    return true;
}

/* The path in a file is the same path. */
static void read_back(einjit_context *context, const network *net, const int32_t *pairs, size_t n, double mults)
{
    size_t room = 64 + 24 * n, used;
    char *text = malloc(room), strategy[80];
    int32_t *again = calloc(2 * net->n + 2, 2 * sizeof *again);
    fuzz_file file;
    double same;
    if (text && again) {
        used = (size_t)sprintf(text, "{\"ssa_path\": [");
        for (size_t s = 0; s < n; s++) {
            const char *comma = s ? ", " : "";
            if (pairs[2 * s + 1] < 0) used += (size_t)sprintf(text + used, "%s[%d]", comma, (int)pairs[2 * s]);
            else used += (size_t)sprintf(text + used, "%s[%d, %d]", comma, (int)pairs[2 * s], (int)pairs[2 * s + 1]);
        }
        used += (size_t)sprintf(text + used, "]}");
        if (fuzz_file_open(&file, text, used)) {
            snprintf(strategy, sizeof strategy, "file:%s", file.path);
            if (n && search(context, net, strategy, again, &n, &same) &&
                (memcmp(pairs, again, 2 * n * sizeof *pairs) || same != mults))
                fuzz_finding("the path reads back as another: 10^%.17g for 10^%.17g", same, mults);
            fuzz_file_close(&file);
        }
    }
    free(text);
    free(again);
}

static void search_all(einjit_context *context, const network *net)
{
    static const char *const strategies[] = {"auto", "greedy", "random:3", "portfolio:trials=5", "optimal", "dp"};
    int32_t *pairs = calloc(2 * net->n + 2, 2 * sizeof *pairs);
    for (size_t s = 0; pairs && s < (net->n <= MOST_EXACT ? 6 : 4); s++) {
        size_t n;
        double mults;
        if (search(context, net, strategies[s], pairs, &n, &mults)) read_back(context, net, pairs, n, mults);
    }
    free(pairs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    network net;
    fuzz_file file;
    if (!fuzz_file_open(&file, data, size)) return 0;
    einjit_context *context = fuzz_begin("interp");
    if (context) {
        if (!network_read(&net, file.path) && net.n <= MOST_TERMS) search_all(context, &net);
        network_free(&net);
        fuzz_end(context);
    }
    fuzz_file_close(&file);
    return 0;
}

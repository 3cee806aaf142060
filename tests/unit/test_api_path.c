/* test_api_path.c - einjit_path: arguments, and the networks of the shared data where they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "pipeline.h"

static einjit_context context; /* path search uses its allocator only */

static const int32_t ranks[] = {2, 2, 2};
static const int32_t labels[] = {0, 1, 1, 2, 2, 3};
static const int32_t output[] = {0, 3};
static const int64_t sizes[] = {10, 2, 30, 4};

static void chain_of_matrices(void **state)
{
    int32_t pairs[12];
    size_t n;
    double mults, largest;
    einjit_error err;
    (void)state;
    assert_int_equal(
        einjit_path(&context, 3, ranks, labels, 2, output, 4, sizes, NULL, pairs, 6, &n, &mults, &largest, &err),
        EINJIT_OK);
    assert_int_equal(n, 2);
    assert_int_equal(pairs[0] + pairs[1], 3);    /* the last two, then the first */
    assert_true(mults > 2.505 && mults < 2.506); /* 240 + 80 */
    assert_true(largest > 5.3 && largest < 5.4);
}

static int path_error(size_t n, const int32_t *term_labels, const int32_t *out, size_t n_labels, size_t capacity,
                      const char *part)
{
    int32_t pairs[12];
    size_t steps = 77;
    einjit_error err = {0};
    int status = einjit_path(&context, n, ranks, term_labels, 2, out, n_labels, sizes, NULL, pairs, capacity, &steps,
                             NULL, NULL, &err);
    assert_non_null(strstr(err.text, part));
    assert_int_equal(steps, 77);
    return status;
}

static void bad_arguments_are_refused(void **state)
{
    const int32_t twice[] = {0, 0}, unknown[] = {0, 3}, negative[] = {0, 1, -1, 2, 2, 3};
    (void)state;
    assert_int_equal(path_error(0, labels, output, 4, 6, "without operands"), EINJIT_E_NO_OPERANDS);
    assert_int_equal(path_error(3, labels, output, 3, 6, "label 3 of operand 2"), EINJIT_E_VALUE);
    assert_int_equal(path_error(3, negative, output, 4, 6, "label -1 of operand 1"), EINJIT_E_VALUE);
    assert_int_equal(path_error(3, labels, twice, 4, 6, "twice"), EINJIT_E_OUT_REPEAT);
    assert_int_equal(path_error(2, labels, unknown, 4, 6, "in no operand"), EINJIT_E_OUT_UNKNOWN);
    assert_int_equal(path_error(3, labels, output, 4, 1, "room for 1"), EINJIT_E_VALUE);
    assert_int_equal(einjit_path(NULL, 3, ranks, labels, 2, output, 4, sizes, NULL, NULL, 0, NULL, NULL, NULL, NULL),
                     EINJIT_E_INVALID);
}

/* ---- ../shared/data ---- */

typedef struct network {
    size_t n, n_labels, n_axes, n_output;
    int32_t *ranks, *labels, *output;
    int64_t *sizes;
    json_t *keys;
} network;

static int32_t label_id(const network *net, json_t *label)
{
    if (json_is_integer(label)) return (int32_t)json_integer_value(label);
    return (int32_t)json_integer_value(json_object_get(net->keys, json_string_value(label)));
}

static void read_sizes(network *net, json_t *file)
{
    json_t *list = json_object_get(file, "sizes"), *dict = json_object_get(file, "size_dict"), *value;
    const char *key;
    net->keys = json_object();
    net->n_labels = dict ? json_object_size(dict) : json_array_size(list);
    net->sizes = calloc(net->n_labels + 1, sizeof *net->sizes);
    assert_non_null(net->sizes);
    size_t i = 0;
    if (dict) {
        json_object_foreach (dict, key, value) {
            json_object_set_new(net->keys, key, json_integer((json_int_t)i));
            net->sizes[i++] = json_integer_value(value);
        }
    } else {
        json_array_foreach (list, i, value) net->sizes[i] = json_integer_value(value);
    }
}

static void read_network(network *net, json_t *file)
{
    json_t *inputs = json_object_get(file, "inputs"), *out = json_object_get(file, "output"), *term, *label;
    size_t i, k;
    memset(net, 0, sizeof *net);
    read_sizes(net, file);
    net->n = json_array_size(inputs);
    net->n_output = json_array_size(out);
    json_array_foreach (inputs, i, term) net->n_axes += json_array_size(term);
    net->ranks = calloc(net->n + 1, sizeof *net->ranks);
    net->labels = calloc(net->n_axes + 1, sizeof *net->labels);
    net->output = calloc(net->n_output + 1, sizeof *net->output);
    assert_true(net->ranks && net->labels && net->output);
    size_t at = 0;
    json_array_foreach (inputs, i, term) {
        net->ranks[i] = (int32_t)json_array_size(term);
        json_array_foreach (term, k, label) net->labels[at++] = label_id(net, label);
    }
    json_array_foreach (out, k, label) net->output[k] = label_id(net, label);
}

static void free_network(network *net)
{
    free(net->ranks);
    free(net->labels);
    free(net->output);
    free(net->sizes);
    json_decref(net->keys);
}

static double search(const network *net, const char *strategy)
{
    double mults = 0;
    einjit_error err = {0};
    int status = einjit_path(&context, net->n, net->ranks, net->labels, (int)net->n_output, net->output, net->n_labels,
                             net->sizes, strategy, NULL, 0, NULL, &mults, NULL, &err);
    if (status != EINJIT_OK) print_error("%s\n", err.text);
    assert_int_equal(status, EINJIT_OK);
    return mults;
}

static double peer(json_t *peers, const char *name)
{
    json_t *value = json_object_get(json_object_get(peers, name), "log10_mults");
    return json_is_number(value) ? json_number_value(value) : 1e30;
}

static void compare_network(const char *folder, const char *name, json_t *peers)
{
    char path[512];
    network net;
    snprintf(path, sizeof path, "%s/networks/%s.json", folder, name);
    json_t *file = json_load_file(path, 0, NULL);
    if (!file) return;
    read_network(&net, file);
    double greedy = search(&net, "greedy"), limit = peer(peers, "oe_greedy") + 1;
    if (greedy > limit) print_error("%s: greedy 10^%.3f\n", name, greedy);
    assert_true(greedy <= limit);
    if (net.n <= 12) { /* the published figures have three decimals */
        double best = search(&net, "optimal");
        const char *key;
        json_t *value;
        json_object_foreach (peers, key, value) assert_true(best <= peer(peers, key) + 0.001);
        assert_true(best <= greedy + 1e-9);
    }
    free_network(&net);
    json_decref(file);
}

static void networks_are_contracted_no_worse_than_by_peers(void **state)
{
    const char *folder = EINJIT_TEST_SOURCE "/../shared/data";
    json_t *all = json_load_file(EINJIT_TEST_SOURCE "/../shared/data/path_best.json", 0, NULL), *entry;
    const char *name;
    (void)state;
    if (!all) {
        print_message("no %s/path_best.json: skipped\n", folder);
        skip();
    }
    json_object_foreach (all, name, entry) compare_network(folder, name, json_object_get(entry, "peers"));
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chain_of_matrices),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(networks_are_contracted_no_worse_than_by_peers),
    };
    context.allocator = ej_malloc_allocator;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* svg.c - a layered drawing: what a box waits for is above it.
 *
 * Takes  the steps as JSON. Gives a file. Where Graphviz's `dot` is installed, it places the boxes and leads edges
 *        around them; else, or when it fails, this does:
 * A box's layer is one below the lowest it waits for; inputs stand right above their first reader, results right below
 * their last writer. Within a layer boxes are sorted by the mean place of their neighbours, a few times down and up.
 */
#include "svg.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tool.h"

enum { BOX_W = 200, BOX_H = 58, ROUND_W = 120, ROUND_H = 28, GAP_X = 24, GAP_Y = 44, MARGIN = 20, HEAD = 30 };

typedef struct box {
    const char *name;
    const json_t *step; /* NULL: an input or a result */
    int layer, place;   /* place: from the left */
    double mean, x, y;
} box;
typedef struct edge {
    int from, to;
} edge;
typedef struct drawing {
    size_t n, n_edges, cap_edges, n_steps, n_layers;
    box *boxes; /* steps first, then inputs, then results */
    edge *edges;
    int *sorted;    /* boxes by layer and place */
    size_t *starts; /* per layer: into sorted */
    json_t *inputs; /* name -> box */
    double width, height;
} drawing;

static void add_edge(drawing *d, int from, int to)
{
    if (d->n_edges == d->cap_edges) {
        d->cap_edges = d->cap_edges ? 2 * d->cap_edges : 64;
        edge *grown = realloc(d->edges, d->cap_edges * sizeof *grown);
        if (!grown) exit(tool_fail("E_NOMEM", "out of memory"));
        d->edges = grown;
    }
    d->edges[d->n_edges++] = (edge){from, to};
}

static const char *text_of(const json_t *step, const char *key)
{
    const char *text = json_string_value(json_object_get(step, key));
    return text ? text : "";
}

static int input_box(drawing *d, const char *name)
{
    const json_t *known = json_object_get(d->inputs, name);
    if (known) return (int)json_integer_value(known);
    d->boxes[d->n].name = name;
    json_object_set_new(d->inputs, name, json_integer((json_int_t)d->n));
    return (int)d->n++;
}

/* The last writers of each result: no later writer of it waits for them. */
static void add_results(drawing *d)
{
    json_t *results = json_object();
    bool *followed = tool_alloc(d->n_steps * sizeof *followed);
    for (size_t s = d->n_steps; s-- > 0;) {
        const json_t *step = d->boxes[s].step, *item;
        const char *name = text_of(step, "writes");
        size_t i;
        if (!json_is_true(json_object_get(step, "is_result"))) continue;
        json_array_foreach (json_object_get(step, "after"), i, item) {
            size_t earlier = (size_t)json_integer_value(item);
            if (earlier < d->n_steps && !strcmp(text_of(d->boxes[earlier].step, "writes"), name))
                followed[earlier] = true;
        }
        if (followed[s]) continue;
        if (!json_object_get(results, name)) {
            d->boxes[d->n].name = name;
            json_object_set_new(results, name, json_integer((json_int_t)d->n++));
        }
        add_edge(d, (int)s, (int)json_integer_value(json_object_get(results, name)));
    }
    free(followed);
    json_decref(results);
}

static void build(drawing *d, const json_t *steps)
{
    size_t room = 0, s, i;
    const json_t *step, *item;
    d->n = d->n_steps = json_array_size(steps);
    json_array_foreach (steps, s, step) room += 2 + json_array_size(json_object_get(step, "inputs"));
    d->boxes = tool_alloc((room + 1) * sizeof *d->boxes);
    d->inputs = json_object();
    json_array_foreach (steps, s, step) {
        d->boxes[s].name = text_of(step, "name");
        d->boxes[s].step = step;
        json_array_foreach (json_object_get(step, "after"), i, item) add_edge(d, (int)json_integer_value(item), (int)s);
        json_array_foreach (json_object_get(step, "inputs"), i, item)
            add_edge(d, input_box(d, json_string_value(item)), (int)s);
    }
    add_results(d);
}

/* Steps only wait for earlier ones and edges lie in the order of their readers, so one pass finds every layer. */
static void set_layers(drawing *d)
{
    for (size_t b = 0; b < d->n; b++) d->boxes[b].layer = b < d->n_steps ? 1 : -1;
    for (size_t e = 0; e < d->n_edges; e++) {
        const box *from = &d->boxes[d->edges[e].from];
        box *to = &d->boxes[d->edges[e].to];
        if (from->layer >= 0 && to->layer <= from->layer) to->layer = from->layer + 1;
    }
    for (size_t e = 0; e < d->n_edges; e++) { /* inputs are what has no layer yet */
        box *from = &d->boxes[d->edges[e].from];
        int above = d->boxes[d->edges[e].to].layer - 1;
        if ((size_t)d->edges[e].from >= d->n_steps && (from->layer < 0 || above < from->layer)) from->layer = above;
    }
    for (size_t b = 0; b < d->n; b++)
        if ((size_t)d->boxes[b].layer + 1 > d->n_layers) d->n_layers = (size_t)d->boxes[b].layer + 1;
}

static const box *sorting;

static int by_layer(const void *a, const void *b)
{
    const box *x = &sorting[*(const int *)a], *y = &sorting[*(const int *)b];
    if (x->layer != y->layer) return x->layer < y->layer ? -1 : 1;
    if (x->mean < y->mean || x->mean > y->mean) return x->mean < y->mean ? -1 : 1;
    return x < y ? -1 : x > y;
}

static void sort_layers(drawing *d)
{
    sorting = d->boxes;
    qsort(d->sorted, d->n, sizeof *d->sorted, by_layer);
    for (size_t i = 0, at = 0; at <= d->n_layers; at++) {
        while (i < d->n && (size_t)d->boxes[d->sorted[i]].layer < at) i++;
        d->starts[at] = i;
    }
    for (size_t layer = 0; layer < d->n_layers; layer++)
        for (size_t i = d->starts[layer]; i < d->starts[layer + 1]; i++)
            d->boxes[d->sorted[i]].place = (int)(i - d->starts[layer]);
}

/* Each box to the mean of its neighbours above (downwards) or below. */
static void sweep(drawing *d, bool downwards)
{
    double *sum = tool_alloc(d->n * sizeof *sum);
    int *count = tool_alloc(d->n * sizeof *count);
    for (size_t e = 0; e < d->n_edges; e++) {
        int to = downwards ? d->edges[e].to : d->edges[e].from, from = downwards ? d->edges[e].from : d->edges[e].to;
        sum[to] += d->boxes[from].place;
        count[to]++;
    }
    for (size_t b = 0; b < d->n; b++) d->boxes[b].mean = count[b] ? sum[b] / count[b] : d->boxes[b].place;
    sort_layers(d);
    free(sum);
    free(count);
}

static double width_of(const box *b)
{
    return b->step ? BOX_W : ROUND_W;
}

static void place_boxes(drawing *d)
{
    d->sorted = tool_alloc((d->n + 1) * sizeof *d->sorted);
    d->starts = tool_alloc((d->n_layers + 1) * sizeof *d->starts);
    for (size_t b = 0; b < d->n; b++) d->sorted[b] = (int)b;
    sort_layers(d);
    for (int round = 0; round < 6; round++) sweep(d, round % 2 == 0);
    for (int pass = 0; pass < 2; pass++) /* widths, then places in the middle */
        for (size_t layer = 0; layer < d->n_layers; layer++) {
            double width = -GAP_X;
            for (size_t i = d->starts[layer]; i < d->starts[layer + 1]; i++)
                width += width_of(&d->boxes[d->sorted[i]]) + GAP_X;
            if (width > d->width) d->width = width;
            double x = MARGIN + (d->width - width) / 2;
            for (size_t i = d->starts[layer]; i < d->starts[layer + 1]; i++) {
                box *b = &d->boxes[d->sorted[i]];
                b->x = x + width_of(b) / 2;
                b->y = MARGIN + HEAD + (double)layer * (BOX_H + GAP_Y) + BOX_H / 2.0;
                x += width_of(b) + GAP_X;
            }
        }
    if (d->width < 2 * BOX_W) d->width = 2 * BOX_W;
    d->height = HEAD + (double)d->n_layers * (BOX_H + GAP_Y) - GAP_Y;
}

/* ---- writing ---- */

static void write_text(FILE *file, const char *text, size_t most)
{
    for (size_t n = 0; *text; text++) {
        if (((unsigned char)*text & 0xC0) != 0x80 && n++ == most) {
            fputs("\xE2\x80\xA6", file); /* an ellipsis */
            return;
        }
        switch (*text) {
        case '<': fputs("&lt;", file); break;
        case '>': fputs("&gt;", file); break;
        case '&': fputs("&amp;", file); break;
        default: fputc(*text, file); break;
        }
    }
}

/* "81 k" */
static void write_number(FILE *file, const json_t *value, const char *unit)
{
    static const char *const prefixes[] = {"", "k", "M", "G", "T", "P", "E"};
    double x = json_number_value(value);
    int p = 0;
    if (json_is_null(value)) { /* JSON has no infinity */
        fprintf(file, "over 1.8e308 %s", unit);
        return;
    }
    for (; x >= 999.5 && p < 6; p++) x /= 1000;
    fprintf(file, "%.3g %s%s", x, prefixes[p], unit);
}

/* "contract f32, 81 kop, 2.7 kB", and the line below it. */
static void write_kernel(FILE *file, const box *b)
{
    write_text(file, text_of(b->step, "kernel"), 12);
    fprintf(file, " %s, ", text_of(b->step, "dtype"));
    write_number(file, json_object_get(b->step, "operations"), "op, ");
    write_number(file, json_object_get(b->step, "bytes"), "B");
}

static void write_estimate(FILE *file, const box *b)
{
    const json_t *ns = json_object_get(b->step, "estimated_ns");
    char words[TOOL_WORDS];
    write_number(file, json_object_get(b->step, "intensity"), "op/B, about ");
    fputs(tool_duration(words, json_is_null(ns) ? HUGE_VAL : json_number_value(ns) * 1e-9), file);
}

static void write_line(FILE *file, const box *b, double dy, const char *class)
{
    fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", b->x, b->y + dy, class);
}

static void write_box(FILE *file, const box *b)
{
    double w = width_of(b), h = b->step ? BOX_H : ROUND_H;
    fprintf(file, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.0f\" height=\"%.0f\" rx=\"%d\" class=\"%s\"/>\n", b->x - w / 2,
            b->y - h / 2, w, h, b->step ? 4 : ROUND_H / 2, b->step ? "step" : "end");
    write_line(file, b, b->step ? -12 : 4, "name");
    write_text(file, b->name, b->step ? 26 : 15);
    fputs("</text>\n", file);
    if (!b->step) return;
    write_line(file, b, 4, "small");
    write_kernel(file, b);
    fputs("</text>\n", file);
    write_line(file, b, 20, "small");
    write_estimate(file, b);
    fputs("</text>\n", file);
}

static void write_edge(FILE *file, const box *from, const box *to)
{
    double y0 = from->y + (from->step ? BOX_H : ROUND_H) / 2.0, y1 = to->y - (to->step ? BOX_H : ROUND_H) / 2.0 - 5;
    double bend = (y1 - y0) / 2;
    fprintf(file, "<path d=\"M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f\" class=\"edge\" marker-end=\"url(#tip)\"/>\n",
            from->x, y0, from->x, y0 + bend, to->x, y1 - bend, to->x, y1);
}

static void write_drawing(FILE *file, const drawing *d, const char *title)
{
    double width = d->width + 2 * MARGIN, height = d->height + 2 * MARGIN;
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\">\n",
            width, height, width, height);
    fputs("<style>text{font-family:sans-serif;text-anchor:middle;fill:#222}.name{font-size:13px;font-weight:bold}"
          ".small{font-size:11px}.title{font-size:14px}.step{fill:#e8f0fb;stroke:#4a6fa5}.end{fill:#f4f4f4;stroke:#888}"
          ".edge{fill:none;stroke:#777}</style>\n"
          "<defs><marker id=\"tip\" markerWidth=\"7\" markerHeight=\"6\" refX=\"1\" refY=\"3\" orient=\"auto\">"
          "<path d=\"M0 0L7 3L0 6z\" fill=\"#777\"/></marker></defs>\n"
          "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
          file);
    fprintf(file, "<text x=\"%.1f\" y=\"%d\" class=\"title\">", width / 2, MARGIN + 4);
    write_text(file, title, 80);
    fputs("</text>\n", file);
    for (size_t e = 0; e < d->n_edges; e++) write_edge(file, &d->boxes[d->edges[e].from], &d->boxes[d->edges[e].to]);
    for (size_t b = 0; b < d->n; b++) write_box(file, &d->boxes[b]);
    fputs("</svg>\n", file);
}

/* ---- by Graphviz ---- */

/* In its language, as HTML-like labels: these have lines of different sizes, and the escapes of SVG. */
static void write_graph(FILE *file, const drawing *d, const char *title)
{
    fputs("digraph steps {\ngraph [fontname=\"sans-serif\", labelloc=t, label=<", file);
    write_text(file, title, 80);
    fputs(">];\nnode [fontname=\"sans-serif\", fontsize=11, style=filled];\nedge [color=\"#777777\", arrowsize=0.7];\n",
          file);
    for (size_t b = 0; b < d->n; b++) {
        const box *one = &d->boxes[b];
        fprintf(file, "b%zu [class=%s, label=<<b>", b, one->step ? "step" : "end");
        write_text(file, one->name, one->step ? 26 : 15);
        fputs("</b>", file);
        if (one->step) {
            fputs("<br/>", file);
            write_kernel(file, one);
            fputs("<br/>", file);
            write_estimate(file, one);
            fputs(">, shape=box, fillcolor=\"#e8f0fb\", color=\"#4a6fa5\"];\n", file);
        } else {
            fputs(">, shape=ellipse, fillcolor=\"#f4f4f4\", color=\"#888888\"];\n", file);
        }
    }
    for (size_t e = 0; e < d->n_edges; e++) fprintf(file, "b%d -> b%d;\n", d->edges[e].from, d->edges[e].to);
    fputs("}\n", file);
}

/* false: it is not installed, or has failed. */
static bool run_dot(FILE *graph, FILE *image)
{
    static char name[] = "dot", option[] = "-Tsvg";
    char *const arguments[] = {name, option, NULL};
    posix_spawn_file_actions_t actions;
    pid_t child;
    int ended;
    if (fflush(graph) || lseek(fileno(graph), 0, SEEK_SET) || posix_spawn_file_actions_init(&actions)) return false;
    posix_spawn_file_actions_adddup2(&actions, fileno(graph), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(image), STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    bool spawned = !posix_spawnp(&child, name, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (!spawned) return false;
    while (waitpid(child, &ended, 0) != child)
        if (errno != EINTR) return false;
    return WIFEXITED(ended) && !WEXITSTATUS(ended);
}

/* Graphviz takes 0.1 s for 41 boxes, 0.9 s for 83, 4.8 s for 123 and minutes for 200. */
enum { DOT_BOXES = 80 };

/* Through files without names: `file` gets the whole image, or nothing. */
static bool draw_by_dot(FILE *file, const drawing *d, const char *title)
{
    char block[4096];
    FILE *graph = tmpfile(), *image = tmpfile();
    if (graph) write_graph(graph, d, title);
    bool drawn = graph && image && run_dot(graph, image) && !fseek(image, 0, SEEK_END) && ftell(image) > 0;
    if (drawn) rewind(image);
    for (size_t n; drawn && (n = fread(block, 1, sizeof block, image)) > 0;) fwrite(block, 1, n, file);
    if (graph) fclose(graph);
    if (image) fclose(image);
    return drawn;
}

int svg_write(const json_t *steps, const char *title, const char *path)
{
    drawing d = {0};
    FILE *file;
    int status = tool_open(&file, path, true);
    if (status) return status;
    build(&d, steps);
    if (d.n > DOT_BOXES || !draw_by_dot(file, &d, title)) {
        set_layers(&d);
        place_boxes(&d);
        write_drawing(file, &d, title);
    }
    free(d.boxes);
    free(d.edges);
    free(d.sorted);
    free(d.starts);
    json_decref(d.inputs);
    return tool_close_output(file, path);
}

// test_hpp.cpp - what einjit.hpp adds to einjit.h: ownership, exceptions, lists of views. Fails with the line of a
// wrong answer.
#include <einjit/einjit.hpp>

#include <cstdio>
#include <type_traits>

#define EXPECT(condition) \
    do { \
        if (!(condition)) { \
            std::fprintf(stderr, "test_hpp.cpp:%d: %s\n", __LINE__, #condition); \
            return 1; \
        } \
    } while (0)

// What is only read cannot be written through.
static_assert(!std::is_constructible_v<einjit::tensor, const float *, std::vector<std::int64_t>>);
static_assert(!std::is_constructible_v<einjit::outputs::item, einjit::const_tensor>);
static_assert(!std::is_copy_constructible_v<einjit::graph> && std::is_nothrow_move_constructible_v<einjit::graph>);
static_assert(!std::is_copy_constructible_v<einjit::context> && std::is_copy_constructible_v<einjit::kernel>);

template <class Call> static int code_of(Call call)
{
    try {
        call();
    } catch (const einjit::error &e) {
        return e.code();
    }
    return EINJIT_OK;
}

static int views()
{
    float a[6] = {1, 2, 3, 4, 5, 6}, out[4] = {0, 0, 0, 0};
    const float b[3] = {1, 10, 100};
    const einjit::context context;
    const einjit::const_tensor x(a, {2, 3}), y(b, {3}), back(b + 2, {3}, {-1});
    context.einsum("ij,j->i", {x, y}, einjit::tensor(out, {2}));
    EXPECT(out[0] == 321 && out[1] == 654);
    context.einsum("ij,j->i", {einjit::const_tensor(a, {2, 3}), back}, einjit::tensor(out, {2}, {2}));
    EXPECT(out[0] == 123 && out[2] == 456);
    const einjit_tensor c[] = {x.get(), y.get()};
    context.einsum("ij,j->i", {c, 2}, einjit::tensor::of(out, EINJIT_F32, {2}));
    EXPECT(out[0] == 321);
    context.einsum("ij,j->i", std::vector<einjit_tensor>{x.get(), back.get()}, einjit::tensor(out, {2}));
    EXPECT(out[0] == 123);
    bool refused = false;
    try {
        einjit::const_tensor(a, {2, 3}, {1});
    } catch (const std::invalid_argument &) {
        refused = true;
    }
    EXPECT(refused);
    return 0;
}

static int errors()
{
    const einjit::context context;
    EXPECT(code_of([&] { context.from_equation("ij,->k"); }) != EINJIT_OK);
    try {
        context.parse("def f(x):\n    return x +\n");
        EXPECT(!"reached");
    } catch (const einjit::error &e) {
        EXPECT(e.code() == EINJIT_E_SYNTAX && e.name() == std::string("E_SYNTAX") && e.line() == 2 && *e.what());
        EXPECT(e.excerpt().find("    return x +\n") == 0 && e.excerpt().back() == '^');
    }
    einjit::options wrong;
    wrong.target = "vax";
    EXPECT(code_of([&] { einjit::context refused(wrong); }) == EINJIT_E_VALUE);
    return 0;
}

static int programs()
{
    einjit::context made;
    einjit::context context = std::move(made);
    float a[6] = {1, 2, 3, 4, 5, 6}, w[3] = {1, 1, 1}, out[2], tall[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1}, sums[4];
    einjit::graph parsed = context.parse("def f(a: f32[z, 3], w: f32[3]):\n    return a @ w\n");
    einjit::graph graph = std::move(parsed);
    einjit::compile_options open;
    open.open = "z";
    einjit::kernel kernel = graph.compile({einjit::const_tensor(a, {2, 3}), einjit::const_tensor(w, {3})}, {}, open);
    {
        einjit::kernel copy = kernel, other = copy;
        copy = std::move(other);
        kernel = copy;
    }
    kernel.run({einjit::const_tensor(a, {2, 3}), einjit::const_tensor(w, {3})}, {einjit::tensor(out, {2})});
    EXPECT(out[0] == 6 && out[1] == 15);
    kernel.run({einjit::const_tensor(tall, {4, 3}), einjit::const_tensor(w, {3})}, {einjit::tensor(sums, {4})});
    EXPECT(sums[3] == 3);
    std::int64_t z = 7;
    einjit::shape_and_dtype shape = kernel.output_shape(0, &z);
    EXPECT(kernel.output_count() == 1 && shape.dtype == EINJIT_F32 && shape.shape == std::vector<std::int64_t>{7});
    EXPECT(kernel.open_names() == std::vector<std::string>{"z"});
    auto variant = einjit::sized<einjit_variant>();
    variant.kernel = kernel.get();
    if (kernel.entry()) {
        EXPECT(einjit::export_text(einjit_export_object, "layer", {variant}).compare(0, 4, "\177ELF") == 0);
        EXPECT(einjit::export_text(einjit_export_header, "layer", {variant}).find("int layer(") != std::string::npos);
    }
    EXPECT(context.parse(graph.print()).print() == graph.print());
    EXPECT(graph.explain({einjit::const_tensor(a, {2, 3}), einjit::const_tensor(w, {3})}, "plan").find("plan:") == 0);
    EXPECT(context.statistics().misses == 1);
    graph.call({einjit::const_tensor(tall, {3, 3}), einjit::const_tensor(w, {3})}, {einjit::tensor(sums, {3})}, open);
    EXPECT(context.statistics().misses == 1 && sums[2] == 0);
    open.open = "...";
    for (std::int64_t n = 1; n <= 4; n++)
        context.einsum("...i->...", {einjit::const_tensor(tall, {n, 3})}, einjit::tensor(sums, {n}), open);
    EXPECT(context.statistics().misses == 2 && sums[3] == 3);

    einjit::graph built = context.create_graph();
    const std::int64_t extents[] = {3};
    einjit_value x = built.add(einjit_graph_input, "x", EINJIT_F32, 1, extents, nullptr);
    einjit_value square = built.add(einjit_graph_einsum, "i,i->", 2, std::vector<einjit_value>{x, x}.data());
    built.output(built.gradient({square}, {x}).at(0));
    built.call({einjit::const_tensor(w, {3})}, {einjit::tensor(sums, {3})});
    EXPECT(sums[0] == 2 && sums[2] == 2 && built.value("x") == x);
    return 0;
}

static int questions()
{
    const einjit::context context;
    const einjit::const_tensor a = einjit::const_tensor::of(nullptr, EINJIT_F32, {9, 500}),
                               b = einjit::const_tensor::of(nullptr, EINJIT_F32, {500, 9}), c = a;
    const char *text = "def f(a: f32[i, j], b: f32[j, k], c):\n    unused = exp(a)\n    return a @ b @ c\n";
    const einjit::graph graph = context.parse(text);
    graph.verify();
    EXPECT((graph.input_names() == std::vector<std::string>{"a", "b", "c"}));
    EXPECT(graph.input_type(0).dtype == EINJIT_F32 && graph.input_type(0).shape.size() == 2 &&
           graph.input_type(0).shape[0] == -1);
    EXPECT(graph.input_type(2).dtype == -1 && graph.input_type(2).shape.empty());
    const einjit::shapes shapes = graph.shapes({a, b, c});
    EXPECT(shapes.output_count() == 1 && (shapes.output(0).shape == std::vector<std::int64_t>{9, 500}));
    EXPECT(shapes.value(graph.value("unused")).shape == shapes.output(0).shape);
    EXPECT(graph.cost({a, b, c}).planned_operations == 162000);
    const char *twice = "def f(a: f32[i, j], b: f32[j, k]):\n    unused = exp(a)\n    return a @ b + a @ b\n";
    const einjit::report report = context.parse(twice).optimize_report("dce,canon,cse", {a, b}, EINJIT_REPORT_PROGRAMS);
    EXPECT(report.count() == 3 && report.pass(0).pass == std::string("dce") && report.pass(0).changed == 1);
    EXPECT(report.pass(3).pass == std::string("all") && report.rules(3).size() == report.pass(3).n_rules);
    EXPECT(!report.rules(3).empty() && report.rules(3)[0].second >= 1);
    EXPECT(report.print().find("dce") != std::string::npos);
    EXPECT(code_of([&] { report.pass(4); }) == EINJIT_E_VALUE);
    einjit::graph frozen = context.parse(text);
    frozen.freeze();
    EXPECT(code_of([&] { frozen.optimize(); }) == EINJIT_E_FROZEN);
    const einjit::path path = context.path({{0, 1}, {1, 2}, {2, 3}}, {0, 3}, {9, 500, 9, 500});
    einjit_path_options within{};
    within.struct_bytes = sizeof within;
    within.memory_limit = 9 * 9 * 4;
    within.dtype = EINJIT_F32;
    const einjit::path sliced = context.find_path({{0, 1}, {1, 2}, {2, 3}, {3, 4}}, {0, 4}, {9, 50, 9, 50, 9}, within);
    EXPECT(sliced.slices > 1 && !sliced.sliced.empty() && sliced.pairs.size() == 3);
    EXPECT(path.pairs.size() == 2 && path.pairs[0] == std::make_pair(0, 1) && path.log10_mults > 4);
    EXPECT(context.from_equation("...i->...", {2}).print().find("einsum") != std::string::npos);
    float x[6] = {1, 2, 3, 4, 5, 6}, y[3];
    context.einsum_labels({700, 5}, {einjit::const_tensor(x, {2, 3})}, {5}, einjit::tensor(y, {3}));
    EXPECT(y[0] == 5 && y[2] == 9);
    bool has_einsum = false;
    for (const einjit::named &one : einjit::list(EINJIT_LIST_OPERATORS)) has_einsum |= one.name == "einsum";
    EXPECT(has_einsum);
    if (!context.cache_path().empty())
        EXPECT(context.cache_trim(UINT64_MAX) == 0 && context.cache_list().size() < SIZE_MAX);
    EXPECT(code_of([&] { context.cache_list().entry(SIZE_MAX); }) == EINJIT_E_VALUE);
    return 0;
}

static int hear(void *user, const char *, double)
{
    ++*static_cast<int *>(user);
    return 1;
}

static int interrupts()
{
    int calls = 0;
    einjit::options options;
    options.progress = hear;
    options.progress_user = &calls;
    const einjit::context context(options);
    float x[6] = {1, 2, 3, 4, 5, 6}, y[3];
    EXPECT(code_of([&] { context.einsum("ij->j", {einjit::const_tensor(x, {2, 3})}, einjit::tensor(y, {3})); }) ==
           EINJIT_E_INTERRUPTED);
    EXPECT(calls == 1);
    return 0;
}

int main()
{
    return views() || errors() || programs() || questions() || interrupts();
}

/* einjit.hpp - einjit.h for C++17: handles that release themselves, statuses as exceptions, views of typed arrays.
 *
 * Header only. einjit.h says what every function means, what it costs and from which threads it may be called; here a
 * method has the name of its C function without the prefix, and throws einjit::error where that returns a status. Every
 * function that can fail has one, builders of graphs through graph::add; plain questions without (of names, counts,
 * dtypes) are asked in C, through get().
 *
 * Views borrow the caller's elements and own their shape. A call takes lists of them in braces, without an allocation:
 *
 *     einjit::context context;
 *     einjit::const_tensor a(a_data, {64, 32}), b(b_data, {32, 16});
 *     einjit::tensor c(c_data, {64, 16});
 *     context.einsum("ij,jk->ik", {a, b}, c);
 */
#ifndef EINJIT_HPP
#define EINJIT_HPP

#include <complex>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "einjit.h"

namespace einjit
{

/** A status other than EINJIT_OK. what() is the error's text, one line. */
class error : public std::runtime_error
{
  public:
    explicit error(const einjit_error &c) : std::runtime_error(c.text), c_(c)
    {
    }
    int code() const noexcept
    {
        return c_.code;
    }
    /** "E_SHAPE", ... */
    const char *name() const noexcept
    {
        return einjit_status_name(c_.code);
    }
    /** Place in program text or an equation, from 1; 0: none. */
    int line() const noexcept
    {
        return c_.line;
    }
    int column() const noexcept
    {
        return c_.column;
    }
    /** That line, and below it a caret at the column; empty where there is no place. */
    std::string excerpt() const
    {
        if (!c_.line) return {};
        return std::string(c_.source) + "\n" + std::string(static_cast<std::size_t>(c_.caret), ' ') + "^";
    }
    const einjit_error &get() const noexcept
    {
        return c_;
    }

  private:
    einjit_error c_;
};

/** Throws what a C function stored in `c` if it returned another status than EINJIT_OK. */
inline void check(int status, const einjit_error &c)
{
    if (status != EINJIT_OK) throw error(c);
}

/** Text that a C function writes into a buffer: call(buffer, capacity, &needed, &err). */
template <class Print> std::string text_of(Print call)
{
    einjit_error err;
    std::size_t needed = 0;
    check(call(nullptr, 0, &needed, &err), err);
    std::string out(needed, '\0');
    check(call(out.data(), needed + 1, &needed, &err), err);
    return out;
}

/** A C struct that a call fills in, with its size set. */
template <class Struct> Struct sized() noexcept
{
    Struct made{};
    made.struct_bytes = sizeof made;
    return made;
}

struct named {
    std::string name, text;
};
/** What there is: list(EINJIT_LIST_OPERATORS), ... */
inline std::vector<named> list(int which)
{
    std::vector<named> all;
    const char *text = nullptr;
    for (std::size_t i = 0; const char *name = einjit_list_name(which, i, &text); i++) all.push_back({name, text});
    return all;
}

/** The dtype of a C++ type. Other types are refused by the compiler. */
template <class T> struct dtype_of;
template <> struct dtype_of<bool> : std::integral_constant<std::int32_t, EINJIT_BOOL> {
};
template <> struct dtype_of<std::int8_t> : std::integral_constant<std::int32_t, EINJIT_I8> {
};
template <> struct dtype_of<std::uint8_t> : std::integral_constant<std::int32_t, EINJIT_U8> {
};
template <> struct dtype_of<std::int16_t> : std::integral_constant<std::int32_t, EINJIT_I16> {
};
template <> struct dtype_of<std::int32_t> : std::integral_constant<std::int32_t, EINJIT_I32> {
};
template <> struct dtype_of<std::int64_t> : std::integral_constant<std::int32_t, EINJIT_I64> {
};
template <> struct dtype_of<float> : std::integral_constant<std::int32_t, EINJIT_F32> {
};
template <> struct dtype_of<double> : std::integral_constant<std::int32_t, EINJIT_F64> {
};
template <> struct dtype_of<std::complex<float>> : std::integral_constant<std::int32_t, EINJIT_C64> {
};
template <> struct dtype_of<std::complex<double>> : std::integral_constant<std::int32_t, EINJIT_C128> {
};
static_assert(sizeof(bool) == 1, "einjit's bool is one byte");

/** A view of elements that are only read. Shape and strides (in elements; empty: row-major) are copied, elements are
 * the caller's. Throws std::invalid_argument where strides are given and not one for each axis. */
class const_tensor
{
  public:
    using extents = std::vector<std::int64_t>;

    template <class T>
    const_tensor(const T *data, extents shape, extents strides = {})
        : const_tensor(std::move(shape), std::move(strides), const_cast<T *>(data), dtype_of<T>::value)
    {
    }
    /** Of a dtype that is known at run time; data may be nullptr where only shapes are read. */
    static const_tensor of(const void *data, std::int32_t dtype, extents shape, extents strides = {})
    {
        return {std::move(shape), std::move(strides), const_cast<void *>(data), dtype};
    }
    std::int32_t dtype() const noexcept
    {
        return dtype_;
    }
    const extents &shape() const noexcept
    {
        return shape_;
    }
    const extents &strides() const noexcept
    {
        return strides_;
    }
    const void *data() const noexcept
    {
        return data_;
    }
    /** The C struct; it points into this view. */
    einjit_tensor get() const noexcept
    {
        const std::int64_t *strides = strides_.empty() ? nullptr : strides_.data();
        return {data_, dtype_, static_cast<std::int32_t>(shape_.size()), shape_.data(), strides};
    }

  protected:
    const_tensor(extents shape, extents strides, void *data, std::int32_t dtype)
        : shape_(std::move(shape)), strides_(std::move(strides)), data_(data), dtype_(dtype)
    {
        if (!strides_.empty() && strides_.size() != shape_.size())
            throw std::invalid_argument("einjit: " + std::to_string(strides_.size()) + " strides for " +
                                        std::to_string(shape_.size()) + " axes");
    }

  private:
    extents shape_, strides_;
    void *data_;
    std::int32_t dtype_;
};

/** A view of elements that a call may write. */
class tensor : public const_tensor
{
  public:
    template <class T, class = std::enable_if_t<!std::is_const_v<T>>>
    tensor(T *data, extents shape, extents strides = {}) : const_tensor(data, std::move(shape), std::move(strides))
    {
    }
    static tensor of(void *data, std::int32_t dtype, extents shape, extents strides = {})
    {
        return {std::move(shape), std::move(strides), data, dtype};
    }
    void *data() const noexcept
    {
        return const_cast<void *>(get().data);
    }

  private:
    tensor(extents shape, extents strides, void *data, std::int32_t dtype)
        : const_tensor(std::move(shape), std::move(strides), data, dtype)
    {
    }
};

/** Arguments of one call: tensors in braces, or C structs of the caller's. Valid for that call. View: const_tensor for
 * what is read, tensor for what is written. */
template <class View> class arguments
{
  public:
    struct item {
        item(const View &view) noexcept : c(view.get())
        {
        }
        item(const einjit_tensor &given) noexcept : c(given)
        {
        }
        einjit_tensor c;
    };
    arguments() noexcept = default;
    arguments(std::initializer_list<item> list) noexcept : n_(list.size()), data_(n_ ? &list.begin()->c : nullptr)
    {
    }
    arguments(const einjit_tensor *data, std::size_t n) noexcept : n_(n), data_(data)
    {
    }
    arguments(const std::vector<einjit_tensor> &list) noexcept : arguments(list.data(), list.size())
    {
    }
    std::size_t size() const noexcept
    {
        return n_;
    }
    const einjit_tensor *data() const noexcept
    {
        return data_;
    }

  private:
    static_assert(sizeof(item) == sizeof(einjit_tensor), "a list of items is an array of C structs");
    std::size_t n_ = 0;
    const einjit_tensor *data_ = nullptr;
};
using inputs = arguments<const_tensor>;
using outputs = arguments<tensor>;

/** Options with their size filled in and everything else at its default. */
struct options : einjit_options {
    options() noexcept : einjit_options{}
    {
        struct_bytes = sizeof(einjit_options);
    }
};
struct compile_options : einjit_compile_options {
    compile_options() noexcept : einjit_compile_options{}
    {
        struct_bytes = sizeof(einjit_compile_options);
    }
};

struct shape_and_dtype {
    std::int32_t dtype;
    std::vector<std::int64_t> shape;
};

/** A compiled program. Copies share it. */
class kernel
{
  public:
    /** Takes over the caller's ownership of `owned`. */
    explicit kernel(einjit_kernel *owned) noexcept : kernel_(owned)
    {
    }
    kernel(const kernel &other) noexcept : kernel_(other.kernel_)
    {
        if (kernel_) einjit_kernel_retain(kernel_);
    }
    kernel(kernel &&other) noexcept : kernel_(std::exchange(other.kernel_, nullptr))
    {
    }
    kernel &operator=(kernel other) noexcept
    {
        std::swap(kernel_, other.kernel_);
        return *this;
    }
    ~kernel()
    {
        einjit_kernel_release(kernel_);
    }
    einjit_kernel *get() const noexcept
    {
        return kernel_;
    }

    void run(inputs in, outputs out) const
    {
        einjit_error err;
        check(einjit_run(kernel_, in.size(), in.data(), out.size(), out.data(), &err), err);
    }
    /** In how many slices it runs; 1: as a whole. */
    std::int64_t slices() const noexcept
    {
        return einjit_kernel_slice_count(kernel_);
    }
    void run_slices(inputs in, outputs out, std::int64_t first, std::int64_t end) const
    {
        einjit_error err;
        check(einjit_run_slices(kernel_, in.size(), in.data(), out.size(), out.data(), first, end, &err), err);
    }
    einjit_slice_part slice_part(std::int64_t slice, std::int64_t *begin = nullptr, std::int64_t *shape = nullptr) const
    {
        einjit_error err;
        einjit_slice_part part = {};
        part.struct_bytes = sizeof part;
        check(einjit_kernel_slice_part(kernel_, slice, &part, begin, shape, &err), err);
        return part;
    }
    void run_slice_sum(inputs in, std::int64_t first, std::int64_t end, void *sum) const
    {
        einjit_error err;
        check(einjit_run_slice_sum(kernel_, in.size(), in.data(), first, end, sum, &err), err);
    }
    einjit_entry entry() const noexcept
    {
        return einjit_kernel_entry(kernel_);
    }
    std::size_t scratch_bytes(const std::int64_t *sizes = nullptr) const noexcept
    {
        return einjit_kernel_scratch_bytes(kernel_, sizes);
    }
    std::size_t output_count() const noexcept
    {
        return einjit_kernel_output_count(kernel_);
    }
    /** `sizes`: the open extents, in the order of open_names(). */
    shape_and_dtype output_shape(std::size_t i, const std::int64_t *sizes = nullptr) const
    {
        einjit_error err;
        int dtype = 0, rank = 0;
        check(einjit_kernel_output_shape(kernel_, i, sizes, &dtype, &rank, nullptr, 0, &err), err);
        shape_and_dtype found{dtype, std::vector<std::int64_t>(static_cast<std::size_t>(rank))};
        std::int64_t *shape = found.shape.data();
        check(einjit_kernel_output_shape(kernel_, i, sizes, nullptr, nullptr, shape, found.shape.size(), &err), err);
        return found;
    }
    std::vector<std::string> open_names() const
    {
        std::vector<std::string> names;
        for (std::size_t i = 0; i < einjit_kernel_open_count(kernel_); i++)
            names.emplace_back(einjit_kernel_open_name(kernel_, i));
        return names;
    }
    /** Extents that were to stay open and could not; `text`: the value that needs the number. */
    std::vector<named> closed() const
    {
        std::vector<named> all;
        for (std::size_t i = 0; i < einjit_kernel_closed_count(kernel_); i++)
            all.push_back({einjit_kernel_closed_name(kernel_, i), einjit_kernel_closed_by(kernel_, i)});
        return all;
    }
    std::int64_t index_limit(std::size_t i, const std::int64_t *sizes = nullptr) const noexcept
    {
        return einjit_kernel_index_limit(kernel_, i, sizes);
    }

  private:
    einjit_kernel *kernel_;
};

/** Kernels as an object for the linker, or as the C header of that: export_text(einjit_export_object, "layer", {..}),
 * export_text(einjit_export_header, ..). */
inline std::string export_text(decltype(einjit_export_object) *what, const char *name,
                               std::initializer_list<einjit_variant> variants)
{
    return text_of([&](char *buffer, std::size_t capacity, std::size_t *needed, einjit_error *err) {
        return what(name, variants.size(), variants.begin(), buffer, capacity, needed, err);
    });
}

/** What a run of passes did. Moves, does not copy. */
class report
{
  public:
    /** Takes over `owned`. */
    explicit report(einjit_report *owned) noexcept : report_(owned)
    {
    }
    einjit_report *get() const noexcept
    {
        return report_.get();
    }
    std::size_t count() const noexcept
    {
        return einjit_report_count(get());
    }
    /** Pass i; i = count(): all of it. Its texts belong to the report. */
    einjit_pass_report pass(std::size_t i) const
    {
        einjit_error err;
        auto out = sized<einjit_pass_report>();
        check(einjit_report_pass(get(), i, &out, &err), err);
        return out;
    }
    /** The rules that fired in pass i, and how often. */
    std::vector<std::pair<std::string, std::uint64_t>> rules(std::size_t i) const
    {
        std::vector<std::pair<std::string, std::uint64_t>> all;
        std::uint64_t fired = 0;
        for (std::size_t r = 0; const char *name = einjit_report_rule(get(), i, r, &fired); r++)
            all.emplace_back(name, fired);
        return all;
    }
    std::string print(std::int32_t flags = 0) const
    {
        return text_of([&](char *buffer, std::size_t capacity, std::size_t *needed, einjit_error *err) {
            return einjit_report_print(get(), flags, buffer, capacity, needed, err);
        });
    }

  private:
    struct destroy {
        void operator()(einjit_report *r) const noexcept
        {
            einjit_report_destroy(r);
        }
    };
    std::unique_ptr<einjit_report, destroy> report_;
};

/** Shapes and dtypes of the values of a graph. Moves, does not copy. */
class shapes
{
  public:
    /** Takes over `owned`. */
    explicit shapes(einjit_shapes *owned) noexcept : shapes_(owned)
    {
    }
    einjit_shapes *get() const noexcept
    {
        return shapes_.get();
    }
    std::size_t output_count() const noexcept
    {
        return einjit_shapes_output_count(get());
    }
    shape_and_dtype output(std::size_t i) const
    {
        return found(einjit_shapes_output, i);
    }
    shape_and_dtype value(einjit_value v) const
    {
        return found(einjit_shapes_value, v);
    }

  private:
    struct destroy {
        void operator()(einjit_shapes *s) const noexcept
        {
            einjit_shapes_destroy(s);
        }
    };
    template <class Ask, class Which> shape_and_dtype found(Ask ask, Which which) const
    {
        einjit_error err;
        int dtype = 0, rank = 0;
        const std::int64_t *shape = nullptr;
        check(ask(get(), which, &dtype, &rank, &shape, &err), err);
        return {dtype, std::vector<std::int64_t>(shape, shape + rank)};
    }
    std::unique_ptr<einjit_shapes, destroy> shapes_;
};

/** A program. Moves, does not copy: print and parse it for another one. Made by a context, which may end before it. */
class graph
{
  public:
    /** Takes over `owned`, a graph of `context`. */
    graph(einjit_graph *owned, einjit_context *context) noexcept : graph_(owned), context_(context)
    {
    }
    einjit_graph *get() const noexcept
    {
        return graph_.get();
    }

    /** Any builder of einjit.h that makes one value: add(einjit_graph_einsum, "ij->ji", 1, &x). */
    template <class Builder, class... Arguments> einjit_value add(Builder builder, Arguments... arguments)
    {
        einjit_error err;
        einjit_value value = -1;
        check(builder(&value, get(), arguments..., &err), err);
        return value;
    }
    void output(einjit_value value)
    {
        einjit_error err;
        check(einjit_graph_output(get(), value, &err), err);
    }
    /** The value of that name; -1: there is none. */
    einjit_value value(const char *name) const noexcept
    {
        return einjit_graph_value(get(), name);
    }
    /** Of the values y by each of wrt. seeds: one for each y, or none where all y have no axes. */
    std::vector<einjit_value> gradient(const std::vector<einjit_value> &y, const std::vector<einjit_value> &wrt,
                                       const std::vector<einjit_value> &seeds = {})
    {
        if (!seeds.empty() && seeds.size() != y.size())
            throw std::invalid_argument("einjit: " + std::to_string(seeds.size()) + " seeds for " +
                                        std::to_string(y.size()) + " values");
        einjit_error err;
        std::vector<einjit_value> out(wrt.size());
        const einjit_value *seed = seeds.empty() ? nullptr : seeds.data();
        check(einjit_graph_gradient(out.data(), get(), y.size(), y.data(), seed, wrt.size(), wrt.data(), &err), err);
        return out;
    }
    void freeze() const
    {
        einjit_error err;
        check(einjit_graph_freeze(get(), &err), err);
    }
    void verify() const
    {
        einjit_error err;
        check(einjit_graph_verify(get(), &err), err);
    }
    std::vector<std::string> input_names() const
    {
        std::vector<std::string> names;
        for (std::size_t i = 0; i < einjit_graph_input_count(get()); i++)
            names.emplace_back(einjit_graph_input_name(get(), i));
        return names;
    }
    /** What the program says of input i; dtype -1: nothing. `shape` has -1 for extents that are left open, and is empty
     * where the rank is. */
    shape_and_dtype input_type(std::size_t i) const
    {
        einjit_error err;
        int dtype = -1, rank = -1;
        check(einjit_graph_input_type(get(), i, &dtype, &rank, nullptr, nullptr, 0, &err), err);
        shape_and_dtype found{dtype, std::vector<std::int64_t>(static_cast<std::size_t>(rank < 0 ? 0 : rank))};
        std::vector<const char *> symbols(found.shape.size());
        check(
            einjit_graph_input_type(get(), i, &dtype, &rank, found.shape.data(), symbols.data(), symbols.size(), &err),
            err);
        return found;
    }
    einjit::shapes shapes(inputs in) const
    {
        einjit_error err;
        einjit_shapes *made = nullptr;
        check(einjit_shapes_infer(&made, get(), in.size(), in.data(), &err), err);
        return einjit::shapes(made);
    }
    void optimize(const char *passes = nullptr)
    {
        einjit_error err;
        check(einjit_optimize(get(), passes, &err), err);
    }
    /** The same, and what it did; `in`: examples of the inputs, for counts of operations and bytes. */
    report optimize_report(const char *passes = nullptr, inputs in = {}, std::int32_t flags = 0)
    {
        einjit_error err;
        einjit_report *made = nullptr;
        check(einjit_optimize_report(&made, get(), passes, in.size(), in.data(), flags, &err), err);
        return report(made);
    }
    /** Operations and bytes, of the program as written and of its plan. */
    einjit_cost cost(inputs in, const compile_options &with = {}) const
    {
        einjit_error err;
        auto out = sized<einjit_cost>();
        check(einjit_plan_cost(&out, context_, get(), in.size(), in.data(), &with, &err), err);
        return out;
    }
    std::string print() const
    {
        return text_of([this](char *buffer, std::size_t capacity, std::size_t *needed, einjit_error *err) {
            return einjit_graph_print(get(), buffer, capacity, needed, err);
        });
    }
    /** What a stage of compiling makes of it: "plan", "nest", ... as einjit_explain says. */
    std::string explain(inputs in, const char *stage, const compile_options &with = {}) const
    {
        return text_of([&](char *buffer, std::size_t capacity, std::size_t *needed, einjit_error *err) {
            return einjit_explain(context_, get(), in.size(), in.data(), &with, stage, buffer, capacity, needed, err);
        });
    }
    kernel compile(inputs in, outputs out = {}, const compile_options &with = {}) const
    {
        einjit_error err;
        einjit_kernel *made = nullptr;
        check(einjit_compile(&made, context_, get(), in.size(), in.data(), out.size(), out.data(), &with, &err), err);
        return kernel(made);
    }
    /** Compile on first sight of the signature, and run. */
    void call(inputs in, outputs out) const
    {
        einjit_error err;
        check(einjit_call(context_, get(), in.size(), in.data(), out.size(), out.data(), &err), err);
    }
    /** With options: extents that stay open above all. */
    void call(inputs in, outputs out, const compile_options &with) const
    {
        einjit_error err;
        check(einjit_call_with(context_, get(), in.size(), in.data(), out.size(), out.data(), &with, &err), err);
    }

  private:
    struct destroy {
        void operator()(einjit_graph *g) const noexcept
        {
            einjit_graph_destroy(g);
        }
    };
    std::unique_ptr<einjit_graph, destroy> graph_;
    einjit_context *context_; /* the graph holds it */
};

/** A contraction path: pairs of single-assignment ids, the second one -1 for a step of one operand. */
struct path {
    std::vector<std::pair<std::int32_t, std::int32_t>> pairs;
    double log10_mults = 0, log2_largest = 0, slices = 1;
    std::vector<std::int32_t> sliced; /* labels that are cut */
};

/** Entries of the cache on disk. Moves, does not copy. */
class cache_list
{
  public:
    /** Takes over `owned`. */
    explicit cache_list(einjit_cache_list *owned) noexcept : list_(owned)
    {
    }
    einjit_cache_list *get() const noexcept
    {
        return list_.get();
    }
    std::size_t size() const noexcept
    {
        return einjit_cache_list_count(get());
    }
    /** Its texts belong to the list. */
    einjit_cache_entry entry(std::size_t i) const
    {
        einjit_error err;
        auto out = sized<einjit_cache_entry>();
        check(einjit_cache_list_entry(get(), i, &out, &err), err);
        return out;
    }

  private:
    struct destroy {
        void operator()(einjit_cache_list *l) const noexcept
        {
            einjit_cache_list_destroy(l);
        }
    };
    std::unique_ptr<einjit_cache_list, destroy> list_;
};

/** Caches, options, hooks. Moves, does not copy. */
class context
{
  public:
    context() : context(options{})
    {
    }
    explicit context(const options &with)
    {
        einjit_error err;
        einjit_context *made = nullptr;
        check(einjit_context_create(&made, &with, &err), err);
        context_.reset(made);
    }
    einjit_context *get() const noexcept
    {
        return context_.get();
    }

    void einsum(const char *equation, inputs in, const outputs::item &out) const
    {
        einjit_error err;
        check(einjit_einsum(get(), equation, in.size(), in.data(), &out.c, &err), err);
    }
    void einsum(const char *equation, inputs in, const outputs::item &out, const compile_options &with) const
    {
        einjit_error err;
        check(einjit_einsum_with(get(), equation, in.size(), in.data(), &out.c, &with, &err), err);
    }
    /** With integer labels, those of all terms one after the other. */
    void einsum_labels(const std::vector<std::int32_t> &labels, inputs in, const std::vector<std::int32_t> &output,
                       const outputs::item &out) const
    {
        std::size_t n = 0;
        for (std::size_t i = 0; i < in.size(); i++) n += static_cast<std::size_t>(in.data()[i].rank);
        if (n != labels.size() || static_cast<std::size_t>(out.c.rank) != output.size())
            throw std::invalid_argument("einjit: not one label for each axis");
        einjit_error err;
        check(einjit_einsum_labels(get(), in.size(), in.data(), labels.data(), &out.c, output.data(), &err), err);
    }
    /** The contraction path of terms in integer labels below sizes.size(). `watch` hears of every trial: what is not 0
     * ends the search with the best path so far. */
    einjit::path path(const std::vector<std::vector<std::int32_t>> &terms, const std::vector<std::int32_t> &output,
                      const std::vector<std::int64_t> &sizes, const char *strategy = nullptr,
                      einjit_path_progress watch = nullptr, void *user = nullptr) const
    {
        einjit_path_options options{};
        options.struct_bytes = sizeof options;
        options.strategy = strategy;
        options.progress = watch;
        options.user = user;
        return find_path(terms, output, sizes, options);
    }
    /** The same with all options, of which a memory limit is one. */
    einjit::path find_path(const std::vector<std::vector<std::int32_t>> &terms, const std::vector<std::int32_t> &output,
                           const std::vector<std::int64_t> &sizes, const einjit_path_options &options) const
    {
        std::vector<std::int32_t> ranks, labels, ids(4 * terms.size() + 4);
        for (const auto &term : terms) {
            ranks.push_back(static_cast<std::int32_t>(term.size()));
            labels.insert(labels.end(), term.begin(), term.end());
        }
        einjit_error err;
        einjit::path found;
        einjit_path_report report{};
        report.struct_bytes = sizeof report;
        found.sliced.resize(sizes.size());
        check(einjit_path_find(get(), terms.size(), ranks.data(), labels.data(), static_cast<int>(output.size()),
                               output.data(), sizes.size(), sizes.data(), &options, ids.data(), ids.size() / 2,
                               found.sliced.data(), found.sliced.size(), &report, &err),
              err);
        found.log10_mults = report.log10_mults;
        found.log2_largest = report.log2_largest;
        found.slices = report.slices;
        found.sliced.resize(report.n_sliced);
        for (std::size_t i = 0; i < report.n_steps; i++) found.pairs.emplace_back(ids[2 * i], ids[2 * i + 1]);
        return found;
    }
    /** An empty graph, for builders. */
    graph create_graph() const
    {
        return made([this](einjit_graph **out, einjit_error *err) { return einjit_graph_create(out, get(), err); });
    }
    /** A graph from program text. */
    graph parse(std::string_view text) const
    {
        return made([&](einjit_graph **out, einjit_error *err) {
            return einjit_graph_parse(out, get(), text.data() ? text.data() : "", text.size(), err);
        });
    }
    graph from_equation(const char *equation) const
    {
        return made([&](einjit_graph **out, einjit_error *err) {
            return einjit_graph_from_equation(out, get(), equation, err);
        });
    }
    /** For operands of these ranks. */
    graph from_equation(const char *equation, const std::vector<std::int32_t> &ranks) const
    {
        return made([&](einjit_graph **out, einjit_error *err) {
            return einjit_graph_from_equation_ranks(out, get(), equation, ranks.size(), ranks.data(), err);
        });
    }
    einjit_statistics statistics() const
    {
        einjit_error err;
        auto now = sized<einjit_statistics>();
        check(einjit_context_statistics(get(), &now, &err), err);
        return now;
    }
    /** The folder of kernels on disk; "" where nothing is kept. */
    std::string cache_path() const
    {
        return text_of([this](char *buffer, std::size_t capacity, std::size_t *needed, einjit_error *err) {
            return einjit_cache_path(get(), buffer, capacity, needed, err);
        });
    }
    einjit::cache_list cache_list() const
    {
        einjit_error err;
        einjit_cache_list *made = nullptr;
        check(einjit_cache_list_create(&made, get(), &err), err);
        return einjit::cache_list(made);
    }
    /** How many entries went. */
    std::uint64_t cache_trim(std::uint64_t keep_bytes) const
    {
        einjit_error err;
        std::uint64_t removed = 0;
        check(einjit_cache_trim(get(), keep_bytes, &removed, &err), err);
        return removed;
    }
    void clear_cache() const noexcept
    {
        einjit_context_clear_cache(get());
    }

  private:
    struct release {
        void operator()(einjit_context *c) const noexcept
        {
            einjit_context_release(c);
        }
    };
    template <class Make> graph made(Make make) const
    {
        einjit_error err;
        einjit_graph *out = nullptr;
        check(make(&out, &err), err);
        return graph(out, get());
    }
    std::unique_ptr<einjit_context, release> context_;
};

} // namespace einjit

#endif

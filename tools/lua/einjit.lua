--- einjit.lua - einsums and programs of them, compiled for the shapes that they meet: for Lua 5.4 and LuaJIT.
--
--     local einjit = require "einjit"
--     local a = einjit.tensor {{1, 2}, {3, 4}}                       -- f32; einjit.tensor({...}, "f64")
--     print(einjit.einsum("ij,jk->ik", a, a))
--     local f = einjit.compile [[
--     def f(x: f32[n, 2], w: f32[2]):
--         return relu(x @ w)
--     ]]
--     print(f(a, einjit.tensor {1, -1}))                             -- a tensor for each result
--
-- Failures are errors: tables with code ("E_RANK"), message and, of program text, line and column; tostring() has all of
-- it. Graphs, kernels and tensors go with the collector. Calls with Lua 5.4 are made by einjit_core.c, with LuaJIT by its
-- FFI from the C header as it was when this was built (einjit_cdef.lua); both are one state's, whatever its threads.

local einjit = {}
local pack, unpack_ = table.pack or function(...) return {n = select("#", ...), ...} end, table.unpack or unpack

-- ---- errors ----

local Error = {}
Error.__index = Error
function Error.__tostring(e)
    local text = e.code .. ": " .. e.message
    if e.line then text = text .. "\n" .. e.source .. "\n" .. (" "):rep(e.caret) .. "^" end
    return text
end

local function fail(code, ...)
    error(setmetatable({code = code, message = select("#", ...) > 1 and string.format(...) or ...}, Error), 0)
end

-- ---- LuaJIT: what einjit_core.c is for Lua 5.4 ----

local function core_of_ffi()
    local ffi, core = require "ffi", {}
    local generated = require "einjit_cdef"
    ffi.cdef(generated.declarations)
    local found, C = pcall(ffi.load, generated.soname)
    if not found then -- installed elsewhere: as far from here as it was meant to be
        local here = debug.getinfo(1, "S").source:match "^@(.*/)" or "./"
        C = ffi.load(here .. generated.libdir .. "/" .. generated.soname)
    end
    local n_handles, errors = 0, nil

    local function check(status, err)
        if status == 0 then return end
        local e = {code = ffi.string(C.einjit_status_name(status)), message = ffi.string(err.text)}
        if err.line > 0 then
            e.line, e.column, e.caret, e.source = err.line, err.column, err.caret, ffi.string(err.source)
        end
        error(setmetatable(e, errors), 0)
    end

    local function keep(pointer, release)
        n_handles = n_handles + 1
        return ffi.gc(pointer, function(p)
            n_handles = n_handles - 1
            release(p)
        end)
    end

    -- FFI takes numbers for integers silently; Lua 5.4 does not.
    local function integers(list, what)
        if type(list) ~= "table" then error(what .. " are not a list of numbers", 0) end
        local out = ffi.new("int64_t[?]", #list + 1)
        for i, n in ipairs(list) do
            if type(n) ~= "number" or n % 1 ~= 0 then error(what .. " are not integers", 0) end
            out[i - 1] = n
        end
        return out
    end

    local function options_of(struct, given)
        local o, held = ffi.new(struct), {}
        o.struct_bytes = ffi.sizeof(struct)
        for name, value in pairs(given or {}) do
            o[name] = value
            held[#held + 1] = value -- strings: LuaJIT holds what a table does
        end
        return o, held
    end

    local function tensors(list)
        local out, held = ffi.new("einjit_tensor[?]", #list + 1), {}
        for i, t in ipairs(list) do
            local one = out[i - 1]
            local shape = integers(t.shape, "shape")
            local strides = t.strides and integers(t.strides, "strides")
            if strides and #t.strides ~= #t.shape then error("strides are not a list of " .. #t.shape .. " numbers", 0) end
            held[#held + 1], held[#held + 2], held[#held + 3] = shape, strides or shape, t.data
            one.data, one.dtype, one.rank, one.shape = t.data, t.dtype and C.einjit_dtype_from_name(t.dtype) or -1, #t.shape, shape
            if strides then one.strides = strides end
        end
        return out, held
    end

    function core.errors(metatable) errors = metatable end
    function core.handles() return n_handles end
    function core.version() return ffi.string(C.einjit_version()) end
    function core.dtype_bytes(name) return tonumber(C.einjit_dtype_bytes(C.einjit_dtype_from_name(name))) end

    function core.context(given)
        local err, out, o, held = ffi.new "einjit_error", ffi.new "einjit_context *[1]", options_of("einjit_options", given)
        check(C.einjit_context_create(out, o, err), err)
        return keep(out[0], C.einjit_context_release), held
    end

    function core.parse(context, text)
        local err, out = ffi.new "einjit_error", ffi.new "einjit_graph *[1]"
        check(C.einjit_graph_parse(out, context, text, #text, err), err)
        return keep(out[0], C.einjit_graph_destroy)
    end

    function core.equation(context, text, ranks)
        local err, out = ffi.new "einjit_error", ffi.new "einjit_graph *[1]"
        check(C.einjit_graph_from_equation_ranks(out, context, text, #ranks, ffi.new("int32_t[?]", #ranks + 1, ranks), err), err)
        return keep(out[0], C.einjit_graph_destroy)
    end

    function core.inputs(graph) return tonumber(C.einjit_graph_input_count(graph)) end

    function core.infer(graph, list)
        local err, out, dtype, rank = ffi.new "einjit_error", ffi.new "einjit_shapes *[1]", ffi.new "int[1]", ffi.new "int[1]"
        local shape, results = ffi.new "const int64_t *[1]", {}
        local in_, held = tensors(list)
        check(C.einjit_shapes_infer(out, graph, #list, in_, err), err)
        local shapes = ffi.gc(out[0], C.einjit_shapes_destroy)
        for i = 1, tonumber(C.einjit_shapes_output_count(shapes)) do
            check(C.einjit_shapes_output(shapes, i - 1, dtype, rank, shape, err), err)
            local extents = {}
            for a = 1, rank[0] do extents[a] = tonumber(shape[0][a - 1]) end
            results[i] = {dtype = ffi.string(C.einjit_dtype_name(dtype[0])), shape = extents}
        end
        return results, held
    end

    function core.call(context, graph, ins, outs, given)
        local err, in_, held, out, held_out = ffi.new "einjit_error", tensors(ins)
        out, held_out = tensors(outs)
        local o, held_options = options_of("einjit_compile_options", given)
        check(C.einjit_call_with(context, graph, #ins, in_, #outs, out, o, err), err)
        return nil, held, held_out, held_options
    end

    function core.compile(context, graph, ins, given)
        local err, kernel, in_, held = ffi.new "einjit_error", ffi.new "einjit_kernel *[1]", tensors(ins)
        local o, held_options = options_of("einjit_compile_options", given)
        check(C.einjit_compile(kernel, context, graph, #ins, in_, 0, nil, o, err), err)
        return keep(kernel[0], C.einjit_kernel_release), held, held_options
    end

    function core.run(kernel, ins, outs)
        local err, in_, held = ffi.new "einjit_error", tensors(ins)
        local out, held_out = tensors(outs)
        check(C.einjit_run(kernel, #ins, in_, #outs, out, err), err)
        return nil, held, held_out
    end

    function core.explain(context, graph, ins, stage, given)
        local err, needed, in_, held = ffi.new "einjit_error", ffi.new "size_t[1]", tensors(ins)
        local o, held_options = options_of("einjit_compile_options", given)
        check(C.einjit_explain(context, graph, #ins, in_, o, stage, nil, 0, needed, err), err)
        local text = ffi.new("char[?]", needed[0] + 1)
        check(C.einjit_explain(context, graph, #ins, in_, o, stage, text, needed[0] + 1, needed, err), err)
        return ffi.string(text, needed[0]), held, held_options
    end

    local function bytes_of(buffer, from, n)
        if ffi.istype("uint8_t[?]", buffer) and (from < 0 or n < 0 or from + n > ffi.sizeof(buffer)) then
            error("outside of the buffer", 0)
        end
        return ffi.cast("uint8_t *", buffer) + from
    end
    function core.buffer(bytes)
        if type(bytes) ~= "number" or bytes < 0 then error("a buffer of that size", 0) end
        return ffi.new("uint8_t[?]", bytes)
    end
    function core.put(buffer, from, bytes) ffi.copy(bytes_of(buffer, from, #bytes), bytes, #bytes) end
    function core.take(buffer, from, n) return ffi.string(bytes_of(buffer, from, n), n) end

    local c_types = {f32 = "float *", f64 = "double *", i32 = "int32_t *", i64 = "int64_t *", i8 = "int8_t *",
        u8 = "uint8_t *", i16 = "int16_t *", bool = "uint8_t *", c64 = "float *", c128 = "double *"}
    function core.read(buffer, dtype, i)
        local p = ffi.cast(c_types[dtype], buffer)
        if dtype == "bool" then return p[i] ~= 0 end
        if dtype == "c64" or dtype == "c128" then return {p[2 * i], p[2 * i + 1]} end
        return tonumber(p[i])
    end
    function core.write(buffer, dtype, i, value)
        local p = ffi.cast(c_types[dtype], buffer)
        if dtype == "bool" then p[i] = value and value ~= 0 and 1 or 0
        elseif dtype == "c64" or dtype == "c128" then p[2 * i], p[2 * i + 1] = value[1], value[2]
        else p[i] = value end
    end
    return core
end

-- ---- Lua 5.4 ----

local function core_of_c()
    local core = require "einjit.core"
    local formats = {f32 = "<f", f64 = "<d", i32 = "<i4", i64 = "<i8", i8 = "<i1", u8 = "<I1", i16 = "<i2", bool = "<B",
        c64 = "<ff", c128 = "<dd"}
    local sizes = {}
    for dtype, format in pairs(formats) do sizes[dtype] = string.packsize(format) end
    function core.read(buffer, dtype, i)
        local bytes = core.take(buffer, i * sizes[dtype], sizes[dtype])
        local x, y = string.unpack(formats[dtype], bytes)
        if dtype == "bool" then return x ~= 0 end
        if dtype == "c64" or dtype == "c128" then return {x, y} end
        return x
    end
    function core.write(buffer, dtype, i, value)
        local bytes
        if dtype == "bool" then bytes = value and value ~= 0 and "\1" or "\0"
        elseif dtype == "c64" or dtype == "c128" then bytes = string.pack(formats[dtype], value[1], value[2])
        else bytes = string.pack(formats[dtype], value) end
        core.put(buffer, i * sizes[dtype], bytes)
    end
    return core
end

local core = rawget(_G, "jit") and core_of_ffi() or core_of_c()
core.errors(Error)
local flags = {no_optimize = 1, verify = 2, strict = 4, measure = 8}
local readable = {f32 = true, f64 = true, i32 = true, i64 = true, i8 = true, u8 = true, i16 = true, bool = true,
    c64 = true, c128 = true}

-- Options as Lua has them: flags are true or false.
local function options_of(given, allowed)
    local out, bits = {}, 0
    for name, value in pairs(given or {}) do
        if flags[name] then bits = bits + (value and flags[name] or 0)
        elseif allowed[name] == type(value) then out[name] = value
        elseif allowed[name] then fail("E_VALUE", "the option '%s' is a %s, not a %s", name, type(value), allowed[name])
        else fail("E_VALUE", "there is no option '%s'", tostring(name)) end
    end
    if bits > 0 then out.flags = bits end
    return out
end
local context_options = {backend = "string", target = "string", module_path = "string", cache_dir = "string",
    cache_shared = "string", threads = "number"}
local compile_options = {open = "string", path = "string", constants = "string", alpha = "number", beta = "number"}

-- ---- tensors ----

local Tensor = {}
Tensor.__index = Tensor

local function elements(shape)
    local n = 1
    for _, extent in ipairs(shape) do
        if type(extent) ~= "number" or extent % 1 ~= 0 or extent < 0 then
            fail("E_SHAPE", "the extent %s is not a number of elements", tostring(extent))
        end
        n = n * extent
    end
    return n
end

local function new_tensor(dtype, shape, data)
    local size = type(dtype) == "string" and core.dtype_bytes(dtype) or 0
    if size == 0 then fail("E_DTYPE", "there is no dtype '%s'", tostring(dtype)) end
    local n = elements(shape)
    if n * size > 2 ^ 53 then fail("E_SIZE", "%.0f elements do not fit into memory", n) end
    return setmetatable({dtype = dtype, shape = shape, n = n, data = data or core.buffer(n * size)}, Tensor)
end

--- Zeros of a shape: zeros({2, 3}), zeros({2, 3}, "f64").
function einjit.zeros(shape, dtype) return new_tensor(dtype or "f32", {unpack_(shape)}) end

local function shape_of(nested, dtype)
    local shape, at, complex = {}, nested, dtype == "c64" or dtype == "c128"
    while type(at) == "table" and not (complex and type(at[1]) == "number") do
        shape[#shape + 1] = #at
        at = at[1]
    end
    return shape
end

local function fill(tensor, nested, axis, at)
    if axis > #tensor.shape then
        local kind = type(nested)
        local complex = tensor.dtype == "c64" or tensor.dtype == "c128"
        if complex and kind == "number" then nested, kind = {nested, 0}, "table" end
        local fits = complex and kind == "table" and #nested == 2 or not complex and (kind == "number" or
            tensor.dtype == "bool" and kind == "boolean")
        if not fits then fail("E_VALUE", "%s is no element of dtype %s", tostring(nested), tensor.dtype) end
        core.write(tensor.data, tensor.dtype, at, nested)
        return at + 1
    end
    if type(nested) ~= "table" or #nested ~= tensor.shape[axis] then
        fail("E_SHAPE", "the table is not of one shape: axis %d has %d elements first, then %s", axis, tensor.shape[axis],
            type(nested) == "table" and #nested or "none")
    end
    for _, part in ipairs(nested) do at = fill(tensor, part, axis + 1, at) end
    return at
end

--- A tensor of a nested table, or of a number: tensor {{1, 2}, {3, 4}}; tensor({1, 2}, "i64"); complex numbers are pairs.
-- With a shape the table is flat: tensor({1, 2, 3, 4}, "f32", {2, 2}).
function einjit.tensor(nested, dtype, shape)
    dtype = dtype or "f32"
    if not readable[dtype] and core.dtype_bytes(dtype) > 0 then
        fail("E_DTYPE", "elements of %s are given as bytes (einjit.from_bytes)", dtype)
    end
    local t = new_tensor(dtype, shape and {unpack_(shape)} or shape_of(nested, dtype))
    if not shape then fill(t, nested, 1, 0)
    else
        if #nested ~= t.n then fail("E_SHAPE", "%d elements for a shape of %d", #nested, t.n) end
        local flat = setmetatable({dtype = dtype, shape = {t.n}, data = t.data}, Tensor)
        fill(flat, nested, 1, 0)
    end
    return t
end

--- A tensor of a string's bytes, as string.pack, files and sockets have them (copied).
function einjit.from_bytes(bytes, dtype, shape)
    local t = new_tensor(dtype, {unpack_(shape)})
    local wanted = t.n * core.dtype_bytes(dtype)
    if #bytes ~= wanted then fail("E_SHAPE", "%d bytes given, this shape has %d", #bytes, wanted) end
    core.put(t.data, 0, bytes)
    return t
end

--- A tensor over memory of the host's, which is not copied: a light userdata, or with LuaJIT any pointer or array. Strides
-- (in elements) may be left out. Whoever gives it keeps it alive and large enough.
function einjit.view(memory, dtype, shape, strides)
    local t = new_tensor(dtype, {unpack_(shape)}, memory)
    if strides then
        if #strides ~= #shape then fail("E_STRIDE", "%d strides for %d axes", #strides, #shape) end
        t.strides = {unpack_(strides)}
    end
    return t
end

local function strides_of(t)
    if t.strides then return t.strides end
    local out, running = {}, 1
    for axis = #t.shape, 1, -1 do
        out[axis] = running
        running = running * t.shape[axis]
    end
    return out
end

--- The same memory with axes in another order: t:permute(2, 1).
function Tensor:permute(...)
    local order, seen, shape, strides, old = {...}, {}, {}, {}, strides_of(self)
    for i, axis in ipairs(order) do
        if not self.shape[axis] or seen[axis] then fail("E_VALUE", "axis %s given twice, or there is none", tostring(axis)) end
        seen[axis], shape[i], strides[i] = true, self.shape[axis], old[axis]
    end
    if #order ~= #self.shape then fail("E_RANK", "%d axes given, there are %d", #order, #self.shape) end
    return setmetatable({dtype = self.dtype, shape = shape, strides = strides, n = self.n, data = self.data}, Tensor)
end

local function offset(t, index, n)
    if n ~= #t.shape then fail("E_RANK", "%d indices given, there are %d axes", n, #t.shape) end
    if not readable[t.dtype] then fail("E_DTYPE", "elements of %s are read as bytes", t.dtype) end
    local at, strides = 0, strides_of(t)
    for axis, i in ipairs(index) do
        if type(i) ~= "number" or i % 1 ~= 0 or i < 1 or i > t.shape[axis] then
            fail("E_INDEX", "index %s is out of range for axis %d of %d elements", tostring(i), axis, t.shape[axis])
        end
        at = at + (i - 1) * strides[axis]
    end
    return at
end

--- An element, from 1: t:get(2, 1). Complex ones are pairs; i64 with LuaJIT numbers, exact up to 2^53.
function Tensor:get(...) return core.read(self.data, self.dtype, offset(self, {...}, select("#", ...))) end

--- t:set(value, 2, 1)
function Tensor:set(value, ...) core.write(self.data, self.dtype, offset(self, {...}, select("#", ...)), value) end

local function nest(t, strides, axis, at)
    if axis > #t.shape then return core.read(t.data, t.dtype, at) end
    local out = {}
    for i = 1, t.shape[axis] do out[i] = nest(t, strides, axis + 1, at + (i - 1) * strides[axis]) end
    return out
end

--- All elements, as a nested table; of rank 0 a number.
function Tensor:table()
    if not readable[self.dtype] then fail("E_DTYPE", "elements of %s are read as bytes", self.dtype) end
    return nest(self, strides_of(self), 1, 0)
end

--- The bytes of a tensor without strides, as a string.
function Tensor:bytes()
    if self.strides then fail("E_STRIDE", "the elements do not lie side by side: einsum copies them") end
    return core.take(self.data, 0, self.n * core.dtype_bytes(self.dtype))
end

local function text_of(value)
    if type(value) ~= "table" then return type(value) == "number" and string.format("%.7g", value) or tostring(value) end
    local parts = {}
    for i, part in ipairs(value) do parts[i] = text_of(part) end
    return "{" .. table.concat(parts, ", ") .. "}"
end
function Tensor:__tostring()
    local head = self.dtype .. "[" .. table.concat(self.shape, ", ") .. "]"
    return self.n <= 100 and readable[self.dtype] and head .. " " .. text_of(self:table()) or head
end

-- Numbers and tables become tensors of the dtype that the first tensor has.
local function operands_of(list)
    local dtype, out = "f32", {}
    for i = 1, list.n do
        if getmetatable(list[i]) == Tensor then
            dtype = list[i].dtype
            break
        end
    end
    for i = 1, list.n do
        local operand, kind = list[i], type(list[i])
        if getmetatable(operand) == Tensor then out[i] = operand
        elseif kind == "number" or kind == "table" then out[i] = einjit.tensor(operand, dtype)
        else fail("E_VALUE", "operand %d is a %s, not a tensor", i, kind) end
    end
    return out
end

-- ---- contexts, programs, kernels ----

local Context, Program, Kernel = {}, {}, {}
Context.__index, Program.__index, Kernel.__index = Context, Program, Kernel

--- A context with options: backend, target, threads, cache_dir, cache_shared, module_path, strict, no_optimize, measure,
-- verify. Its methods are the module's functions einsum and compile.
function einjit.context(options)
    return setmetatable({handle = core.context(options_of(options, context_options)), equations = {}, n_equations = 0}, Context)
end

local function new_outputs(graph, ins)
    local outs = core.infer(graph, ins)
    for i, out in ipairs(outs) do outs[i] = new_tensor(out.dtype, out.shape) end
    return outs
end

--- A program's text (or an equation with the ranks of its operands in options.ranks); called with tensors it gives one for
-- each result. Options: open ("n,m": extents that stay open), constants, path, alpha, beta, strict, no_optimize, measure.
function Context:compile(text, options)
    local given = {}
    for name, value in pairs(options or {}) do given[name] = value end
    local ranks = given.ranks
    given.ranks = nil
    local made = {context = self, options = options_of(given, compile_options)}
    if type(text) ~= "string" then fail("E_VALUE", "the program is a %s, not a string", type(text)) end
    made.graph = ranks and core.equation(self.handle, text, ranks) or core.parse(self.handle, text)
    return setmetatable(made, Program)
end

function Program:__call(...)
    local ins = operands_of(pack(...))
    local outs = new_outputs(self.graph, ins)
    core.call(self.context.handle, self.graph, ins, outs, self.options)
    return unpack_(outs)
end

--- Into tensors that are there: f:run({x, w}, {y}).
function Program:run(ins, outs)
    ins.n = ins.n or #ins
    core.call(self.context.handle, self.graph, operands_of(ins), outs, self.options)
    return unpack_(outs)
end

--- What is made of it for these operands, as text: f:explain("plan", x, w); stages as at `einjit print --emit`.
function Program:explain(stage, ...)
    return (core.explain(self.context.handle, self.graph, operands_of(pack(...)), stage, self.options))
end

--- The kernel for operands like these, which calls run without looking for it: k = f:kernel(x, w); k:run({x, w}, {y}).
function Program:kernel(...)
    local ins = operands_of(pack(...))
    return setmetatable({handle = core.compile(self.context.handle, self.graph, ins, self.options), graph = self.graph}, Kernel)
end
function Kernel:__call(...)
    local ins = operands_of(pack(...))
    local outs = new_outputs(self.graph, ins)
    core.run(self.handle, ins, outs)
    return unpack_(outs)
end
function Kernel:run(ins, outs)
    ins.n = ins.n or #ins
    core.run(self.handle, operands_of(ins), outs)
    return unpack_(outs)
end

--- An einsum: context:einsum("ij,jk->ik", a, b). NumPy's and torch's rules; operands may be tables and numbers, too.
function Context:einsum(equation, ...)
    local ins, ranks = operands_of(pack(...)), {}
    for i, t in ipairs(ins) do ranks[i] = #t.shape end
    local key = tostring(equation) .. "|" .. table.concat(ranks, ",")
    local program = self.equations[key]
    if not program then
        program = self:compile(equation, {ranks = ranks})
        if self.n_equations >= 1000 then self.equations, self.n_equations = {}, 0 end
        self.equations[key], self.n_equations = program, self.n_equations + 1
    end
    return program(unpack_(ins))
end

-- ---- the usual context, made when it is first needed ----

local usual
local function usual_context()
    usual = usual or einjit.context()
    return usual
end
function einjit.einsum(...) return usual_context():einsum(...) end
function einjit.compile(...) return usual_context():compile(...) end
--- Contexts, programs' graphs and kernels that the collector has not released yet.
einjit.handles = core.handles
einjit.version = core.version()
return einjit

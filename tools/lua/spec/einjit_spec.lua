-- What einjit.lua does, on Lua 5.4 and LuaJIT alike. Run by `busted tools/lua/spec`, or without busted by run.lua.
-- EINJIT_CASES: the shared einsum cases (conformance.jsonl), to the bit.
local einjit = require "einjit"
local numbers = require "numbers"

local function raised(call, ...)
    local ok, e = pcall(call, ...)
    assert(not ok, "no error")
    return e
end
local function code_of(...)
    local e = raised(...)
    assert(type(e) == "table", "an error of Lua's own: " .. tostring(e))
    return e.code
end
local relu = [[
def f(x: f32[n, 2], w: f32[2]):
    return relu(x @ w), x * 2.0
]]

describe("tensors", function()
    it("are made of nested tables, flat ones, numbers and bytes", function()
        assert.are.same({{1, 2, 3}, {4, 5, 6}}, einjit.tensor({{1, 2, 3}, {4, 5, 6}}):table())
        assert.are.same({{1, 2, 3}, {4, 5, 6}}, einjit.tensor({1, 2, 3, 4, 5, 6}, "f64", {2, 3}):table())
        assert.are.equal(7, einjit.tensor(7, "i32"):table())
        assert.are.same({-128, 127}, einjit.tensor({-128, 127}, "i8"):table())
        assert.are.same({0, 255}, einjit.tensor({0, 255}, "u8"):table())
        assert.are.same({-32768, 32767}, einjit.tensor({-32768, 32767}, "i16"):table())
        local t = einjit.tensor({{1, -2}, {3, 4}}, "i64")
        assert.are.same({{1, -2}, {3, 4}}, einjit.from_bytes(t:bytes(), "i64", {2, 2}):table())
        assert.are.same({true, false}, einjit.tensor({true, 0}, "bool"):table())
        assert.are.same({{1, 2}, {3, 0}}, einjit.tensor({{1, 2}, 3}, "c64", {2}):table())
        assert.are.same({{}, {}}, einjit.zeros({2, 0}):table())
        assert.are.equal(8, #einjit.zeros({4}, "f16"):bytes())
    end)
    it("are read and written by indices from 1", function()
        local t = einjit.zeros({2, 3}, "f64")
        t:set(0.5, 2, 3)
        assert.are.equal(0.5, t:get(2, 3))
        assert.are.equal(0.5, t:permute(2, 1):get(3, 2))
        assert.are.equal("E_INDEX", code_of(t.get, t, 3, 1))
        assert.are.equal("E_INDEX", code_of(t.get, t, 0, 1))
        assert.are.equal("E_RANK", code_of(t.get, t, 1))
        assert.are.equal("E_RANK", code_of(t.permute, t, 1))
        assert.are.equal("E_VALUE", code_of(t.permute, t, 1, 1))
        assert.are.equal("f64[2, 3] {{0, 0, 0}, {0, 0, 0.5}}", tostring(t))
    end)
    it("say what is wrong with what they are made of", function()
        assert.are.equal("E_SHAPE", code_of(einjit.tensor, {{1, 2}, {3}}))
        assert.are.equal("E_SHAPE", code_of(einjit.tensor, {1, 2, 3}, "f32", {2}))
        assert.are.equal("E_VALUE", code_of(einjit.tensor, {"one"}))
        assert.are.equal("E_DTYPE", code_of(einjit.tensor, {1}, "f31"))
        assert.are.equal("E_DTYPE", code_of(einjit.tensor, {1}, "f16"))
        assert.are.equal("E_SHAPE", code_of(einjit.zeros, {-1}))
        assert.are.equal("E_SHAPE", code_of(einjit.zeros, {1.5}))
        assert.are.equal("E_SIZE", code_of(einjit.zeros, {2 ^ 40, 2 ^ 40}))
        assert.are.equal("E_SHAPE", code_of(einjit.from_bytes, "abc", "f32", {1}))
    end)
end)

describe("einsum", function()
    it("takes tensors, tables and numbers", function()
        local a = einjit.tensor {{1, 2}, {3, 4}}
        assert.are.same({{7, 10}, {15, 22}}, einjit.einsum("ij,jk->ik", a, a):table())
        assert.are.same({5, 11}, einjit.einsum("ij,j->i", a, {1, 2}):table())
        assert.are.equal("f64", einjit.einsum("i,->i", einjit.tensor({1}, "f64"), 3).dtype)
    end)
    it("reads permuted operands where they lie", function()
        local a = einjit.tensor {{1, 2, 3}, {4, 5, 6}}
        assert.are.same({{1, 4}, {2, 5}, {3, 6}}, einjit.einsum("ij->ij", a:permute(2, 1)):table())
        assert.are.equal("E_STRIDE", code_of(function() return a:permute(2, 1):bytes() end))
    end)
    it("knows complex numbers and integers", function()
        local c = einjit.tensor({{0, 1}, {2, 0}}, "c128", {2})
        assert.are.same({-1, 0}, einjit.einsum("i,i->i", c, c):get(1))
        assert.are.equal(-6, einjit.einsum("i,i->", einjit.tensor({1, -2}, "i64"), einjit.tensor({2, 4}, "i64")):get())
    end)
    it("gives an error for what does not fit", function()
        assert.are.equal("E_DIM", code_of(einjit.einsum, "ij,jk->ik", {{1, 2}}, {{1}, {2}, {3}}))
        assert.are.equal("E_RANK", code_of(einjit.einsum, "ij->i", {1, 2}))
        assert.are.equal("E_OPERAND_COUNT", code_of(einjit.einsum, "i,i->i", {1}))
        assert.are.equal("E_VALUE", code_of(einjit.einsum, "i->i", "text"))
        assert.are.equal("E_VALUE", code_of(einjit.einsum, nil, {1}))
        assert.is_truthy(tostring(raised(einjit.einsum, "i$->i", {1})):find("E_BAD_CHAR", 1, true))
    end)
end)

describe("programs", function()
    it("give a tensor for each result", function()
        local f = einjit.compile(relu)
        local y, z = f({{1, 2}, {3, 4}}, {1, 1})
        assert.are.same({3, 7}, y:table())
        assert.are.same({{2, 4}, {6, 8}}, z:table())
    end)
    it("write into tensors that are there", function()
        local f, y, z = einjit.compile(relu), einjit.zeros {2}, einjit.zeros {2, 2}
        f:run({{{1, 2}, {3, 4}}, {1, -1}}, {y, z})
        assert.are.same({0, 0}, y:table())
        assert.are.same({{2, 4}, {6, 8}}, z:table())
        local refused = code_of(f.run, f, {{{1, 2}, {3, 4}}, {1, -1}}, {z, z})
        assert.are.equal("E_RANK", refused)
        assert.are.equal("E_OVERLAP", code_of(f.run, f, {einjit.view(z.data, "f32", {2, 2}), {1, 1}},
            {einjit.view(z.data, "f32", {2}), einjit.zeros {2, 2}}))
    end)
    it("serve every extent that is open with one kernel", function()
        local f = einjit.compile(relu, {open = "n"})
        for n = 1, 20 do
            local x = einjit.zeros({n, 2})
            x:set(n, n, 2)
            assert.are.equal(n, f(x, {1, 1}):get(n))
        end
    end)
    it("take options, and refuse what is none", function()
        local f = einjit.compile("def f(a: f32[i], b: f32[i]): return a * b", {strict = true, alpha = 2, beta = 1})
        local y = einjit.tensor {1, 1}
        f:run({{1, 2}, {3, 4}}, {y})
        assert.are.same({7, 17}, y:table())
        assert.are.equal("E_VALUE", code_of(einjit.compile, relu, {opne = "n"}))
        assert.are.equal("E_VALUE", code_of(einjit.compile, relu, {open = 3}))
        assert.are.equal("E_VALUE", code_of(einjit.compile, 3))
        assert.are.equal("E_VALUE", code_of(einjit.context, {backend = "gpu"}))
        local alone = einjit.context {backend = "interp", cache_dir = "none", threads = 1}
        assert.are.equal(11, alone:einsum("i,i->", {1, 2}, {3, 4}):get())
    end)
    it("say where their text is wrong", function()
        local e = raised(einjit.compile, "def f(x):\n    return x +\n")
        assert.are.equal("E_SYNTAX", e.code)
        assert.are.equal(2, e.line)
        assert.are.equal(15, e.column)
        assert.is_truthy(tostring(e):find("    return x +\n" .. (" "):rep(14) .. "^", 1, true), tostring(e))
        local f = einjit.compile(relu)
        assert.are.equal("E_OPERAND_COUNT", code_of(f, {1}))
        assert.are.equal("E_SHAPE", code_of(f, {{1, 2, 3}}, {1, 2}))
        assert.are.equal("E_DTYPE", code_of(f, einjit.tensor({{1, 2}}, "f64"), einjit.tensor({1, 2}, "f64")))
    end)
    it("show what is made of them", function()
        local text = einjit.compile(relu):explain("plan", {{1, 2}, {3, 4}}, {1, 2})
        assert.is_truthy(text:find("relu_1[a] = sum of", 1, true), text)
        local f = einjit.compile(relu)
        assert.are.equal("E_VALUE", code_of(f.explain, f, "nothing", {{1, 2}}, {1, 2}))
    end)
    it("have kernels, which check what they are given", function()
        local k = einjit.compile(relu):kernel({{1, 2}}, {1, 2})
        local y, z = k({{3, 4}}, {1, 2})
        assert.are.same({11}, y:table())
        k:run({{{1, 1}}, {1, 1}}, {y, z})
        assert.are.same({2}, y:table())
        assert.are.equal("E_SHAPE", code_of(k.run, k, {{{1, 2}, {3, 4}}, {1, 2}}, {y, z}))
    end)
    it("and their kernels go with the collector", function()
        local function count()
            collectgarbage()
            collectgarbage()
            return einjit.handles()
        end
        local before = count()
        do
            local kept = {}
            for i = 1, 50 do
                local f = einjit.compile("def f(x: f32[n]): return x * " .. i .. ".0")
                kept[i] = {f, f:kernel {1, 2}}
            end
            assert.are.equal(100, einjit.handles() - before)
        end
        assert.are.equal(before, count())
        local k = einjit.context({backend = "interp", cache_dir = "none"}):compile(relu):kernel({{1, 2}}, {1, 2})
        count() -- the context is held by its kernel
        assert.are.equal(11, (k({{3, 4}}, {1, 2})):get(1))
    end)
end)

describe("the shared cases", function()
    it("have NumPy's results, to the bit, or its reasons", function()
        local path = os.getenv "EINJIT_CASES"
        if not path then return end
        local context, n, exact = einjit.context {backend = "auto", cache_dir = "none"}, 0, 0
        for line in io.lines(path) do
            local case = numbers.json(line)
            local operands = {}
            for j, shape in ipairs(case.shapes) do
                local size = 1
                for _, extent in ipairs(shape) do size = size * extent end
                operands[j] = einjit.tensor(numbers.operand(j - 1, size), "f64", shape)
            end
            local ok, result = pcall(context.einsum, context, case.equation, (table.unpack or unpack)(operands))
            local what = "case " .. case.id .. " " .. case.equation .. ": "
            if case.valid then
                assert(ok, what .. tostring(result))
                assert.are.same(case.out_shape, result.shape)
                if case.exact_f64 then
                    exact = exact + 1
                    local flat = einjit.view(result.data, "f64", {result.n})
                    for i = 1, result.n do flat:set(flat:get(i) + 0.0, i) end -- of -0.0, which counts as 0.0
                    assert.are.equal(case.fnv:gsub("^0x", ""), numbers.fnv(result:bytes()), what)
                end
            else
                assert(not ok, what .. "computed")
                assert.are.equal(case.reason, type(result) == "table" and result.code or result, what)
            end
            n = n + 1
        end
        assert(n > 1000 and exact > 500, n .. " cases, " .. exact .. " of them to the bit")
        print(n .. " cases, " .. exact .. " of them to the bit")
    end)
end)

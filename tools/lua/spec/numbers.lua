-- What the shared cases need beside einjit: JSON, and the numbers of operands and hashes of results
-- (shared/data/README.md), in whole numbers of 32 and 64 bits, which Lua 5.4 and LuaJIT have in different ways.
local numbers = {}

-- 32-bit products and exclusive ors on numbers 0 .. 2^32-1; the 64-bit FNV-1a of bytes in hexadecimal digits.
local mul32, xor32, shift32
if rawget(_G, "jit") then
    local bit, ffi = require "bit", require "ffi"
    local function unsigned(n) return n % 2 ^ 32 end
    function xor32(a, b) return unsigned(bit.bxor(bit.tobit(a), bit.tobit(b))) end
    function shift32(a, n) return math.floor(a / 2 ^ n) end
    function mul32(a, b)
        local low, high = a % 65536, math.floor(a / 65536)
        return (low * b + (high * b) % 65536 * 65536) % 2 ^ 32
    end
    function numbers.fnv(bytes)
        local h = ffi.cast("uint64_t", 0xCBF29CE4) * 2 ^ 32 + 0x84222325
        local prime = ffi.cast("uint64_t", 0x100000001B3)
        for i = 1, #bytes do h = bit.bxor(h, ffi.cast("uint64_t", bytes:byte(i))) * prime end
        return bit.tohex(h, 16)
    end
else
    local made = load [[
        return function(a, b) return a * b & 0xFFFFFFFF end, function(a, b) return a ~ b end,
            function(a, n) return a >> n end, function(bytes)
                local h = 0xCBF29CE484222325
                for i = 1, #bytes do h = (h ~ bytes:byte(i)) * 0x100000001B3 end
                return ("%016x"):format(h)
            end]]
    mul32, xor32, shift32, numbers.fnv = made()
end

function numbers.operand(j, n)
    local out = {}
    for k = 0, n - 1 do
        local h = (mul32(k, 2654435761) + j * 40503 + 12345) % 4294967296
        h = xor32(h, shift32(h, 15))
        h = mul32(h, 2246822519)
        h = xor32(h, shift32(h, 13))
        local v = h % 16 - 8
        out[k + 1] = (v >= 0 and v + 1 or v) / 8
    end
    return out
end

local escapes = {b = "\b", f = "\f", n = "\n", r = "\r", t = "\t"}
local function utf8_of(n)
    if n < 0x80 then return string.char(n) end
    if n < 0x800 then return string.char(0xC0 + math.floor(n / 64), 0x80 + n % 64) end
    if n < 0x10000 then return string.char(0xE0 + math.floor(n / 4096), 0x80 + math.floor(n / 64) % 64, 0x80 + n % 64) end
    return string.char(0xF0 + math.floor(n / 262144), 0x80 + math.floor(n / 4096) % 64, 0x80 + math.floor(n / 64) % 64, 0x80 + n % 64)
end
local function text(source)
    source = source:gsub("\\u([dD][89abAB]%x%x)\\u([dD][c-fC-F]%x%x)", function(high, low)
        return utf8_of(0x10000 + (tonumber(high, 16) - 0xD800) * 1024 + tonumber(low, 16) - 0xDC00)
    end)
    return (source:gsub("\\(u?)(%x?%x?%x?%x?)(.?)", function(u, digits, after)
        if u == "u" and #digits == 4 then return utf8_of(tonumber(digits, 16)) .. after end
        local rest = u .. digits .. after
        local first = rest:sub(1, 1)
        return (escapes[first] or first) .. rest:sub(2)
    end))
end

local value
local function list(s, at, close, item)
    local out = {}
    at = s:match("^%s*()", at)
    while s:sub(at, at) ~= close do
        at = s:match("^%s*,?%s*()", item(out, at))
    end
    return out, at + 1
end
function value(s, at)
    at = s:match("^%s*()", at)
    local c = s:sub(at, at)
    if c == "{" then
        return list(s, at + 1, "}", function(out, from)
            local key, behind = value(s, from)
            out[key], behind = value(s, s:match("^%s*:()", behind))
            return behind
        end)
    elseif c == "[" then
        return list(s, at + 1, "]", function(out, from)
            local one, behind = value(s, from)
            out[#out + 1] = one
            return behind
        end)
    elseif c == '"' then
        local last = at + 1
        while s:sub(last, last) ~= '"' do last = last + (s:sub(last, last) == "\\" and 2 or 1) end
        return text(s:sub(at + 1, last - 1)), last + 1
    end
    local word, behind = s:match("^([%w+.-]+)()", at)
    if word == "true" or word == "false" then return word == "true", behind end
    return tonumber(word), behind -- null: nil
end

--- The value of a JSON document.
function numbers.json(s) return (value(s, 1)) end
return numbers

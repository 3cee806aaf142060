-- run.lua SPEC... - runs specs without busted: describe, it, and of its asserts those that they use. Exit code 1: failures.
local passed, failed, at = 0, {}, {}

local function same(a, b)
    if type(a) ~= "table" or type(b) ~= "table" then return a == b end
    for k, v in pairs(a) do if not same(v, b[k]) then return false end end
    for k in pairs(b) do if a[k] == nil then return false end end
    return true
end
local function show(v)
    if type(v) ~= "table" then return tostring(v) end
    local parts = {}
    for k, x in pairs(v) do parts[#parts + 1] = tostring(k) .. "=" .. show(x) end
    return "{" .. table.concat(parts, ", ") .. "}"
end
local function compare(equal)
    return function(wanted, got, why)
        if not equal(wanted, got) then error((why or "") .. " expected " .. show(wanted) .. ", got " .. show(got), 2) end
    end
end
assert = setmetatable({are = {equal = compare(rawequal), same = compare(same)},
    is_truthy = function(v, why) if not v then error(why or "not true", 2) end end},
    {__call = function(_, ok, why, ...) if not ok then error(why or "assertion failed", 2) end return ok, why, ... end})

function describe(what, body)
    at[#at + 1] = what
    body()
    at[#at] = nil
end
function it(what, body)
    local ok, why = xpcall(body, function(e) return type(e) == "table" and tostring(e) or debug.traceback(e, 2) end)
    if ok then passed = passed + 1
    else failed[#failed + 1] = table.concat(at, " ") .. " " .. what .. ": " .. tostring(why) end
end
for _, spec in ipairs(arg) do dofile(spec) end
for _, failure in ipairs(failed) do print("FAILED: " .. failure) end
print(passed .. " passed, " .. #failed .. " failed, " .. (jit and jit.version or _VERSION))
os.exit(#failed == 0 and passed > 0 and 0 or 1)

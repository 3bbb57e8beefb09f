-- All that Gatehouse asks of Redis about limits, in one script and so in one step. Two keys for each operation, all of one
-- organization: the limit's hash (start: of its window; =<subject>: used) and the set of one subject's slots.
-- ARGV[1]: JSON, one operation for each pair of keys.
--   take    subject, window, amount, need, want, months, seed -> {granted, left, start, milliseconds to its end, 0}
--           a day or month of which nobody knows             -> {0, 0, start, 0, 1}: ask again with a seed
--   slots   subject, amount, need, want, names, seconds       -> {granted, left, 0, 0, 0}
--   settle  subject, window, started, delta, months           -> {}
--   free    names                                             -> {}
--   read    window, months                                    -> {subject, used, subject, used ...}
-- The clock is the server's, so that every process counts in the same window; `months` says where months begin.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local lengths = {minute = 60000, day = 86400000}

local function window_of(asked)
    local length = lengths[asked.window]
    if length then
        local start = now - now % length
        return start, start + length
    end
    for position = #asked.months - 1, 1, -1 do
        if now >= asked.months[position] * 1000 or position == 1 then
            return asked.months[position] * 1000, asked.months[position + 1] * 1000
        end
    end
end

local function is_running(hash, start)
    return tonumber(redis.call('HGET', hash, 'start') or -1) == start
end

local function keep(hash, start, ends, subject, used)
    if not is_running(hash, start) then
        redis.call('DEL', hash)
        redis.call('HSET', hash, 'start', string.format('%.0f', start))
    end
    redis.call('HSET', hash, '=' .. subject, string.format('%.0f', used))
    redis.call('PEXPIRE', hash, string.format('%.0f', math.max(ends - now, 0) + 60000))
end

local function used_in(hash, start, subject)
    if is_running(hash, start) then
        return tonumber(redis.call('HGET', hash, '=' .. subject) or nil)
    end
end

local function granted_of(asked, left)
    if left < asked.need then
        return 0
    end
    return math.min(left, math.max(asked.need, math.min(asked.want, math.floor(left / 16))))
end

local operations = {}

function operations.take(hash, slots, asked)
    local start, ends = window_of(asked)
    local used = used_in(hash, start, asked.subject)
    if used == nil and asked.window ~= 'minute' then
        used = asked.seed
        if used == nil then
            return {0, 0, start / 1000, 0, 1}
        end
    end
    used = used or 0
    local left = math.max(asked.amount - used, 0)
    local granted = granted_of(asked, left)
    keep(hash, start, ends, asked.subject, used + granted)
    return {granted, left - granted, start / 1000, ends - now, 0}
end

function operations.slots(hash, slots, asked)
    redis.call('ZREMRANGEBYSCORE', slots, '-inf', now)
    local left = math.max(asked.amount - redis.call('ZCARD', slots), 0)
    local granted = granted_of(asked, left)
    for number = 1, granted do
        redis.call('ZADD', slots, now + asked.seconds * 1000, asked.names[number])
    end
    if granted > 0 then
        redis.call('PEXPIRE', slots, asked.seconds * 1000 + 60000)
        redis.call('HSET', hash, '=' .. asked.subject, '0')
        redis.call('PEXPIRE', hash, asked.seconds * 1000 + 60000)
    end
    return {granted, left - granted, 0, 0, 0}
end

function operations.settle(hash, slots, asked)
    local start, ends = window_of(asked)
    local used = used_in(hash, start, asked.subject)
    if asked.delta > 0 and (used ~= nil or asked.window == 'minute') then
        keep(hash, start, ends, asked.subject, (used or 0) + asked.delta)
    elseif asked.delta < 0 and used ~= nil and start == asked.started * 1000 then
        keep(hash, start, ends, asked.subject, math.max(used + asked.delta, 0))
    end
    return {}
end

function operations.free(hash, slots, asked)
    for _, name in ipairs(asked.names) do
        redis.call('ZREM', slots, name)
    end
    return {}
end

function operations.read(hash, slots, asked)
    if asked.window ~= 'none' and not is_running(hash, (window_of(asked))) then
        return {}
    end
    local answer = {}
    local found = redis.call('HGETALL', hash)
    for position = 1, #found, 2 do
        if string.sub(found[position], 1, 1) == '=' then
            answer[#answer + 1] = string.sub(found[position], 2)
            answer[#answer + 1] = tonumber(found[position + 1])
        end
    end
    return answer
end

local answers = {}
for position, asked in ipairs(cjson.decode(ARGV[1])) do
    answers[position] = operations[asked.op](KEYS[2 * position - 1], KEYS[2 * position], asked)
end
return answers

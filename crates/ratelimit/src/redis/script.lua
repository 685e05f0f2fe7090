-- ToggleBox, limits in Redis: script 1, values 1.
--
-- KEYS: one to eight limits of one hash slot. ARGV: what to do; a number that belongs to it; then for each key seven integers:
--   the cost (a, b), the tolerance (a, b), the horizon (a, b), and d.
-- A pair (a, b) is a + b/d microseconds, with 0 <= b < d. All numbers are integers below 2^53, or larger than anything that they
-- are compared with.
--
-- A value is the moment at which the bucket will be full again, by this server's clock: "a", or "a:b" where b is not 0. What may
-- follow in values of later scripts is not read. A key that is not there is a full bucket.
--
--   consume 0           charge all limits if all have room
--   peek 0              charge nothing
--   charge 0            charge all limits, down to the horizon
--   grant ASKED         charge all limits as many times as all have room for, ASKED times at the most
--   refund CHARGED_AT   give back what was charged then
--
-- The answer: the server's clock; 1 if all limits had room, else 0 (to grant: how many times); then a and b of each limit as it was.
-- Nothing is written before everything is decided, since an error does not undo what was written before it.
--
-- For tests only, two more numbers may follow: the time to go by instead of the server's, and how many milliseconds a key outlives
-- its use.

local mode, number = ARGV[1], tonumber(ARGV[2])
local now, spare = tonumber(ARGV[7 * #KEYS + 3]), tonumber(ARGV[7 * #KEYS + 4])
if not now then
  local time = redis.call('TIME')
  now, spare = time[1] * 1000000 + time[2], 1000
end

local function sum(a, b, c, e, d)
  a, b = a + c, b + e
  if b >= d then
    return a + 1, b - d
  end
  return a, b
end

local function difference(a, b, c, e, d)
  if b < e then
    return a - c - 1, b + d - e
  end
  return a - c, b - e
end

local function exceeds(a, b, c, e)
  return a > c or (a == c and b > e)
end

-- b * times may be up to 2^51, and is divided exactly.
local function product(a, b, times, d)
  local part = math.fmod(b * times, d)
  return a * times + (b * times - part) / d, part
end

local limits, passed = {}, true
local values = redis.call('MGET', unpack(KEYS))
for i = 1, #KEYS do
  local at = 7 * i - 4
  local limit = {
    cost_a = tonumber(ARGV[at]), cost_b = tonumber(ARGV[at + 1]),
    d = tonumber(ARGV[at + 6])
  }
  local d = limit.d
  -- The latest moment that a charge may lead to, and the latest that any value may name.
  limit.latest_a, limit.latest_b = sum(now, 0, tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), d)
  limit.end_a, limit.end_b = sum(now, 0, tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5]), d)
  local a, b
  if values[i] then
    a, b = string.match(values[i], '^(%d+):?(%d*)')
    a, b = tonumber(a), tonumber(b) or 0
  end
  limit.there = a ~= nil
  if a and b >= d then
    -- Written under another quota: rounded to the strict side.
    a, b = a + 1, 0
  end
  if not a or a < now then
    a, b = now, 0
  elseif exceeds(a, b, limit.end_a, limit.end_b) then
    -- Left behind by another clock or quota. As long as it stands, nobody passes: it is replaced whatever else happens.
    a, b, limit.dirty = limit.end_a, limit.end_b, true
  end
  limit.a, limit.b = a, b
  limit.next_a, limit.next_b = sum(a, b, limit.cost_a, limit.cost_b, d)
  if exceeds(limit.next_a, limit.next_b, limit.latest_a, limit.latest_b) then
    passed = false
  end
  limits[i] = limit
end

local times = passed and 1 or 0
if mode == 'grant' and passed then
  times = number
  for _, limit in ipairs(limits) do
    -- Between `least` times, for which there is room, and `times`.
    local least = 1
    while least < times do
      local half = math.floor((least + times + 1) / 2)
      local a, b = product(limit.cost_a, limit.cost_b, half, limit.d)
      a, b = sum(limit.a, limit.b, a, b, limit.d)
      if exceeds(a, b, limit.latest_a, limit.latest_b) then
        times = half - 1
      else
        least = half
      end
    end
  end
  for _, limit in ipairs(limits) do
    local a, b = product(limit.cost_a, limit.cost_b, times, limit.d)
    limit.next_a, limit.next_b = sum(limit.a, limit.b, a, b, limit.d)
  end
end

local function write(key, a, b)
  local value = string.format('%.0f', a)
  local left = a - now
  if b > 0 then
    value = value .. ':' .. string.format('%.0f', b)
    left = left + 1
  end
  redis.call('SET', key, value, 'PX', string.format('%.0f', math.ceil(left / 1000) + spare))
end

local charges = mode == 'charge' or (passed and (mode == 'consume' or mode == 'grant'))
local answer = { now, times }
for i, limit in ipairs(limits) do
  if charges then
    if mode == 'charge' and exceeds(limit.next_a, limit.next_b, limit.end_a, limit.end_b) then
      limit.next_a, limit.next_b = limit.end_a, limit.end_b
    end
    write(KEYS[i], limit.next_a, limit.next_b)
  elseif mode == 'refund' and limit.there then
    local a, b, d = limit.a, limit.b, limit.d
    local passed_since = math.max(now - number, 0)
    if exceeds(limit.cost_a, limit.cost_b, passed_since, 0) then
      local credit_a, credit_b = difference(limit.cost_a, limit.cost_b, passed_since, 0, d)
      a, b = difference(a, b, credit_a, credit_b, d)
      if a < now then
        a, b = now, 0
      end
    end
    write(KEYS[i], a, b)
  elseif limit.dirty then
    write(KEYS[i], limit.a, limit.b)
  end
  answer[2 * i + 1], answer[2 * i + 2] = limit.a, limit.b
end
return answer

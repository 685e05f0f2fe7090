-- ToggleBox, limits in Redis: script 1, values 1.
--
-- KEYS: one to eight limits of one hash slot. ARGV: what to do; a number that belongs to it; for each key five integers, the cost
-- (a, b), the tolerance (a, b) and d; and, if any of them may go into debt, for each key two more, the horizon (a, b).
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
-- For tests only, three more arguments may follow, as nothing else can: the time to go by instead of the server's, how many
-- milliseconds a key outlives its use, and the word "test".

local mode, n = ARGV[1], #KEYS
local horizons, now, spare = #ARGV - 2 - 5 * n, nil, 1000
if horizons % 2 == 1 then
  now, spare, horizons = ARGV[#ARGV - 2] + 0, ARGV[#ARGV - 1] + 0, horizons - 3
else
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end

local function write(key, a, b)
  if b == 0 then
    redis.call('SET', key, a, 'PX', math.ceil((a - now) / 1000) + spare)
  else
    redis.call('SET', key, string.format('%.0f:%.0f', a, b), 'PX', math.ceil((a + 1 - now) / 1000) + spare)
  end
end

-- How each limit stands, from place 3 on, and how it would stand once charged. What is inlined here runs for every call.
local answer, next, cut = { now, 0 }, {}, nil
local passed = true
local values = redis.call('MGET', unpack(KEYS))
for i = 1, n do
  local at = 5 * i - 2
  local d = ARGV[at + 4] + 0
  local latest_a, latest_b = now + ARGV[at + 2], ARGV[at + 3] + 0
  local a, b = now, 0
  if values[i] then
    local there_a, there_b = tonumber(values[i]), 0
    if not there_a then
      there_a, there_b = string.match(values[i], '^(%d+):?(%d*)')
      there_a, there_b = tonumber(there_a), tonumber(there_b) or 0
      if there_b >= d then
        -- Written under another quota: rounded to the strict side.
        there_a, there_b = there_a + 1, 0
      end
    end
    if not there_a then
      values[i] = false
    elseif there_a >= now then
      a, b = there_a, there_b
      if a > latest_a or (a == latest_a and b > latest_b) then
        local end_a, end_b = latest_a, latest_b
        if horizons > 0 then
          end_a, end_b = now + ARGV[2 + 5 * n + 2 * i - 1], ARGV[2 + 5 * n + 2 * i] + 0
        end
        if a > end_a or (a == end_a and b > end_b) then
          -- Left behind by another clock or quota. As long as it stands, nobody passes: it is cut whatever else happens.
          a, b, cut = end_a, end_b, cut or {}
          cut[i] = true
        end
      end
    end
  end
  local next_a, next_b = a + ARGV[at], b + ARGV[at + 1]
  if next_b >= d then
    next_a, next_b = next_a + 1, next_b - d
  end
  if next_a > latest_a or (next_a == latest_a and next_b > latest_b) then
    passed = false
  end
  answer[2 * i + 1], answer[2 * i + 2] = a, b
  next[2 * i - 1], next[2 * i] = next_a, next_b
end

if passed then
  answer[2] = 1
end

if mode == 'grant' and passed then
  -- How a limit would stand after so many times its cost. b * times may be up to 2^51, and is divided exactly.
  local function after(i, times)
    local at = 5 * i - 2
    local b, d = ARGV[at + 1] * times, ARGV[at + 4] + 0
    local part = math.fmod(b, d)
    local next_a, next_b = answer[2 * i + 1] + ARGV[at] * times + (b - part) / d, answer[2 * i + 2] + part
    if next_b >= d then
      return next_a + 1, next_b - d
    end
    return next_a, next_b
  end
  local times = ARGV[2] + 0
  for i = 1, n do
    local at = 5 * i - 2
    local latest_a, latest_b = now + ARGV[at + 2], ARGV[at + 3] + 0
    -- There is room for `least` times.
    local least = 1
    while least < times do
      local half = math.floor((least + times + 1) / 2)
      local a, b = after(i, half)
      if a > latest_a or (a == latest_a and b > latest_b) then
        times = half - 1
      else
        least = half
      end
    end
  end
  answer[2] = times
  for i = 1, n do
    next[2 * i - 1], next[2 * i] = after(i, times)
  end
elseif mode == 'charge' then
  for i = 1, n do
    local at, end_a, end_b = 5 * i - 2, nil, nil
    if horizons > 0 then
      end_a, end_b = now + ARGV[2 + 5 * n + 2 * i - 1], ARGV[2 + 5 * n + 2 * i] + 0
    else
      end_a, end_b = now + ARGV[at + 2], ARGV[at + 3] + 0
    end
    if next[2 * i - 1] > end_a or (next[2 * i - 1] == end_a and next[2 * i] > end_b) then
      next[2 * i - 1], next[2 * i] = end_a, end_b
    end
  end
end

if mode == 'charge' or (passed and (mode == 'consume' or mode == 'grant')) then
  for i = 1, n do
    write(KEYS[i], next[2 * i - 1], next[2 * i])
  end
elseif mode == 'refund' then
  local since = math.max(now - ARGV[2], 0)
  for i = 1, n do
    if values[i] then
      local at, a, b = 5 * i - 2, answer[2 * i + 1], answer[2 * i + 2]
      local credit_a, credit_b, d = ARGV[at] - since, ARGV[at + 1] + 0, ARGV[at + 4] + 0
      if credit_a >= 0 then
        a, b = a - credit_a, b - credit_b
        if b < 0 then
          a, b = a - 1, b + d
        end
        if a < now then
          a, b = now, 0
        end
      end
      write(KEYS[i], a, b)
    end
  end
elseif cut then
  for i = 1, n do
    if cut[i] then
      write(KEYS[i], answer[2 * i + 1], answer[2 * i + 2])
    end
  end
end
return answer

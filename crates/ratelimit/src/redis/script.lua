-- ToggleBox, limits in Redis: script 2, values 2.
--
-- KEYS: one to eight limits of one hash slot. ARGV: what to do; a number that belongs to it; and numbers that are packed, as doubles with
-- their lowest byte first, since a word for each costs Redis a tenth of the time: for each key five, the cost (a, b), the tolerance (a, b)
-- and d; then, if any of them may go into debt, for each key two more, the horizon (a, b).
-- A pair (a, b) is a + b/d microseconds, with 0 <= b < d. All numbers are integers below 2^53, or larger than anything that they
-- are compared with.
--
-- A value is three such doubles: a and b of the moment at which the bucket will be full again, by this server's clock, and when the key
-- goes by itself, in microseconds. What may follow in values of later scripts is not read; what is shorter is no value. A key that is not
-- there is a full bucket.
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
-- For tests only, two more arguments may follow: the time to go by instead of the server's, and how many milliseconds a key outlives
-- its use.

local mode, packed, n = ARGV[1], ARGV[3], #KEYS
local call, read = redis.call, struct.unpack
local now, spare = nil, 1000
if ARGV[4] then
  now, spare = ARGV[4] + 0, ARGV[5] + 0
else
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
end
local has_horizons = #packed > 40 * n

-- The latest moment that a limit may stand at, in debt: like the tolerance, from now on.
local function horizon(i)
  local a, b = read('<dd', packed, 40 * n + 16 * i - 15)
  return now + a, b
end

-- `gone` is when the key is gone by itself, as far as is known. While that is late enough it is left as it is, which spares Redis much of
-- a write; else it is as far off again as the bucket takes to be full.
local function write(i, a, b, gone)
  local full = a + 1 + 1000 * spare
  if gone and gone >= full then
    call('SET', KEYS[i], struct.pack('<ddd', a, b, gone), 'KEEPTTL')
  else
    local ms = math.ceil((full - now) / 500)
    call('SET', KEYS[i], struct.pack('<ddd', a, b, now + 1000 * ms), 'PX', ms)
  end
end

-- How each limit stands, from place 3 on, and how it would stand once charged. What is inlined here runs for every call, and tables have
-- room from the start for as much as most calls need.
local answer, next = { now, 0, nil, nil, nil, nil, nil, nil }, { nil, nil, nil, nil, nil, nil }
local gone, cut = { nil, nil, nil }, nil
local passed = true
local values = call('MGET', unpack(KEYS))
for i = 1, n do
  local cost_a, cost_b, latest_a, latest_b, d = read('<ddddd', packed, 40 * i - 39)
  latest_a = now + latest_a
  local a, b, value = now, 0, values[i]
  if value and #value >= 24 then
    local there_a, there_b, there_gone = read('<ddd', value)
    gone[i] = there_gone
    if there_b >= d then
      -- Written under another quota: rounded to the strict side.
      there_a, there_b = there_a + 1, 0
    end
    if there_a >= now then
      a, b = there_a, there_b
      if a > latest_a or (a == latest_a and b > latest_b) then
        local end_a, end_b = latest_a, latest_b
        if has_horizons then
          end_a, end_b = horizon(i)
        end
        if a > end_a or (a == end_a and b > end_b) then
          -- Left behind by another clock or quota. As long as it stands, nobody passes: it is cut whatever else happens, and so is the time
          -- of the key.
          a, b, cut = end_a, end_b, cut or {}
          cut[i], gone[i] = true, 0
        end
      end
    end
  end
  local next_a, next_b = a + cost_a, b + cost_b
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
  local times = ARGV[2] + 0
  -- How a limit would stand after so many times its cost. b * times may be up to 2^51, and is divided exactly.
  local function after(i, times)
    local cost_a, cost_b, _, _, d = read('<ddddd', packed, 40 * i - 39)
    local b = cost_b * times
    local part = math.fmod(b, d)
    local next_a, next_b = answer[2 * i + 1] + cost_a * times + (b - part) / d, answer[2 * i + 2] + part
    if next_b >= d then
      return next_a + 1, next_b - d
    end
    return next_a, next_b
  end
  for i = 1, n do
    local latest_a, latest_b = read('<dd', packed, 40 * i - 23)
    latest_a = now + latest_a
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
    local end_a, end_b = read('<dd', packed, 40 * i - 23)
    end_a = now + end_a
    if has_horizons then
      end_a, end_b = horizon(i)
    end
    if next[2 * i - 1] > end_a or (next[2 * i - 1] == end_a and next[2 * i] > end_b) then
      next[2 * i - 1], next[2 * i] = end_a, end_b
    end
  end
end

if mode == 'charge' or (passed and (mode == 'consume' or mode == 'grant')) then
  for i = 1, n do
    write(i, next[2 * i - 1], next[2 * i], gone[i])
  end
elseif mode == 'refund' then
  local since = math.max(now - ARGV[2], 0)
  for i = 1, n do
    if gone[i] then
      local a, b = answer[2 * i + 1], answer[2 * i + 2]
      local credit_a, credit_b, _, _, d = read('<ddddd', packed, 40 * i - 39)
      credit_a = credit_a - since
      if credit_a >= 0 then
        a, b = a - credit_a, b - credit_b
        if b < 0 then
          a, b = a - 1, b + d
        end
        if a < now then
          a, b = now, 0
        end
      end
      write(i, a, b, gone[i])
    end
  end
elseif cut then
  for i = 1, n do
    if cut[i] then
      write(i, answer[2 * i + 1], answer[2 * i + 2], gone[i])
    end
  end
end
return answer

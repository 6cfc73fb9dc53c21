#!lua name=lathe

-- The function library of the coordinator's store. Each function is atomic and checks everything
-- before it writes anything, since Redis does not roll back. Raise VERSION with every change: a server
-- keeps the newest library that any coordinator has brought.
local VERSION = 2

local SEAL = '18446744073709551615'
local FEED_LIMIT = 100000

local function version()
  return VERSION
end

-- ---- leadership: KEYS leader, epoch, applied ----

-- ARGV holder, ttl in milliseconds. The new epoch.
local function acquire(keys, args)
  local leader = redis.call('GET', keys[1])
  if leader and leader ~= args[1] then
    return redis.error_reply('HELD ' .. leader)
  end
  redis.call('SET', keys[1], args[1], 'PX', args[2])
  redis.call('SET', keys[3], '0')
  return redis.call('INCR', keys[2])
end

local function leads(epoch_key, epoch)
  return redis.call('GET', epoch_key) == epoch
end

-- ARGV epoch, holder, ttl in milliseconds. The epoch decides, not the time: as long as nobody has
-- taken over, a late renewal is as good as one in time.
local function renew(keys, args)
  if not leads(keys[2], args[1]) then
    return redis.error_reply('FENCED another coordinator leads')
  end
  redis.call('SET', keys[1], args[2], 'PX', args[3])
  return redis.status_reply('OK')
end

-- ARGV epoch.
local function release(keys, args)
  if leads(keys[2], args[1]) then
    redis.call('DEL', keys[1])
  end
  return redis.status_reply('OK')
end

-- ---- streams ----

-- Attempt (number) and sequence (text) of the newest entry; nil when there is none.
local function newest(stream)
  local entry = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  if not entry then
    return nil
  end
  local attempt, sequence = string.match(entry[1], '^(%d+)-(%d+)$')
  return tonumber(attempt), sequence
end

local function is_newer(stream, attempt, sequence)
  local last_attempt, last_sequence = newest(stream)
  if not last_attempt or attempt > last_attempt then
    return true
  end
  return attempt == last_attempt and tonumber(sequence) > tonumber(last_sequence)
end

-- ---- resources: a hash each: revision, head, body, uses, used (time), used_sort, places ----
-- Indexes are sorted sets of equal scores; a member is a sort key, NUL, the resource's key. `places`
-- tells where a resource stands: a list of {index, member, by use?}, packed.

local NEVER = '9999999999999999'

local function leave_places(resource)
  local packed = redis.call('HGET', resource, 'places')
  for _, place in ipairs(packed and cmsgpack.unpack(packed) or {}) do
    redis.call('ZREM', place[1], place[2])
  end
end

-- Counts a use and moves the resource to its new place in the indexes by use. What has been removed
-- meanwhile is not counted.
local function count_use(resource, time, sort_key)
  local packed = redis.call('HGET', resource, 'places')
  if not packed then
    return
  end
  local places = cmsgpack.unpack(packed)
  for _, place in ipairs(places) do
    if place[3] then
      redis.call('ZREM', place[1], place[2])
      place[2] = sort_key .. string.match(place[2], '%z.*$')
      redis.call('ZADD', place[1], 0, place[2])
    end
  end
  redis.call('HINCRBY', resource, 'uses', 1)
  redis.call('HSET', resource, 'used', time, 'used_sort', sort_key,
             'places', cmsgpack.pack(places))
end

-- ARGV from `at`: number of places, each: key index, sort key or '' for the one by use.
local function take_places(keys, args, at, key)
  local used_sort = redis.call('HGET', keys[2], 'used_sort') or NEVER
  local places = {}
  for i = at + 1, at + 2 * tonumber(args[at]), 2 do
    local by_use = args[i + 1] == ''
    local index = keys[tonumber(args[i])]
    local member = (by_use and used_sort or args[i + 1]) .. '\0' .. key
    redis.call('ZADD', index, 0, member)
    places[#places + 1] = {index, member, by_use}
  end
  redis.call('HSET', keys[2], 'places', cmsgpack.pack(places))
end

-- KEYS epoch, resource, write, indexes...
-- ARGV epoch, payload hash, seconds to remember the write, expected revision, 'put' or 'remove', key,
-- head, body, places as above. {outcome, revision}.
local function write(keys, args)
  if not leads(keys[1], args[1]) then
    return redis.error_reply('FENCED another coordinator leads')
  end
  local done = redis.call('HMGET', keys[3], 'payload', 'revision')
  if done[1] then
    return {done[1] == args[2] and 'repeated' or 'reused', tonumber(done[2])}
  end
  local have = tonumber(redis.call('HGET', keys[2], 'revision') or '0')
  if have ~= tonumber(args[4]) then
    return {'conflict', have}
  end
  leave_places(keys[2])
  local revision = 0
  if args[5] == 'remove' then
    redis.call('DEL', keys[2])
  else
    revision = have + 1
    redis.call('HSET', keys[2], 'revision', revision, 'head', args[7], 'body', args[8])
    take_places(keys, args, 9, args[6])
  end
  redis.call('HSET', keys[3], 'payload', args[2], 'revision', revision)
  redis.call('EXPIRE', keys[3], args[3])
  return {'written', revision}
end

-- KEYS index. ARGV what the resources' keys begin with, position to begin after or '', limit.
-- Each: member, revision, head, uses, used. The server stands alone, so keys may be made here.
local function list(keys, args)
  local from = args[2] == '' and '-' or '(' .. args[2]
  local members = redis.call('ZRANGE', keys[1], from, '+', 'BYLEX', 'LIMIT', 0, args[3])
  local found = {}
  for i, member in ipairs(members) do
    local resource = args[1] .. string.match(member, '%z(.*)$')
    local fields = redis.call('HMGET', resource, 'revision', 'head', 'uses', 'used')
    found[i] = {member, fields[1] or '', fields[2] or '', fields[3] or '0', fields[4] or ''}
  end
  return found
end

-- ---- the configuration schema: KEYS epoch, schema ----
-- ARGV epoch, version, JSON Schema, descriptors.
local function publish_schema(keys, args)
  if not leads(keys[1], args[1]) then
    return redis.error_reply('FENCED another coordinator leads')
  end
  local stored = tonumber(redis.call('HGET', keys[2], 'version') or '0')
  if stored > tonumber(args[2]) then
    return redis.error_reply('NEWER the configuration schema in redis is of version ' .. stored ..
                             '; this program knows version ' .. args[2] .. ': run the newer program')
  end
  redis.call('HSET', keys[2], 'version', args[2], 'json_schema', args[3], 'descriptors', args[4])
  return redis.status_reply('OK')
end

-- ---- commit: KEYS epoch, applied, jobs, nodes, configurations, feed, then streams, resources... ----
-- ARGV epoch, commit sequence, then
--   number of records,        each: key index, id, revision, bytes
--   number of configurations, each: hash, bytes
--   number of state events,   each: key index, attempt, sequence, time, json
--   number of uses,           each: key index, time, sort key

local function revision_of(key, id)
  local stored = redis.call('HGET', key, id)
  return stored and tonumber(string.match(stored, '^(%d+):')) or 0
end

local function check_records(keys, args, at)
  for i = at + 1, at + 4 * tonumber(args[at]), 4 do
    local have = revision_of(keys[tonumber(args[i])], args[i + 1])
    if have + 1 ~= tonumber(args[i + 2]) then
      return 'CONFLICT ' .. args[i + 1] .. ' is at revision ' .. have
    end
  end
end

local function write_records(keys, args, at)
  local last = at + 4 * tonumber(args[at])
  for i = at + 1, last, 4 do
    local key, id, revision = tonumber(args[i]), args[i + 1], args[i + 2]
    redis.call('HSET', keys[key], id, revision .. ':' .. args[i + 3])
    redis.call('XADD', keys[6], 'MAXLEN', '~', FEED_LIMIT, '*',
               'kind', key == 3 and 'job' or 'node', 'id', id, 'revision', revision)
  end
  return last + 1
end

local function write_configurations(keys, args, at)
  local last = at + 2 * tonumber(args[at])
  for i = at + 1, last, 2 do
    redis.call('HSETNX', keys[5], args[i], args[i + 1])
  end
  return last + 1
end

local function write_state_events(keys, args, at)
  for i = at + 1, at + 5 * tonumber(args[at]), 5 do
    local stream, attempt, sequence = keys[tonumber(args[i])], tonumber(args[i + 1]), args[i + 2]
    if is_newer(stream, attempt, sequence) then
      redis.call('XADD', stream, args[i + 1] .. '-' .. sequence,
                 'type', 'state', 'time', args[i + 3], 'json', args[i + 4])
    end
  end
  return at + 5 * tonumber(args[at]) + 1
end

local function write_uses(keys, args, at)
  for i = at + 1, at + 3 * tonumber(args[at]), 3 do
    count_use(keys[tonumber(args[i])], args[i + 1], args[i + 2])
  end
end

local function commit(keys, args)
  if not leads(keys[1], args[1]) then
    return redis.error_reply('FENCED another coordinator leads')
  end
  local applied, sequence = tonumber(redis.call('GET', keys[2])), tonumber(args[2])
  if sequence <= applied then
    return redis.status_reply('REPEATED')
  end
  if sequence ~= applied + 1 then
    return redis.error_reply('GAP commit ' .. args[2] .. ' does not follow ' .. applied)
  end
  local conflict = check_records(keys, args, 3)
  if conflict then
    return redis.error_reply(conflict)
  end
  local at = write_records(keys, args, 3)
  at = write_configurations(keys, args, at)
  at = write_state_events(keys, args, at)
  write_uses(keys, args, at)
  redis.call('SET', keys[2], args[2])
  return redis.status_reply('OK')
end

-- ---- events: KEYS stream ----

-- Whether an evaluation has come since the newest metric. A trainer evaluates after a step's metric, so
-- one more before the next metric repeats it: the trainer went on from an older checkpoint.
local function evaluated(stream)
  local to = '+'
  while true do
    local page = redis.call('XREVRANGE', stream, to, '-', 'COUNT', 128)
    for _, entry in ipairs(page) do
      local type = entry[2][2]
      if type == 'metric' or type == 'evaluation' then
        return type == 'evaluation'
      end
    end
    if #page < 128 then
      return false
    end
    to = '(' .. page[#page][1]
  end
end

-- ARGV attempt, then for each event: sequence, type, time, step or '', json.
-- Stored, duplicates, stale. Only the attempt that a commit has opened and not closed is listened to.
local function append(keys, args)
  local attempt, last = newest(keys[1])
  local count = (#args - 1) / 5
  if attempt ~= tonumber(args[1]) or last == SEAL then
    return {0, 0, count}
  end
  local stored = 0
  for i = 2, #args, 5 do
    local repeated = args[i + 1] == 'evaluation' and evaluated(keys[1])
    if tonumber(args[i]) > tonumber(last) and not repeated then
      local entry = {'type', args[i + 1], 'time', args[i + 2], 'json', args[i + 4]}
      if args[i + 3] ~= '' then
        entry[#entry + 1] = 'step'
        entry[#entry + 1] = args[i + 3]
      end
      redis.call('XADD', keys[1], args[1] .. '-' .. args[i], unpack(entry))
      last = args[i]
      stored = stored + 1
    end
  end
  return {stored, count - stored, 0}
end

local function step_of(fields)
  for i = 1, #fields, 2 do
    if fields[i] == 'step' then
      return fields[i + 1]
    end
  end
end

-- The step of the newest event that has one; '0' when there is none.
local function highest_step(keys)
  local to = '+'
  while true do
    local page = redis.call('XREVRANGE', keys[1], to, '-', 'COUNT', 128)
    for _, entry in ipairs(page) do
      local step = step_of(entry[2])
      if step then
        return step
      end
    end
    if #page < 128 then
      return '0'
    end
    to = '(' .. page[#page][1]
  end
end

redis.register_function{function_name = 'lathe_version', callback = version, flags = {'no-writes'}}
redis.register_function('lathe_acquire', acquire)
redis.register_function('lathe_renew', renew)
redis.register_function('lathe_release', release)
redis.register_function('lathe_commit', commit)
redis.register_function('lathe_append', append)
redis.register_function{
  function_name = 'lathe_highest_step', callback = highest_step, flags = {'no-writes'}}
redis.register_function('lathe_write', write)
redis.register_function{function_name = 'lathe_list', callback = list, flags = {'no-writes'}}
redis.register_function('lathe_publish_schema', publish_schema)

-- Runs in Envoy, in front of an A/B test: writes into a header which of a hundred buckets a request's user is in, and no other
-- word in that header stands. The route then sends buckets below the candidate's weight to the candidate; changing a header
-- makes Envoy look for the route again. `kanarya_rollout.sticky` says the same in Python, and a test holds both to each other.
-- Beside the bucket it writes what the test says of its users' scores, where its goal is a mean, and again no other word stands.
--
-- Plain arithmetic on doubles, none above 2^53: Envoy's LuaJIT could do better, but Envoy Gateway tries a script out in a Lua
-- without bit operations before it takes it. Context: header or cookie, the name of what holds the key; salt; perhaps scores.

local HEADER = "x-kanarya-bucket"
local SCORES = "x-kanarya-scores"
local LONGEST = 256
local WHOLE = 4294967296

local function xor(a, b)
  local place = 1
  while b > 0 do
    if b % 2 == 1 then
      if math.floor(a / place) % 2 == 0 then a = a + place else a = a - place end
    end
    b, place = math.floor(b / 2), place * 2
  end
  return a
end

local function times(a, b)
  local high, low = math.floor(a / 65536), a % 65536
  return ((high * b) % 65536 * 65536 + low * b) % WHOLE
end

-- FNV-1a, and MurmurHash3's last mixing, without which keys that differ in their last character share their fate.
local function bucket(text)
  local hash = 2166136261
  for place = 1, #text do
    hash = times(xor(hash, string.byte(text, place)), 16777619)
  end
  hash = times(xor(hash, math.floor(hash / 65536)), 2246822507)
  hash = times(xor(hash, math.floor(hash / 8192)), 3266489909)
  hash = xor(hash, math.floor(hash / 65536))
  return math.floor(hash * 100 / WHOLE)
end

local function cookie(header, wanted)
  for name, value in string.gmatch(header or "", "([^=;%s]+)=([^;]*)") do
    if name == wanted then return (string.gsub(value, "%s+$", "")) end
  end
end

function envoy_on_request(request)
  local headers, context = request:headers(), request:filterContext()
  headers:remove(HEADER)
  headers:remove(SCORES)
  local key
  if context:get("cookie") then
    key = cookie(headers:get("cookie"), context:get("cookie"))
  else
    key = headers:get(context:get("header") or "")
  end
  if key and #key > 0 and #key <= LONGEST then
    headers:add(HEADER, string.format("%02d", bucket((context:get("salt") or "") .. "/" .. key)))
    if context:get("scores") then headers:add(SCORES, context:get("scores")) end
  end
end

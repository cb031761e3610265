-- Adds a purge of cached responses. KEYS: the list of purges. ARGV: the purge, a time, the most purges.
-- A purge has 36 hexadecimal digits: 16 of its time, 20 of its selection; a selection of zeros concerns all responses.
-- Purges from before the time no longer matter. If there are too many, the two oldest become one of all responses.
local purges, new = {}, ARGV[1]
for purge in string.gmatch(redis.call('GET', KEYS[1]) or '', string.rep('%x', 36)) do
  if string.sub(purge, 17) == string.sub(new, 17) then
    if purge > new then new = purge end
  elseif string.sub(purge, 1, 16) >= ARGV[2] then
    purges[#purges + 1] = purge
  end
end
purges[#purges + 1] = new
table.sort(purges)
while #purges > tonumber(ARGV[3]) do
  table.remove(purges, 1)
  purges[1] = string.sub(purges[1], 1, 16) .. string.rep('0', 20)
end
redis.call('SET', KEYS[1], table.concat(purges))
return 'OK'

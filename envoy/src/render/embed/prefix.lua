function envoy_on_request(handle)
  local path = handle:headers():get(":path"):sub(${start})
  if path:sub(1, 1) ~= "/" then path = "/" .. path end
  handle:headers():replace(":path", path)
end

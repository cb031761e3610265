-- Repeats one request. Arguments: path, body, then header names and values.
function init(words)
    local headers = {}
    for place = 3, #words, 2 do
        headers[words[place]] = words[place + 1]
    end
    again = wrk.format("POST", words[1], headers, words[2])
end

function request()
    return again
end

function done(summary)
    local errors = summary.errors
    local broken = errors.connect + errors.read + errors.write + errors.timeout
    print(string.format('{"answered": %d, "refused": %d, "broken": %d}', summary.requests, errors.status, broken))
end

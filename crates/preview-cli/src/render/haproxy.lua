-- Asks the Preview daemon about each request and puts what it tells into variables of the transaction.
--
-- Made by `preview render haproxy` for @TEMPLATE@. HAProxy has no directive that asks another server about a request;
-- its own HTTP client, called from here, does. Nothing is let through that the daemon has not let in: whatever goes
-- wrong in here leaves txn.preview_status unset, and haproxy.cfg refuses then.

-- The user of HAProxy must be able to open it: `api.verify_group: haproxy`.
local socket = @SOCKET@

-- What the daemon may tell, as `Preview-...`.
local told = {
    "host", "origin", "referer", "cookie", "forwarded-host", "forwarded-proto", "forwarded-port",
    "set-cookie", "set-cookie-w", "clear-site-data", "referrer-policy",
}

-- Headers of the connection to the visitor, which would say something else on the one to the daemon.
local of_one_hop = {
    ["host"] = true, ["connection"] = true, ["keep-alive"] = true, ["proxy-connection"] = true,
    ["content-length"] = true, ["transfer-encoding"] = true, ["te"] = true, ["expect"] = true,
}

local function visitor_headers(txn)
    local headers = {}
    for name, values in pairs(txn.http:req_get_headers()) do
        -- The daemon believes what is forwarded, so nothing of it may be the visitor's.
        if not of_one_hop[name] and not name:find("^x%-forwarded%-") then
            local list, index = {}, 0
            while values[index] do
                list[index + 1] = values[index]
                index = index + 1
            end
            headers[name] = list
        end
    end
    return headers
end

local function ask(txn)
    local headers = visitor_headers(txn)
    headers["host"] = { "preview" }
    headers["x-forwarded-method"] = { txn.f:method() }
    headers["x-forwarded-host"] = { txn.f:req_hdr("host") }
    -- Path and query as they came, not decoded: what is judged is what is forwarded.
    headers["x-forwarded-uri"] = { txn.f:pathq() }
    headers["x-forwarded-for"] = { txn.f:src() }
    local answer = core.httpclient():get {
        url = "http://preview/auth/verify", dst = socket, headers = headers, timeout = 5000,
    }
    if answer.status == 204 then
        local upstream = answer.headers["preview-upstream"]
        -- 127.0.0.1:5173 or [::1]:5173, and nothing else.
        local address, port = upstream[0]:match("^(127%.0%.0%.1):(%d+)$")
        if not address then
            address, port = upstream[0]:match("^%[(::1)%]:(%d+)$")
        end
        if not address then
            return
        end
        txn:set_var("txn.preview_address", address)
        txn:set_var("txn.preview_port", tonumber(port))
        for _, name in ipairs(told) do
            local values = answer.headers["preview-" .. name]
            if values then
                local variable = name:gsub("-", "_")
                txn:set_var("txn.preview_" .. variable, values[0])
            end
        end
    end
    txn:set_var("txn.preview_status", answer.status)
end

core.register_action("preview_ask", { "http-req" }, ask, 0)

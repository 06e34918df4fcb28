-- Says in plain words what was wrong with a TLS connection, and what to do about it.
--
-- libcurl gives one text for whatever OpenSSL found. Programs that run on other versions of both
-- have other texts: what is not recognised is shown as it is.

local M = {}

local TRUST = "its certificate is not signed by an authority that is trusted here: name the "
  .. "authority's certificate with --ca FILE (a self-signed one is its own authority)"
local WANTED = "the host asks for a client certificate: name one, and its key, with "
  .. "--client-cert FILE --client-key FILE"
local REFUSED = "the host does not accept the client certificate (%s): name one that its "
  .. "`client_ca` has signed, with --client-cert FILE --client-key FILE"

-- In the order of precedence: { pattern in libcurl's text, what to say }.
local causes = {
  { "self.signed certificate", TRUST },
  { "unable to get l?o?c?a?l? ?issuer certificate", TRUST },
  { "unable to verify the first certificate", "its certificate comes without the intermediate "
    .. "one: the server has to send its full chain (or --ca FILE has to have it)" },
  { "certificate has expired", "its certificate has expired: renew it; if it is valid, check the "
    .. "clock of this machine" },
  { "certificate is not yet valid", "its certificate is not valid yet: check the clock of this "
    .. "machine, and the certificate's dates" },
  { "subject name .-target host ?name '(.-)'", "its certificate is not for %s: call it by a name "
    .. "that the certificate has (as SAN), or get one for this name" },
  { "error setting certificate file: (.+)$", "%s: no certificates in PEM can be read from it: name "
    .. "the authority's certificate with --ca FILE" },
  { "could not load PEM client certificate from (.-),", "%s: no certificate in PEM can be read "
    .. "from it: name the client certificate with --client-cert FILE" },
  { "unable to set private key file: '(.-)'", "%s: not the key of the client certificate, or "
    .. "encrypted, or not readable: name its key (PEM, not encrypted) with --client-key FILE" },
  { "Private key does not match", "the client key is not the key of the client certificate: name "
    .. "its own with --client-key FILE" },
  { "alert certificate required", WANTED },
  { "alert (unknown ca)", REFUSED },
  { "alert (bad certificate)", REFUSED },
  { "alert (certificate expired)", REFUSED },
  { "alert (certificate unknown)", REFUSED },
  { "alert (unsupported certificate)", REFUSED },
  { "alert (access denied)", REFUSED },
  { "wrong version number", "it speaks plain HTTP there, not TLS: use http:// in the URL" },
  { "alert protocol version", "it accepts none of the TLS versions that are spoken here" },
  { "unsupported protocol", "it speaks only TLS versions before 1.2, which are not safe" },
  { "alert handshake failure", "it refused the handshake: it asks for a client certificate "
    .. "(--client-cert FILE --client-key FILE), or has no cipher in common" },
}

---Is the certificate signed by nobody who is trusted?
---@param why string libcurl's text
---@return boolean
function M.is_untrusted(why)
  return M.explain(why) == TRUST
end

---@param why string libcurl's text
---@return string? line what was wrong and what to do; nil: it is not about TLS, or not recognised
function M.explain(why)
  for _, cause in ipairs(causes) do
    local found = why:match(cause[1])
    if found then return (cause[2]:gsub("%%s", function() return found end)) end
  end
end

return M

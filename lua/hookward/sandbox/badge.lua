-- Writes a badge as a PDF of one page: the smallest document that every reader opens (ISO 32000-1,
-- 7.5).

local M = {}

local function escape(text)
  return (text:gsub("[\\()]", "\\%0"))
end

---@param name string whose badge it is
---@param note string
---@return string
function M.pdf(name, note)
  local text = ("BT /F1 18 Tf 20 100 Td (%s) Tj 0 -30 Td /F1 8 Tf (%s) Tj ET"):format(escape(name),
    escape(note))
  local objects = {
    "<< /Type /Catalog /Pages 2 0 R >>",
    "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
    "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 243 153] /Contents 4 0 R "
      .. "/Resources << /Font << /F1 5 0 R >> >> >>",
    ("<< /Length %d >>\nstream\n%s\nendstream"):format(#text, text),
    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
  }
  local out, offsets, at = { "%PDF-1.4\n" }, {}, 9
  for i, object in ipairs(objects) do
    offsets[i] = at
    out[#out + 1] = ("%d 0 obj\n%s\nendobj\n"):format(i, object)
    at = at + #out[#out]
  end
  out[#out + 1] = ("xref\n0 %d\n0000000000 65535 f \n"):format(#objects + 1)
  for _, offset in ipairs(offsets) do out[#out + 1] = ("%010d 00000 n \n"):format(offset) end
  out[#out + 1] = ("trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n")
    :format(#objects + 1, at)
  return table.concat(out)
end

return M

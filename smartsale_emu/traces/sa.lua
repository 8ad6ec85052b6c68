-- The SA protocol between a cash register and a Smart Sale pinpad, for Wireshark and tshark (4.0 and later).
-- MADE: do not edit, make it anew.

local sa = Proto("sa", "SA protocol (Smart Sale pinpad)")

-- TABLES

local ACK, NAK, EOT, SOH, STX = 0x06, 0x15, 0x04, 0x01, 0x02
local CONTROLS = { [ACK] = "ACK", [NAK] = "NAK", [EOT] = "EOT" }
local TO_PINPAD, TO_REGISTER = "register → pinpad", "pinpad → register"
local OTHER = { [TO_PINPAD] = TO_REGISTER, [TO_REGISTER] = TO_PINPAD }
local SENT, RECEIVED = 0, 1 -- of the pinpad: outbound and inbound in the flags of a packet
local YES_NO = { [0] = "bad", [1] = "good" }
local ONE_MORE_SEGMENT = 0x0fffffff

-- what can be filtered -------------------------------------------------------------------------------------

local f = {
  direction = ProtoField.string("sa.direction", "Direction"),
  unit = ProtoField.string("sa.unit", "Unit"),
  length = ProtoField.uint16("sa.length", "Length of the data"),
  crc = ProtoField.uint16("sa.crc", "CRC", base.HEX),
  crc_good = ProtoField.uint8("sa.crc.status", "CRC is", base.DEC, YES_NO),
  noise = ProtoField.bytes("sa.noise", "Bytes of no unit"),
  block = ProtoField.uint32("sa.block.number", "Block number (0: the last)"),
  chunk = ProtoField.bytes("sa.block.chunk", "Part of the message"),
  blocks = ProtoField.uint32("sa.block.count", "Blocks of the message"),
  part_in = ProtoField.framenum("sa.block.frame", "Block in"),
  acked = ProtoField.framenum("sa.answers", "Answers the unit in", base.NONE, frametype.ACK),
  again = ProtoField.framenum("sa.repeats", "Repeats the unit in", base.NONE, frametype.RETRANS_PREV),
  operation = ProtoField.uint32("sa.operation", "Operation", base.DEC, OPERATIONS),
  status = ProtoField.int32("sa.status", "Status", base.DEC, STATUSES),
  amount = ProtoField.uint64("sa.amount", "Amount in minor units"),
  rrn = ProtoField.string("sa.rrn", "RRN"),
  number = ProtoField.uint8("sa.field", "Field number"),
  size = ProtoField.uint16("sa.field.length", "Length of the value"),
  meaning = ProtoField.string("sa.field.meaning", "Meaning"),
  unknown = ProtoField.bytes("sa.field.unknown", "Unknown field"),
  line = ProtoField.string("sa.receipt.line", "|"),
  record = ProtoField.string("sa.receipt.other", "Another record"),
}
local all, field_of, record_of = {}, {}, {}
for number, row in pairs(FIELDS) do
  field_of[number] = ProtoField.string("sa.field." .. number, number .. " " .. row[1], base.NONE, row[2])
  all[#all + 1] = field_of[number]
end
for tag, name in pairs(RECORDS) do
  record_of[tag] = ProtoField.string(string.format("sa.receipt.%02x", tag), string.format("0x%02X %s", tag, name))
  all[#all + 1] = record_of[tag]
end
for _, one in pairs(f) do all[#all + 1] = one end
sa.fields = all

local e = {
  crc = ProtoExpert.new("sa.expert.crc", "CRC wrong", expert.group.CHECKSUM, expert.severity.WARN),
  misfit = ProtoExpert.new("sa.expert.misfit", "The fields do not fill the data", expert.group.MALFORMED, expert.severity.ERROR),
  header = ProtoExpert.new("sa.expert.header", "No readable version and block number", expert.group.MALFORMED, expert.severity.ERROR),
  order = ProtoExpert.new("sa.expert.order", "A block is missing before this one", expert.group.SEQUENCE, expert.severity.WARN),
  noise = ProtoExpert.new("sa.expert.noise", "Bytes outside any frame", expert.group.PROTOCOL, expert.severity.NOTE),
  short = ProtoExpert.new("sa.expert.short", "The rest of this frame never came", expert.group.PROTOCOL, expert.severity.WARN),
  again = ProtoExpert.new("sa.expert.again", "Sent again", expert.group.SEQUENCE, expert.severity.NOTE),
  refused = ProtoExpert.new("sa.expert.nak", "NAK: refused", expert.group.SEQUENCE, expert.severity.NOTE),
  twice = ProtoExpert.new("sa.expert.twice", "This field stands there more than once; the last one counts", expert.group.PROTOCOL, expert.severity.NOTE),
}
sa.experts = { e.crc, e.misfit, e.header, e.order, e.noise, e.short, e.again, e.refused, e.twice }

local tcp_stream, interface_id = Field.new("tcp.stream"), Field.new("frame.interface_id")

-- CRC and texts --------------------------------------------------------------------------------------------

local xor = (bit and bit.bxor) or (bit32 and bit32.bxor) or load("return function(a, b) return a ~ b end")()
local crc_table = {}
for byte = 0, 255 do
  local crc = byte * 256
  for _ = 1, 8 do
    crc = crc * 2
    if crc >= 0x10000 then crc = xor(crc - 0x10000, 0x8005) end
  end
  crc_table[byte] = crc
end

local function crc16(bytes)
  local crc = 0
  for at = 1, #bytes do
    local high, low = math.floor(crc / 256), crc % 256
    crc = xor(low * 256, crc_table[xor(high, bytes:byte(at))])
  end
  return crc
end

local function utf8_of(bytes)
  return (bytes:gsub("[\128-\255]", function(sign) return CP1251[sign:byte()] end))
end

local function readable(bytes)
  if #bytes > 0 and not bytes:find("[^*]") then return #bytes .. " bytes, masked" end
  if bytes:find("[%z\1-\8\11\12\14-\31\127]") then
    return (bytes:gsub(".", function(sign) return string.format("%02x", sign:byte()) end))
  end
  return utf8_of(bytes)
end

local function money(digits)
  if #digits < 1 or #digits > 12 or digits:find("%D") then return nil end
  local minor = tonumber(digits)
  return string.format("%d.%02d", math.floor(minor / 100), minor % 100)
end

local unpack_all = table.unpack or unpack

local function moment(digits)
  local parts = { digits:match("^(%d%d%d%d)(%d%d)(%d%d)(%d%d)(%d%d)(%d%d)$") }
  return #parts == 6 and string.format("%s-%s-%s %s:%s:%s", unpack_all(parts)) or nil
end

-- What a value means, beside its text.
local function in_words(number, bytes)
  local style = FIELDS[number] and FIELDS[number][3]
  if style == "amount" then return money(bytes) end
  if style == "date" then return moment(bytes) end
  local words = WORDS[number]
  return words and words[tonumber(bytes)] or nil
end

-- fields ---------------------------------------------------------------------------------------------------

-- Read the records: a list of {number, offset of the value, length, bytes}, and whether they fill the data.
local function records_of(bytes)
  local found, at = {}, 1
  while at <= #bytes do
    if at + 2 > #bytes then return found, false end
    local size = bytes:byte(at + 1) + bytes:byte(at + 2) * 256
    if at + 2 + size > #bytes then return found, false end
    found[#found + 1] = { number = bytes:byte(at), at = at + 2, size = size, bytes = bytes:sub(at + 3, at + 2 + size) }
    at = at + 3 + size
  end
  return found, true
end

local function show_receipt(range, bytes, item)
  local at = 1
  while at <= #bytes do
    local from, to, tag, name, value = bytes:find("^%s*0[xX](%x%x)%^([^%^~]*)%^([^~]*)~", at)
    if not from then
      item:add(f.record, range(at - 1, #bytes - at + 1), utf8_of(bytes:sub(at)))
      return
    end
    local part, known = range(from - 1, to - from + 1), record_of[tonumber(tag, 16)]
    local lines = {}
    for line in value:gmatch("[^\r\n]+") do lines[#lines + 1] = line end
    if #lines > 1 then
      local slip = item:add(known or f.record, part, #lines .. " lines")
      for _, line in ipairs(lines) do slip:add(f.line, part, utf8_of(line)) end
    else
      local told = utf8_of(name ~= "" and (name .. ": " .. value) or value)
      item:add(known or f.record, part, told)
    end
    at = to + 1
  end
end

local function show_fields(tvb, records, tree)
  local seen = {}
  for _, row in ipairs(records) do
    local number, bytes = row.number, row.bytes
    local whole = tvb(row.at - 3, row.size + 3)
    local value = row.size > 0 and tvb(row.at, row.size) or whole
    local item
    if field_of[number] then
      local told = readable(bytes)
      if number == 90 then told = #bytes .. " bytes" end
      item = tree:add(field_of[number], value, told)
      local words = in_words(number, bytes)
      if words then item:append_text("  (" .. words .. ")") end
    else
      item = tree:add(f.unknown, value)
      item:prepend_text(number .. " ")
    end
    item:add(f.number, tvb(row.at - 3, 1))
    item:add_le(f.size, tvb(row.at - 2, 2))
    if FIELDS[number] then item:add(f.meaning, whole, FIELDS[number][2]):set_generated() end
    if number == 90 then show_receipt(value, bytes, item) end
    if seen[number] then item:add_proto_expert_info(e.twice) end
    seen[number] = bytes
    local shown_number = tonumber(bytes)
    if number == 25 and shown_number then tree:add(f.operation, value, shown_number):set_generated() end
    if number == 39 and shown_number then tree:add(f.status, value, shown_number):set_generated() end
    if number == 0 and money(bytes) then
      tree:add(f.amount, value, UInt64(shown_number)):set_generated()
    end
    if number == 14 then tree:add(f.rrn, value, readable(bytes)):set_generated() end
  end
  return seen
end

-- one line about a message ---------------------------------------------------------------------------------

local function title(code)
  return OPERATIONS[tonumber(code or "")] or ("operation " .. tostring(code))
end

local function command_words(known, asked)
  local mode, result = tonumber(known[65] or ""), known[67]
  if result and not known[39] then
    return (asked or COMMANDS[mode] or "command") .. ": " .. (RESULTS[tonumber(result)] or result)
  end
  local words = TUNNEL[(known[65] or "") .. "/" .. (known[64] or "")]
  return words or COMMANDS[mode]
end

-- Return the line, and how an ACK calls the message. asked: what the other side said last.
local function told(known, asked)
  local code = tonumber(known[25] or "")
  if not code and known[86] then return "begins a session", "session" end
  if not code then return "a message without an operation", "message" end
  if code == WAIT then return "wait" end
  local amount = known[0] and money(known[0])
  local what = code == USER_COMMAND and command_words(known, asked) or title(code)
  if known[39] then
    local text = known[19] and utf8_of(known[19]):match("^[^%^]*") or STATUSES[tonumber(known[39])] or ""
    local more = known[14] and ("  RRN " .. known[14]) or ""
    return "final: " .. known[39] .. " " .. text .. "  (" .. what .. (amount and (" " .. amount) or "") .. ")" .. more, "final"
  end
  if code == QUESTION then
    local text = known[76] and utf8_of(known[76]):match("([^%^~]*)~?$")
    if text then return "question to the cashier: " .. text, "question" end
    return "the cashier: " .. (known[77] and "answers" or RESULTS[tonumber(known[67] or "")] or ""), "reply"
  end
  local original = known[14] and ("  of RRN " .. known[14]) or ""
  return what .. (amount and (" " .. amount) or "") .. original, what
end

-- what is remembered of the packets before -------------------------------------------------------------------

local lines, memo

function sa.init()
  lines, memo = {}, {}
end

local function line_of(pinfo)
  local stream, interface = tcp_stream(), interface_id()
  local name = stream and ("tcp " .. tostring(stream.value)) or ("line " .. tostring(interface and interface.value))
  lines[name] = lines[name] or { parts = {}, last = {} }
  return lines[name]
end

-- Take one good block; what it completes, or nil.
local function assemble(parts, block, pinfo)
  if block.again then return parts.done end
  if block.number == 1 or (block.number == 0 and not parts.open) then
    parts.bytes, parts.frames, parts.next, parts.open, parts.done = "", {}, 1, true, nil
  end
  if not parts.open or (block.number ~= 0 and block.number ~= parts.next) then
    parts.open = false
    return nil, true
  end
  parts.bytes = parts.bytes .. block.chunk
  parts.frames[#parts.frames + 1] = pinfo.number
  parts.next = parts.next + 1
  if block.number ~= 0 then return nil end
  parts.open = false
  parts.done = { bytes = parts.bytes, frames = parts.frames }
  return parts.done
end

-- Note a unit on its line, once: what it answers or repeats, and what it completes.
local function remember(unit, pinfo)
  local key = pinfo.number .. ":" .. unit.offset
  if memo[key] then return memo[key] end
  local line, way = line_of(pinfo), unit.way or ""
  local before, theirs = line.last[way], line.last[OTHER[way] or ""]
  local kept = {}
  if unit.control then
    kept.answers = theirs and theirs.open and theirs.number
    kept.of = theirs and theirs.open and theirs.told
    if theirs and unit.control == ACK then theirs.open = false end
  elseif unit.good then
    if before and before.open and before.wire == unit.wire then kept.repeats = before.number end
    if unit.block then
      unit.block.again = kept.repeats ~= nil
      line.parts[way] = line.parts[way] or {}
      kept.message, kept.gap = assemble(line.parts[way], unit.block, pinfo)
    end
    line.last[way] = { number = pinfo.number, wire = unit.wire, open = true, told = unit.name }
    kept.entry, kept.asked = line.last[way], theirs and theirs.told
  end
  memo[key] = kept
  return kept
end

-- units ----------------------------------------------------------------------------------------------------

local function way_of(pinfo, over_tcp)
  if over_tcp then
    if pinfo.match_uint == pinfo.src_port and pinfo.src_port ~= pinfo.dst_port then return TO_REGISTER end
    return pinfo.match_uint == pinfo.dst_port and TO_PINPAD or nil
  end
  if pinfo.p2p_dir == RECEIVED then return TO_PINPAD end
  return pinfo.p2p_dir == SENT and TO_REGISTER or nil
end

local function show_control(tvb, at, byte, way, pinfo, tree)
  local name = CONTROLS[byte]
  local kept = remember({ offset = at, control = byte, way = way }, pinfo)
  local item = tree:add(sa, tvb(at, 1)):append_text(", " .. name)
  if way then item:add(f.direction, tvb(at, 1), way):set_generated() end
  item:add(f.unit, tvb(at, 1), name)
  if kept.answers then item:add(f.acked, tvb(at, 1), kept.answers):set_generated() end
  if byte == NAK then item:add_proto_expert_info(e.refused) end
  return name .. (kept.of and (" of " .. kept.of) or "")
end

local function show_noise(tvb, at, size, way, tree, expert_info, name)
  local item = tree:add(sa, tvb(at, size)):append_text(", " .. name .. ", " .. size .. " bytes")
  if way then item:add(f.direction, tvb(at, size), way):set_generated() end
  item:add(f.unit, tvb(at, size), name)
  item:add(f.noise, tvb(at, size))
  item:add_proto_expert_info(expert_info)
  return name .. ", " .. size .. " bytes"
end

-- Read the header of a block: its number and where its part of the message begins, or nil.
local function block_of(data)
  if #data < 2 then return nil end
  local size = data:byte(1) + data:byte(2) * 256
  local header, fills = records_of(data:sub(3, 2 + size))
  local known = {}
  for _, row in ipairs(header) do known[row.number] = row.bytes end
  local number = fills and 2 + size <= #data and known[1] == "1" and tonumber(known[2] or "")
  return number and { number = number, at = 2 + size, chunk = data:sub(3 + size) } or nil
end

local function show_message(tvb, bytes, pinfo, tree, kept)
  local records, fills = records_of(bytes)
  local known = show_fields(tvb, records, tree)
  if not fills then tree:add_proto_expert_info(e.misfit) end
  local words, short = told(known, kept.asked)
  if kept.entry then kept.entry.told = short or words end
  return words .. (fills and "" or " [fields do not fill the data]")
end

local function show_block(tvb, at, unit, kept, pinfo, item)
  local block, data = unit.block, at + 3
  item:add(f.block, tvb(data, block.at), block.number)
  if #block.chunk > 0 then item:add(f.chunk, tvb(data + block.at, #block.chunk)) end
  if kept.gap then item:add_proto_expert_info(e.order) end
  local number = block.number == 0 and "the last block" or ("block " .. block.number)
  if kept.entry then kept.entry.told = number end
  if not kept.message then return number end
  local whole = ByteArray.new(kept.message.bytes, true):tvb("SA message")
  item:add(f.blocks, #kept.message.frames):set_generated()
  for _, frame in ipairs(kept.message.frames) do item:add(f.part_in, frame):set_generated() end
  return number .. ": " .. show_message(whole, kept.message.bytes, pinfo, item, kept)
end

local function show_frame(tvb, at, size, way, pinfo, tree)
  local wire = tvb:raw(at, size)
  local data, crc = wire:sub(4, -3), wire:byte(-2) * 256 + wire:byte(-1)
  local wanted, is_block = crc16(wire:sub(1, -3)), wire:byte(1) == SOH
  local name = is_block and "block" or "frame"
  local unit = { offset = at, way = way, wire = wire, name = name, good = crc == wanted }
  unit.block = is_block and unit.good and block_of(data) or nil
  if not way and not is_block then
    local known = {}
    for _, row in ipairs((records_of(data))) do known[row.number] = row.bytes end
    way = (known[39] or known[76] or known[25] == tostring(WAIT)) and TO_REGISTER or nil
  end
  local kept = remember(unit, pinfo)
  local item = tree:add(sa, tvb(at, size)):append_text(", " .. name .. " of " .. size .. " bytes")
  if way then item:add(f.direction, tvb(at, size), way):set_generated() end
  item:add(f.unit, tvb(at, 1), name)
  item:add_le(f.length, tvb(at + 1, 2))
  local words
  if unit.block then
    words = show_block(tvb, at, unit, kept, pinfo, item)
  elseif is_block then
    words = "a block"
    if unit.good then item:add_proto_expert_info(e.header) end
  else
    words = #data > 0 and show_message(tvb(at + 3, #data):tvb(), data, pinfo, item, kept) or "an empty frame"
  end
  local sum = item:add(f.crc, tvb(at + size - 2, 2))
  sum:append_text(unit.good and " [good]" or string.format(" [bad: these bytes need 0x%04x]", wanted))
  item:add(f.crc_good, tvb(at + size - 2, 2), unit.good and 1 or 0):set_generated()
  if not unit.good then
    item:add_proto_expert_info(e.crc)
    words = words .. " [CRC BAD]"
  end
  if kept.repeats then
    item:add(f.again, tvb(at, 1), kept.repeats):set_generated()
    item:add_proto_expert_info(e.again)
    words = words .. " [again]"
  end
  return words, way
end

-- How many bytes of noise stand here: up to the next byte that may begin a unit.
local function noise_at(tvb, at)
  local stop = at + 1
  while stop < tvb:len() do
    local byte = tvb(stop, 1):uint()
    if byte == STX or byte == SOH or CONTROLS[byte] then break end
    stop = stop + 1
  end
  return stop - at
end

local function units(tvb, pinfo, tree, over_tcp)
  local at, way, infos = 0, way_of(pinfo, over_tcp), {}
  while at < tvb:len() do
    local byte, left, words, size = tvb(at, 1):uint(), tvb:len() - at, nil, 1
    local start = byte == STX or byte == SOH
    local length = start and left >= 3 and tvb(at + 1, 2):le_uint()
    if CONTROLS[byte] then
      words = show_control(tvb, at, byte, way, pinfo, tree)
    elseif not start or (length and length > MAX_FRAME) then
      size = noise_at(tvb, at)
      words = show_noise(tvb, at, size, way, tree, e.noise, "noise")
    elseif length and length + 5 <= left then
      size = length + 5
      words, way = show_frame(tvb, at, size, way, pinfo, tree)
    elseif over_tcp then
      pinfo.desegment_offset = at
      pinfo.desegment_len = length and (length + 5 - left) or ONE_MORE_SEGMENT
      break
    else
      size = left
      words = show_noise(tvb, at, size, way, tree, e.short, "cut short")
    end
    infos[#infos + 1] = words
    at = at + size
  end
  return infos, way
end

function sa.dissector(tvb, pinfo, tree)
  local over_tcp = tcp_stream() ~= nil
  local infos, way = units(tvb, pinfo, tree, over_tcp)
  pinfo.cols.protocol = "SA"
  if #infos > 0 then pinfo.cols.info = (way and over_tcp and (way .. "  ") or "") .. table.concat(infos, ", ") end
  if way and not over_tcp then -- source and destination tell the way
    pinfo.cols.src = way == TO_PINPAD and "register" or "pinpad"
    pinfo.cols.dst = way == TO_PINPAD and "pinpad" or "register"
  end
  return tvb:len()
end

-- where it is found ------------------------------------------------------------------------------------------

DissectorTable.get("wtap_encap"):add((wtap_encaps or wtap or {}).USER0 or 45, sa)
DissectorTable.get("tcp.port"):add_for_decode_as(sa)

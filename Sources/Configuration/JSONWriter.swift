extension JSON {
  /// The value as text: strict JSON, members in the order given.
  ///
  /// Numbers read back to the same bits: integers exactly, doubles in the shortest form that does. What JSON cannot
  /// say (infinity, not a number) becomes `null`.
  ///
  /// - Parameter pretty: one member per line, indented by two; lists and objects that fit a line of 100 columns stay on
  ///   one. Without it, no white space at all.
  public func written(pretty: Bool = false) -> String {
    var writer = Writer()
    if pretty { writer.writePretty(self, indent: 0, used: 0) } else { writer.writeCompact(self, sorted: false) }
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  /// One text for all the ways to write the same value: no white space, keys sorted by their UTF-8 bytes, numbers by
  /// value (1, 1.0 and 1e0 agree). Its SHA-256 names a run.
  public var canonical: String {
    var writer = Writer()
    writer.writeCompact(self, sorted: true)
    return String(decoding: writer.bytes, as: UTF8.self)
  }
}

private struct Writer {
  var bytes: [UInt8] = []

  private static let lineWidth = 100

  mutating func writeCompact(_ json: JSON, sorted: Bool) {
    switch json.value {
    case .array(let items):
      bytes.append(UInt8(ascii: "["))
      for (index, item) in items.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        writeCompact(item, sorted: sorted)
      }
      bytes.append(UInt8(ascii: "]"))
    case .object(var members):
      if sorted { members.sort { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) } }
      bytes.append(UInt8(ascii: "{"))
      for (index, member) in members.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        writeString(member.key)
        bytes.append(UInt8(ascii: ":"))
        writeCompact(member.value, sorted: sorted)
      }
      bytes.append(UInt8(ascii: "}"))
    default: writeScalar(json)
    }
  }

  /// - Parameters:
  ///   - indent: the column of the line's first character.
  ///   - used: the columns already written on this line.
  mutating func writePretty(_ json: JSON, indent: Int, used: Int) {
    let entries: [(key: String?, value: JSON)]
    let brackets: (UInt8, UInt8)
    switch json.value {
    case .array(let items) where !items.isEmpty:
      entries = items.map { (nil, $0) }
      brackets = (UInt8(ascii: "["), UInt8(ascii: "]"))
    case .object(let members) where !members.isEmpty:
      entries = members.map { ($0.key, $0.value) }
      brackets = (UInt8(ascii: "{"), UInt8(ascii: "}"))
    default: return writeCompact(json, sorted: false)
    }
    let start = bytes.count
    if writeLine(json, limit: start + Self.lineWidth - used - 1) { return }
    bytes.removeSubrange(start...)

    bytes.append(brackets.0)
    for (index, entry) in entries.enumerated() {
      if index > 0 { bytes.append(UInt8(ascii: ",")) }
      newLine(indent + 2)
      let lineStart = bytes.count
      if let key = entry.key {
        writeString(key)
        bytes.append(contentsOf: ": ".utf8)
      }
      writePretty(entry.value, indent: indent + 2, used: indent + 2 + bytes.count - lineStart)
    }
    newLine(indent)
    bytes.append(brackets.1)
  }

  /// Writes on one line; gives up, false, as soon as the text passes `limit`. So a deep tree costs its depth times the
  /// width of a line, not its depth times its size.
  private mutating func writeLine(_ json: JSON, limit: Int) -> Bool {
    switch json.value {
    case .array(let items) where !items.isEmpty:
      bytes.append(UInt8(ascii: "["))
      for (index, item) in items.enumerated() {
        if index > 0 { bytes.append(contentsOf: ", ".utf8) }
        guard writeLine(item, limit: limit) else { return false }
      }
      bytes.append(UInt8(ascii: "]"))
    case .object(let members) where !members.isEmpty:
      bytes.append(contentsOf: "{ ".utf8)
      for (index, member) in members.enumerated() {
        if index > 0 { bytes.append(contentsOf: ", ".utf8) }
        writeString(member.key)
        bytes.append(contentsOf: ": ".utf8)
        guard writeLine(member.value, limit: limit) else { return false }
      }
      bytes.append(contentsOf: " }".utf8)
    default: writeCompact(json, sorted: false)
    }
    return bytes.count <= limit
  }

  private mutating func newLine(_ indent: Int) {
    bytes.append(UInt8(ascii: "\n"))
    bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: indent))
  }

  private mutating func writeScalar(_ json: JSON) {
    switch json.value {
    case .bool(let bool): bytes.append(contentsOf: (bool ? "true" : "false").utf8)
    case .number(let number): bytes.append(contentsOf: number.written.utf8)
    case .string(let string): writeString(string)
    default: bytes.append(contentsOf: "null".utf8)
    }
  }

  private mutating func writeString(_ string: String) {
    bytes.append(UInt8(ascii: "\""))
    for byte in string.utf8 {
      switch byte {
      case UInt8(ascii: "\""): bytes.append(contentsOf: #"\""#.utf8)
      case UInt8(ascii: "\\"): bytes.append(contentsOf: #"\\"#.utf8)
      case 0x0A: bytes.append(contentsOf: #"\n"#.utf8)
      case 0x0D: bytes.append(contentsOf: #"\r"#.utf8)
      case 0x09: bytes.append(contentsOf: #"\t"#.utf8)
      case 0..<0x20, 0x7F:
        let hex = String(byte, radix: 16)
        bytes.append(contentsOf: (#"\u"# + String(repeating: "0", count: 4 - hex.count) + hex).utf8)
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}

extension JSON.Number {
  /// The shortest text that reads back to the same number; `null` if JSON cannot say it.
  ///
  /// Every whole number below 2^63 is written with all its digits, so that 1e16 and 10000000000000000 have one form.
  var written: String {
    guard double.isFinite else { return "null" }
    if double == 0, double.sign == .minus { return "-0.0" }
    return exactInteger.map(String.init) ?? double.description
  }
}

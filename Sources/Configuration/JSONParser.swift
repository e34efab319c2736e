extension JSON {
  /// Which texts are accepted.
  public enum Dialect: Sendable {
    /// RFC 8259, as programs write it: safetensors headers, result.json.
    case strict
    /// JSON5, as people write it: comments, trailing commas, single quotes, bare keys, hexadecimals, `+5`, `.5`.
    case json5
  }

  /// Lists and objects nested deeper than this are refused; a configuration needs about ten.
  public static let depthLimit = 200

  /// Reads a text. Any bytes at all give a value or an error, in time linear in their number.
  ///
  /// A repeated key is an error: which of the two is meant is not for a program to guess.
  ///
  /// - Parameters:
  ///   - text: the text.
  ///   - file: the name errors print.
  ///   - dialect: which texts are accepted.
  public static func parse(_ text: String, file: String = "text", dialect: Dialect = .json5) throws(Diagnostic) -> JSON
  {
    try parse(Source(name: file, bytes: Array(text.utf8)), dialect: dialect)
  }

  /// Reads bytes that should be UTF-8.
  public static func parse(_ bytes: [UInt8], file: String = "text", dialect: Dialect = .json5) throws(Diagnostic)
    -> JSON
  {
    try parse(Source(name: file, bytes: bytes), dialect: dialect)
  }

  /// Reads a source.
  public static func parse(_ source: Source, dialect: Dialect = .json5) throws(Diagnostic) -> JSON {
    if let offset = firstInvalidByte(source.bytes) {
      let byte = String(source.bytes[offset], radix: 16)
      throw Diagnostic(
        "not UTF-8: byte 0x\(byte) at offset \(offset)", hint: "save the file as UTF-8",
        at: Position(source: source, offset: offset, length: 1))
    }
    var parser = JSONParser(source: source, dialect: dialect)
    return try parser.document()
  }

  private static func firstInvalidByte(_ bytes: [UInt8]) -> Int? {
    do {
      _ = try UTF8Span(validating: bytes.span)
      return nil
    } catch {
      return min(error.byteOffsets.lowerBound, max(0, bytes.count - 1))
    }
  }
}

/// A recursive descent over UTF-8 bytes; `index` only ever moves forward.
struct JSONParser {
  let source: Source
  let bytes: [UInt8]
  let dialect: JSON.Dialect
  var index = 0

  init(source: Source, dialect: JSON.Dialect) {
    self.source = source
    self.dialect = dialect
    bytes = source.bytes
  }

  /// The byte at `index`, or 0 at the end (a 0 within the text fits no rule of the grammar either).
  var byte: UInt8 { index < bytes.count ? bytes[index] : 0 }
  var atEnd: Bool { index >= bytes.count }

  func position(from start: Int, to end: Int? = nil) -> Position {
    Position(source: source, offset: start, length: max(1, (end ?? index) - start))
  }

  func failure(_ message: String, hint: String = "", from start: Int, to end: Int? = nil) -> Diagnostic {
    Diagnostic(message, hint: hint, at: position(from: start, to: end))
  }

  mutating func document() throws(Diagnostic) -> JSON {
    if dialect == .json5, bytes.starts(with: [0xEF, 0xBB, 0xBF]) { index = 3 }
    try skipSpace()
    guard !atEnd else { throw failure("the text is empty", hint: "expected a value, such as {}", from: index) }
    let json = try value(depth: 0)
    try skipSpace()
    guard atEnd else {
      throw failure("\(found()) after the end of the value", hint: "one text holds one value", from: index)
    }
    return json
  }

  mutating func value(depth: Int) throws(Diagnostic) -> JSON {
    let start = index
    switch byte {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""), UInt8(ascii: "'"):
      let text = try string()
      return JSON(.string(text), at: position(from: start))
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."):
      let number = try number()
      return JSON(.number(number), at: position(from: start))
    default: return try word()
    }
  }

  private mutating func word() throws(Diagnostic) -> JSON {
    let start = index
    let word = bareWord()
    let place = position(from: start)
    switch word {
    case "null": return JSON(.null, at: place)
    case "true": return JSON(.bool(true), at: place)
    case "false": return JSON(.bool(false), at: place)
    case "Infinity" where dialect == .json5: return JSON(.number(JSON.Number(Double.infinity)), at: place)
    case "NaN" where dialect == .json5: return JSON(.number(JSON.Number(Double.nan)), at: place)
    case "": throw failure("\(found()) where a value was expected", from: start)
    case "True", "TRUE", "yes", "on":
      throw failure("\(quoted(word)) is no value", hint: "did you mean true?", from: start)
    case "False", "FALSE", "no", "off":
      throw failure("\(quoted(word)) is no value", hint: "did you mean false?", from: start)
    case "None", "nil", "undefined":
      throw failure("\(quoted(word)) is no value", hint: "did you mean null?", from: start)
    default:
      throw failure("\(quoted(word)) is no value", hint: "a text needs quotes: \"\(clipped(word))\"", from: start)
    }
  }

  private mutating func array(depth: Int) throws(Diagnostic) -> JSON {
    let start = index
    try checkDepth(depth)
    index += 1
    var items: [JSON] = []
    while true {
      try skipSpace()
      if byte == UInt8(ascii: "]") { break }
      if atEnd { throw unclosed("list", from: start) }
      items.append(try value(depth: depth + 1))
      guard try separator(closing: UInt8(ascii: "]"), of: "list", from: start) else { break }
    }
    index += 1
    return JSON(.array(items), at: position(from: start, to: start + 1))
  }

  private mutating func object(depth: Int) throws(Diagnostic) -> JSON {
    let start = index
    try checkDepth(depth)
    index += 1
    var members: [JSON.Member] = []
    var seen: [String: Position] = [:]
    while true {
      try skipSpace()
      if byte == UInt8(ascii: "}") { break }
      if atEnd { throw unclosed("object", from: start) }
      let keyStart = index
      let key = try key()
      let keyPosition = position(from: keyStart)
      if let first = seen.updateValue(keyPosition, forKey: key) {
        throw failure(
          "the key \(quoted(key)) stands twice in one object", hint: "first in line \(first.line); remove one",
          from: keyStart)
      }
      try skipSpace()
      guard byte == UInt8(ascii: ":") else {
        if atEnd { throw unclosed("object", from: start) }
        throw failure("\(found()) after the key \(quoted(key))", hint: "expected a colon", from: index)
      }
      index += 1
      try skipSpace()
      if atEnd { throw unclosed("object", from: start) }
      members.append(JSON.Member(key, try value(depth: depth + 1), at: keyPosition))
      guard try separator(closing: UInt8(ascii: "}"), of: "object", from: start) else { break }
    }
    index += 1
    return JSON(.object(members), at: position(from: start, to: start + 1))
  }

  private mutating func key() throws(Diagnostic) -> String {
    if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") { return try string() }
    let start = index
    let key = dialect == .json5 ? bareWord() : ""
    if key.isEmpty {
      let what = dialect == .json5 ? "a key or }" : "a key in double quotes or }"
      throw failure("\(found()) where a key was expected", hint: "expected \(what)", from: start)
    }
    return key
  }

  /// Consumes a comma and says whether another entry may follow; stops before the closing bracket.
  private mutating func separator(closing: UInt8, of kind: String, from start: Int) throws(Diagnostic) -> Bool {
    try skipSpace()
    if byte == closing, !atEnd { return false }
    if atEnd { throw unclosed(kind, from: start) }
    guard byte == UInt8(ascii: ",") else {
      let bracket = closing == UInt8(ascii: "}") ? "}" : "]"
      throw failure("\(found()) where a comma was expected", hint: "expected , or \(bracket)", from: index)
    }
    let comma = index
    index += 1
    try skipSpace()
    if byte == closing, !atEnd, dialect == .strict {
      throw failure("a comma after the last entry", hint: "strict JSON has none here", from: comma, to: comma + 1)
    }
    return true
  }

  private func checkDepth(_ depth: Int) throws(Diagnostic) {
    guard depth < JSON.depthLimit else {
      throw failure("nested deeper than \(JSON.depthLimit) levels", from: index, to: index + 1)
    }
  }

  private func unclosed(_ kind: String, from start: Int) -> Diagnostic {
    let bracket = kind == "list" ? "]" : "}"
    return failure(
      "the text ends inside this \(kind)", hint: "its closing \(bracket) is missing", from: start, to: start + 1)
  }

  // MARK: - White space

  mutating func skipSpace() throws(Diagnostic) {
    while index < bytes.count {
      switch bytes[index] {
      case 0x20, 0x09, 0x0A, 0x0D: index += 1
      case 0x0B, 0x0C, 0xC2, 0xE1, 0xE2, 0xE3, 0xEF:
        let length = dialect == .json5 ? wideSpaceLength() : 0
        if length == 0 { return }
        index += length
      case UInt8(ascii: "/"): try skipComment()
      default: return
      }
    }
  }

  /// The length of the white space beyond RFC 8259's four that JSON5 knows: U+000B, U+000C, U+00A0, U+FEFF, U+2028,
  /// U+2029 and the category Zs; 0 if there is none.
  private func wideSpaceLength() -> Int {
    let second = index + 1 < bytes.count ? bytes[index + 1] : 0
    let third = index + 2 < bytes.count ? bytes[index + 2] : 0
    switch (bytes[index], second, third) {
    case (0x0B, _, _), (0x0C, _, _): return 1
    case (0xC2, 0xA0, _): return 2
    case (0xE1, 0x9A, 0x80), (0xE2, 0x80, 0x80...0x8A), (0xE2, 0x80, 0xA8), (0xE2, 0x80, 0xA9), (0xE2, 0x80, 0xAF),
      (0xE2, 0x81, 0x9F), (0xE3, 0x80, 0x80), (0xEF, 0xBB, 0xBF):
      return 3
    default: return 0
    }
  }

  private mutating func skipComment() throws(Diagnostic) {
    let start = index
    let second = index + 1 < bytes.count ? bytes[index + 1] : 0
    guard second == UInt8(ascii: "/") || second == UInt8(ascii: "*") else {
      throw failure("a single /", hint: "a comment opens with // or /*", from: start, to: start + 1)
    }
    if dialect == .strict { throw failure("a comment", hint: "strict JSON has none", from: start, to: start + 2) }
    index += 2
    if second == UInt8(ascii: "/") {
      while index < bytes.count, bytes[index] != 0x0A, bytes[index] != 0x0D { index += 1 }
      return
    }
    while index + 1 < bytes.count {
      if bytes[index] == UInt8(ascii: "*"), bytes[index + 1] == UInt8(ascii: "/") {
        index += 2
        return
      }
      index += 1
    }
    throw failure("the text ends inside this comment", hint: "its closing */ is missing", from: start, to: start + 2)
  }

  // MARK: - What stands here, for a sentence

  /// Names the character at `index`.
  func found() -> String {
    guard index < bytes.count else { return "the end of the text" }
    guard let scalar = String(decoding: bytes[index..<min(index + 4, bytes.count)], as: UTF8.self).unicodeScalars.first
    else { return "nothing" }
    if scalar.value < 0x20 || scalar.value == 0x7F { return "the control character U+\(hexadecimal(scalar.value))" }
    return "found \(scalar)"
  }
}

/// At least four hexadecimal digits, as Unicode writes code points.
func hexadecimal(_ value: UInt32) -> String {
  let digits = String(value, radix: 16, uppercase: true)
  return String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
}

/// A text in quotes for a sentence: control characters escaped, cut when long.
func quoted(_ text: String) -> String { JSON.string(clipped(text)).written() }

/// The first 40 characters of a text.
func clipped(_ text: String) -> String {
  let scalars = text.unicodeScalars.prefix(41)
  return scalars.count > 40 ? String(String.UnicodeScalarView(scalars.prefix(40))) + "…" : text
}

// Strings, numbers and bare words.

extension JSONParser {
  /// A run of letters, digits, `_`, `$` and characters beyond ASCII that are no white space; may be empty.
  mutating func bareWord() -> String {
    let start = index
    scan: while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"),
        UInt8(ascii: "$"):
        index += 1
      case UInt8(ascii: "0")...UInt8(ascii: "9") where index > start: index += 1
      case 0x80...0xFF:
        // The text is valid UTF-8, so a whole scalar stands here.
        let length = bytes[index] < 0xE0 ? 2 : bytes[index] < 0xF0 ? 3 : 4
        let text = String(decoding: bytes[index..<min(index + length, bytes.count)], as: UTF8.self)
        guard let scalar = text.unicodeScalars.first, scalar.properties.isIDContinue else { break scan }
        index += length
      default: break scan
      }
    }
    return String(decoding: bytes[start..<index], as: UTF8.self)
  }

  // MARK: - Strings

  mutating func string() throws(Diagnostic) -> String {
    let start = index
    let quote = byte
    if quote == UInt8(ascii: "'"), dialect == .strict {
      throw failure("a single quote", hint: "strict JSON has double quotes", from: start, to: start + 1)
    }
    index += 1
    var text: [UInt8] = []
    var runStart = index
    while index < bytes.count {
      let byte = bytes[index]
      if byte == quote {
        text.append(contentsOf: bytes[runStart..<index])
        index += 1
        return String(decoding: text, as: UTF8.self)
      } else if byte == UInt8(ascii: "\\") {
        text.append(contentsOf: bytes[runStart..<index])
        try escape(into: &text)
        runStart = index
      } else if byte == 0x0A || byte == 0x0D {
        throw failure("the line ends inside this text", hint: "its closing quote is missing", from: start)
      } else if byte < 0x20, dialect == .strict {
        throw failure(
          "the control character U+\(hexadecimal(UInt32(byte))) inside a text", hint: "write it as an escape",
          from: index, to: index + 1)
      } else {
        index += 1
      }
    }
    throw failure("the file ends inside this text", hint: "its closing quote is missing", from: start)
  }

  private mutating func escape(into text: inout [UInt8]) throws(Diagnostic) {
    let start = index
    index += 1
    let letter = byte
    if atEnd { throw failure("the file ends inside a text", hint: "its closing quote is missing", from: start) }
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): append(letter, to: &text)
    case UInt8(ascii: "b"): append(0x08, to: &text)
    case UInt8(ascii: "f"): append(0x0C, to: &text)
    case UInt8(ascii: "n"): append(0x0A, to: &text)
    case UInt8(ascii: "r"): append(0x0D, to: &text)
    case UInt8(ascii: "t"): append(0x09, to: &text)
    case UInt8(ascii: "u"):
      index += 1
      text.append(contentsOf: String(try escapedScalar(from: start)).utf8)
    case _ where dialect == .strict: throw unknownEscape(from: start)
    case UInt8(ascii: "v"): append(0x0B, to: &text)
    case UInt8(ascii: "x"):
      index += 1
      text.append(contentsOf: String(Unicode.Scalar(UInt8(try hexDigits(2, from: start)))).utf8)
    case UInt8(ascii: "0"):
      append(0, to: &text)
      if (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { throw unknownEscape(from: start) }
    case UInt8(ascii: "1")...UInt8(ascii: "9"): throw unknownEscape(from: start)
    case 0x0A: index += 1  // An escaped line end continues the text on the next line.
    case 0x0D:
      index += 1
      if byte == 0x0A { index += 1 }
    case 0xE2
    where bytes[index...].starts(with: [0xE2, 0x80, 0xA8]) || bytes[index...].starts(with: [0xE2, 0x80, 0xA9]):
      index += 3
    case 0x80...0xFF: break  // The scalar stands for itself and is copied with the run that follows.
    default: append(letter, to: &text)
    }
  }

  private mutating func append(_ byte: UInt8, to text: inout [UInt8]) {
    text.append(byte)
    index += 1
  }

  private func unknownEscape(from start: Int) -> Diagnostic {
    failure("an unknown escape in a text", hint: "a backslash itself is written \\\\", from: start, to: start + 2)
  }

  /// The scalar of a `\u` escape, whose first digit stands at `index`; two halves of a surrogate pair make one.
  private mutating func escapedScalar(from start: Int) throws(Diagnostic) -> Unicode.Scalar {
    let first = try hexDigits(4, from: start)
    if let scalar = Unicode.Scalar(first) { return scalar }
    if first < 0xDC00, byte == UInt8(ascii: "\\"), index + 1 < bytes.count, bytes[index + 1] == UInt8(ascii: "u") {
      index += 2
      let second = try hexDigits(4, from: start)
      if (0xDC00...0xDFFF).contains(second),
        let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
      {
        return scalar
      }
    }
    throw failure("half of a surrogate pair", hint: "it stands for no character", from: start)
  }

  private mutating func hexDigits(_ count: Int, from start: Int) throws(Diagnostic) -> UInt32 {
    var result: UInt32 = 0
    for _ in 0..<count {
      guard let digit = hexValue(byte) else {
        throw failure("an escape that lacks its \(count) hexadecimal digits", from: start)
      }
      result = result << 4 | digit
      index += 1
    }
    return result
  }

  private func hexValue(_ byte: UInt8) -> UInt32? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A") + 10)
    default: nil
    }
  }

  // MARK: - Numbers

  mutating func number() throws(Diagnostic) -> JSON.Number {
    let start = index
    var isNegative = false
    if byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+") {
      isNegative = byte == UInt8(ascii: "-")
      if !isNegative, dialect == .strict {
        throw failure("a sign +", hint: "strict JSON has none", from: start, to: start + 1)
      }
      index += 1
    }
    if dialect == .json5 {
      if byte == UInt8(ascii: "I") || byte == UInt8(ascii: "N") { return try namedNumber(isNegative, from: start) }
      if byte == UInt8(ascii: "0"), index + 1 < bytes.count, bytes[index + 1] | 0x20 == UInt8(ascii: "x") {
        return try hexadecimalNumber(isNegative, from: start)
      }
    }
    let digitsStart = index
    skipDigits()
    let wholeDigits = index - digitsStart
    if wholeDigits > 1, bytes[digitsStart] == UInt8(ascii: "0") {
      throw failure("a number that opens with 0", hint: "remove the zero", from: start)
    }
    var isWhole = true
    var fractionDigits = 0
    if byte == UInt8(ascii: ".") {
      isWhole = false
      index += 1
      let fractionStart = index
      skipDigits()
      fractionDigits = index - fractionStart
    }
    let tooFewDigits = wholeDigits + fractionDigits == 0
    if tooFewDigits || (dialect == .strict && (wholeDigits == 0 || (!isWhole && fractionDigits == 0))) {
      throw failure("a number that lacks digits", from: start)
    }
    if byte | 0x20 == UInt8(ascii: "e") {
      isWhole = false
      index += 1
      if byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+") { index += 1 }
      let exponentStart = index
      skipDigits()
      if index == exponentStart { throw failure("a number whose exponent lacks digits", from: start) }
    }
    let end = index
    if !bareWord().isEmpty {
      throw failure("a number with letters behind it", hint: "values are in SI units", from: start)
    }
    let text = String(decoding: bytes[start..<end], as: UTF8.self)
    return JSON.Number(double: Double(text) ?? .nan, integer: isWhole ? Int(text) : nil)
  }

  private mutating func skipDigits() {
    while index < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[index]) { index += 1 }
  }

  private mutating func namedNumber(_ isNegative: Bool, from start: Int) throws(Diagnostic) -> JSON.Number {
    switch bareWord() {
    case "Infinity": return JSON.Number(isNegative ? -Double.infinity : .infinity)
    case "NaN": return JSON.Number(Double.nan)
    default: throw failure("a number that lacks digits", from: start)
    }
  }

  private mutating func hexadecimalNumber(_ isNegative: Bool, from start: Int) throws(Diagnostic) -> JSON.Number {
    index += 2
    let digitsStart = index
    var double = 0.0
    while let digit = hexValue(byte) {
      double = double * 16 + Double(digit)
      index += 1
    }
    let end = index
    if end == digitsStart { throw failure("a hexadecimal number that lacks digits", from: start) }
    if !bareWord().isEmpty { throw failure("a number with letters behind it", from: start) }
    let digits = String(decoding: bytes[digitsStart..<end], as: UTF8.self)
    return JSON.Number(double: isNegative ? -double : double, integer: Int((isNegative ? "-" : "") + digits, radix: 16))
  }
}

/// The header of an .npy file: a Python dictionary with exactly the keys 'descr', 'fortran_order' and 'shape'.
///
///     {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
struct NpyHeader: Equatable {
  var descr: String
  var fortranOrder: Bool
  var shape: [Int]

  /// No NumPy array has more axes.
  static let maximalAxes = 64

  /// Parses the dictionary and nothing more of Python.
  /// - Parameter name: what sentences call the file.
  init(_ text: UnsafeRawBufferPointer, name: String) throws {
    var parser = Parser(text: text, name: name)
    var descr: String?
    var fortranOrder: Bool?
    var shape: [Int]?
    try parser.expect("{")
    while !parser.accept("}") {
      let key = try parser.string("a key")
      try parser.expect(":")
      switch key {
      case "descr" where descr == nil: descr = try parser.elementType()
      case "fortran_order" where fortranOrder == nil: fortranOrder = try parser.bool()
      case "shape" where shape == nil: shape = try parser.tuple()
      case "descr", "fortran_order", "shape": throw DataError("\(name): its .npy header has the key '\(key)' twice")
      default:
        throw DataError(
          "\(name): its .npy header has the unknown key '\(key)', expected descr, fortran_order and shape")
      }
      if parser.accept(",") { continue }
      try parser.expect("}")
      break
    }
    try parser.end()
    guard let descr, let fortranOrder, let shape else {
      let missing = [
        descr == nil ? "descr" : nil, fortranOrder == nil ? "fortran_order" : nil, shape == nil ? "shape" : nil,
      ]
      throw DataError("\(name): its .npy header lacks \(missing.compactMap(\.self).joined(separator: ", "))")
    }
    self.init(descr: descr, fortranOrder: fortranOrder, shape: shape)
  }

  init(descr: String, fortranOrder: Bool, shape: [Int]) {
    (self.descr, self.fortranOrder, self.shape) = (descr, fortranOrder, shape)
  }

  /// The bytes before the data, in format version 1.0, as NumPy itself writes them: the dictionary, room for the
  /// growing axis to reach 21 digits, and spaces up to a multiple of 64 bytes.
  var bytes: [UInt8] {
    let tuple = shape.count == 1 ? "(\(shape[0]),)" : "(" + shape.map(String.init).joined(separator: ", ") + ")"
    var text = "{'descr': '\(descr)', 'fortran_order': \(fortranOrder ? "True" : "False"), 'shape': \(tuple), }"
    if let axis = fortranOrder ? shape.last : shape.first {
      text += String(repeating: " ", count: max(0, 21 - String(axis).utf8.count))
    }
    let length = (10 + text.utf8.count + 1 + 63) / 64 * 64 - 10
    text += String(repeating: " ", count: length - text.utf8.count - 1) + "\n"
    return Npy.magic + [1, 0, UInt8(length & 255), UInt8(length >> 8)] + Array(text.utf8)
  }
}

private struct Parser {
  let text: UnsafeRawBufferPointer
  let name: String
  var at = 0

  init(text: UnsafeRawBufferPointer, name: String) {
    self.text = text
    self.name = name
  }

  mutating func skipSpace() {
    while at < text.count, [0x20, 0x09, 0x0a, 0x0d].contains(text[at]) { at += 1 }
  }

  func failure(_ expected: String) -> DataError {
    let found = at < text.count ? "byte \(text[at])" : "its end"
    return DataError("\(name): its .npy header has \(found) at place \(at) where \(expected) was expected")
  }

  mutating func accept(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard at < text.count, UInt32(text[at]) == character.value else { return false }
    at += 1
    return true
  }

  mutating func expect(_ character: Unicode.Scalar) throws {
    guard accept(character) else { throw failure("\"\(character)\"") }
  }

  mutating func end() throws {
    skipSpace()
    guard at == text.count else { throw failure("its end") }
  }

  /// A string in single or double quotes, without escapes.
  mutating func string(_ what: String) throws -> String {
    skipSpace()
    guard at < text.count, text[at] == 0x27 || text[at] == 0x22 else { throw failure("\(what) in quotes") }
    let quote = text[at]
    let start = at + 1
    at = start
    while at < text.count, text[at] != quote {
      guard text[at] != 0x5c, text[at] >= 0x20 else { throw failure("a plain character") }
      at += 1
    }
    guard at < text.count else { throw failure("a closing quote") }
    defer { at += 1 }
    guard let string = String(validating: text[start..<at], as: UTF8.self) else {
      throw DataError("\(name): its .npy header has a string that is not UTF-8")
    }
    return string
  }

  /// The value of 'descr': a string; a list means a record type.
  mutating func elementType() throws -> String {
    if accept("[") {
      throw DataError("\(name): holds records (a structured type), an array of plain numbers was expected")
    }
    return try string("an element type")
  }

  mutating func bool() throws -> Bool {
    skipSpace()
    for (word, value) in [("True", true), ("False", false)] where text[at...].starts(with: word.utf8) {
      at += word.utf8.count
      return value
    }
    throw failure("True or False")
  }

  /// "()", "(3,)", "(3, 4)" or "(3, 4,)"; a number may end in the L of Python 2.
  mutating func tuple() throws -> [Int] {
    var shape: [Int] = []
    try expect("(")
    while !accept(")") {
      shape.append(try number())
      guard shape.count <= NpyHeader.maximalAxes else {
        throw DataError("\(name): its shape has more than \(NpyHeader.maximalAxes) axes")
      }
      if accept(",") { continue }
      guard shape.count > 1 else { throw failure("\",\"") }
      try expect(")")
      break
    }
    return shape
  }

  mutating func number() throws -> Int {
    skipSpace()
    let start = at
    var value = 0
    while at < text.count, (0x30...0x39).contains(text[at]) {
      let (product, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(Int(text[at] - 0x30))
      guard !overflow, !carry else { throw DataError("\(name): its shape has an axis longer than any memory") }
      value = sum
      at += 1
    }
    guard at > start else { throw failure("the length of an axis") }
    if at < text.count, text[at] == 0x4c { at += 1 }
    return value
  }
}

import Configuration
import LinearAlgebra

/// A condition between values of a point: `10 * device.onResistance <= device.offResistance`.
///
///     or     = and { "or" and }
///     and    = not { "and" not }
///     not    = "not" not | sum [ ("<" | "<=" | ">" | ">=" | "==" | "!=") sum ]
///     sum    = term { ("+" | "-") term }
///     term   = power { ("*" | "/") power }
///     power  = "-" power | atom [ "^" power ]
///     atom   = "(" or ")" | number | text in quotes | true | false | null | path
///
/// A path is made of keys joined by dots; it may begin anywhere, as long as one path alone ends so.
struct SweepConstraint {
  let text: String
  let position: Position
  private let expression: Expression

  private indirect enum Expression {
    case value(JSON)
    case path(String)
    case operation(String, Expression, Expression)
    case not(Expression)
    case negative(Expression)

    var paths: [String] {
      switch self {
      case .value: []
      case .path(let path): [path]
      case .operation(_, let a, let b): a.paths + b.paths
      case .not(let a), .negative(let a): a.paths
      }
    }
  }

  /// The paths it speaks of, as written.
  var paths: [String] { expression.paths }

  /// - Throws: `Diagnostic` that points into the text.
  init(_ text: String, at position: Position) throws(Diagnostic) {
    self.text = text
    self.position = position
    var parser = Parser(text, position)
    expression = try parser.whole()
  }

  /// Whether a point fulfils it.
  /// - Parameter value: the value at a path of `paths`.
  /// - Throws: `Diagnostic` when values cannot be compared, or it has no truth.
  func holds(_ value: (String) throws(Diagnostic) -> JSON) throws(Diagnostic) -> Bool {
    let result = try evaluate(expression, value)
    guard let truth = result.bool else {
      throw problem("is \(result.written()), neither true nor false", hint: "compare it: <, <=, ==, !=, >=, >")
    }
    return truth
  }

  private func problem(_ message: String, hint: String = "") -> Diagnostic {
    Diagnostic("\"\(text)\" \(message)", hint: hint, path: "sweep.where", at: position)
  }

  private func evaluate(
    _ expression: Expression, _ value: (String) throws(Diagnostic) -> JSON
  ) throws(Diagnostic) -> JSON {
    switch expression {
    case .value(let json): return json
    case .path(let path): return try value(path)
    case .not(let a): return .bool(try !truth(a, value))
    case .negative(let a): return .number(-(try number(a, value)))
    case .operation("and", let a, let b): return .bool(try truth(a, value) ? truth(b, value) : false)
    case .operation("or", let a, let b): return .bool(try truth(a, value) ? true : truth(b, value))
    case .operation("==", let a, let b): return .bool(try isSame(a, b, value))
    case .operation("!=", let a, let b): return .bool(try !isSame(a, b, value))
    case .operation(let sign, let left, let right):
      let (a, b) = (try number(left, value), try number(right, value))
      switch sign {
      case "+": return .number(a + b)
      case "-": return .number(a - b)
      case "*": return .number(a * b)
      case "/": return .number(a / b)
      case "^": return .number(Elementary.pow(a, b))
      case "<": return .bool(a < b)
      case "<=": return .bool(a <= b)
      case ">": return .bool(a > b)
      default: return .bool(a >= b)
      }
    }
  }

  /// As `compare --where` has it: a shorthand is what it stands for.
  private func isSame(
    _ left: Expression, _ right: Expression, _ value: (String) throws(Diagnostic) -> JSON
  ) throws(Diagnostic) -> Bool {
    let (a, b) = (try evaluate(left, value), try evaluate(right, value))
    return Condition.isSame(a, b) || Condition.isSame(b, a)
  }

  private func truth(
    _ expression: Expression, _ value: (String) throws(Diagnostic) -> JSON
  ) throws(Diagnostic) -> Bool {
    let found = try evaluate(expression, value)
    guard let truth = found.bool else {
      throw problem("needs true or false beside \"and\", \"or\" and \"not\", found \(found.written())")
    }
    return truth
  }

  private func number(
    _ expression: Expression, _ value: (String) throws(Diagnostic) -> JSON
  ) throws(Diagnostic) -> Double {
    let found = try evaluate(expression, value)
    guard let number = found.inShort?.double else {
      let name = if case .path(let path) = expression { "\(path), which is " } else { "" }
      throw problem("calculates with \(name)\(found.written())", hint: "expected a number; == and != compare anything")
    }
    return number
  }

  // MARK: Parsing

  private struct Parser {
    private let text: String
    private let position: Position
    private var tokens: [(text: String, offset: Int, isText: Bool)] = []
    private var next = 0

    init(_ text: String, _ position: Position) {
      (self.text, self.position) = (text, position)
    }

    private func problem(_ message: String, at offset: Int, length: Int = 1, hint: String = "") -> Diagnostic {
      // Inside of the quotes, unless the text has escapes.
      let isPlain = position.length == text.utf8.count + 2
      return Diagnostic(
        "\"\(text)\": \(message)", hint: hint, path: "sweep.where",
        at: isPlain
          ? Position(source: position.source, offset: position.offset + 1 + offset, length: length) : position)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), 0x80...:
        true
      default: false
      }
    }

    private mutating func tokenize() throws(Diagnostic) {
      let bytes = Array(text.utf8)
      var i = 0
      func isLetter(_ k: Int) -> Bool { k < bytes.count && (bytes[k] | 0x20 >= 0x61 && bytes[k] | 0x20 <= 0x7A) }
      while i < bytes.count {
        let start = i
        switch bytes[i] {
        case 0x20, 0x09, 0x0A: i += 1
        case UInt8(ascii: "'"), UInt8(ascii: "\""):
          guard let end = bytes[(i + 1)...].firstIndex(of: bytes[i]) else {
            throw problem("a quote that does not end", at: start)
          }
          tokens.append((String(decoding: bytes[(i + 1)..<end], as: UTF8.self), start, true))
          i = end + 1
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."):
          while i < bytes.count,
            Self.isNameByte(bytes[i])
              || ((bytes[i] == 0x2B || bytes[i] == 0x2D) && (bytes[i - 1] | 0x20 == UInt8(ascii: "e")))
          {
            i += 1
          }
          tokens.append((String(decoding: bytes[start..<i], as: UTF8.self), start, false))
        case let byte where Self.isNameByte(byte):
          // A hyphen between letters belongs to the name (latin-hypercube); a minus stands between spaces.
          while i < bytes.count, Self.isNameByte(bytes[i]) || (bytes[i] == 0x2D && isLetter(i - 1) && isLetter(i + 1)) {
            i += 1
          }
          tokens.append((String(decoding: bytes[start..<i], as: UTF8.self), start, false))
        default:
          let two = String(decoding: bytes[i..<min(i + 2, bytes.count)], as: UTF8.self)
          if ["<=", ">=", "==", "!="].contains(two) {
            i += 2
          } else if "<>+-*/^()".utf8.contains(bytes[i]) {
            i += 1
          } else {
            throw problem(
              "'\(String(decoding: bytes[i...i], as: UTF8.self))' means nothing here", at: start,
              hint: "known are + - * / ^ < <= > >= == != and or not ( )")
          }
          tokens.append((String(decoding: bytes[start..<i], as: UTF8.self), start, false))
        }
      }
    }

    private var token: String? { next < tokens.count && !tokens[next].isText ? tokens[next].text : nil }

    private mutating func take(_ wanted: String...) -> String? {
      guard let token, wanted.contains(token) else { return nil }
      next += 1
      return token
    }

    mutating func whole() throws(Diagnostic) -> Expression {
      try tokenize()
      let expression = try or(depth: 0)
      if next < tokens.count {
        throw problem(
          "'\(tokens[next].text)' follows a complete condition", at: tokens[next].offset,
          length: tokens[next].text.utf8.count, hint: "join conditions by \"and\", or write each in its own text")
      }
      return expression
    }

    private mutating func or(depth: Int) throws(Diagnostic) -> Expression {
      var left = try and(depth: depth)
      while take("or") != nil { left = .operation("or", left, try and(depth: depth)) }
      return left
    }

    private mutating func and(depth: Int) throws(Diagnostic) -> Expression {
      var left = try not(depth: depth)
      while take("and") != nil { left = .operation("and", left, try not(depth: depth)) }
      return left
    }

    private mutating func not(depth: Int) throws(Diagnostic) -> Expression {
      guard depth < 100 else { throw problem("is nested too deep", at: 0) }
      if take("not") != nil { return .not(try not(depth: depth + 1)) }
      let left = try sum(depth: depth)
      guard let sign = take("<", "<=", ">", ">=", "==", "!=") else { return left }
      return .operation(sign, left, try sum(depth: depth))
    }

    private mutating func sum(depth: Int) throws(Diagnostic) -> Expression {
      var left = try term(depth: depth)
      while let sign = take("+", "-") { left = .operation(sign, left, try term(depth: depth)) }
      return left
    }

    private mutating func term(depth: Int) throws(Diagnostic) -> Expression {
      var left = try power(depth: depth)
      while let sign = take("*", "/") { left = .operation(sign, left, try power(depth: depth)) }
      return left
    }

    private mutating func power(depth: Int) throws(Diagnostic) -> Expression {
      guard depth < 100 else { throw problem("is nested too deep", at: 0) }
      if take("-") != nil { return .negative(try power(depth: depth + 1)) }
      let base = try atom(depth: depth)
      return take("^") == nil ? base : .operation("^", base, try power(depth: depth + 1))
    }

    private mutating func atom(depth: Int) throws(Diagnostic) -> Expression {
      guard next < tokens.count else {
        throw problem("ends where a value is expected", at: max(0, text.utf8.count - 1))
      }
      let token = tokens[next]
      next += 1
      if token.isText { return .value(.string(token.text)) }
      switch token.text {
      case "(":
        let inner = try or(depth: depth + 1)
        guard take(")") != nil else { throw problem("a parenthesis that is not closed", at: token.offset) }
        return inner
      case "true": return .value(true)
      case "false": return .value(false)
      case "null": return .value(nil)
      default: break
      }
      let first = token.text.utf8.first ?? 0
      if (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) || first == UInt8(ascii: ".") {
        guard let number = Double(token.text) else {
          throw problem("'\(token.text)' is no number", at: token.offset, length: token.text.utf8.count)
        }
        return .value(.number(number))
      }
      guard Self.isNameByte(first), !["and", "or", "not"].contains(token.text) else {
        throw problem("'\(token.text)' stands where a value is expected", at: token.offset)
      }
      return .path(token.text)
    }
  }
}

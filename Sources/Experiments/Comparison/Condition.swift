import Configuration

/// `path=value` of `--where`, or with another relation: `wireResistance<10`.
struct Condition {
  enum Relation: String, CaseIterable {
    case notEqual = "!="
    case atMost = "<="
    case atLeast = ">="
    case equal = "="
    case less = "<"
    case greater = ">"
  }

  let text: String
  let path: String
  let relation: Relation
  let value: JSON

  /// - Parameter option: what the command line calls it, for the sentence.
  /// - Throws: `RunError` for a text without a relation, or one of order beside something that is no number.
  init(_ text: String, option: String = "--where") throws {
    self.text = text
    guard let at = text.firstIndex(where: { "=<>!".contains($0) }), at != text.startIndex,
      let relation = Relation.allCases.first(where: { text[at...].hasPrefix($0.rawValue) })
    else { throw RunError("\(option) \(text): expected path=value, such as seed=1") }
    path = String(text[..<at])
    self.relation = relation
    var value = String(text[at...].dropFirst(relation.rawValue.count))
    // As a sweep's own conditions have it: a==1.
    if relation == .equal, value.hasPrefix("=") { value.removeFirst() }
    self.value = (try? JSON.parse(value)) ?? .string(value)
    if self.value.double == nil, relation != .equal, relation != .notEqual {
      throw RunError("\(option) \(text): \(relation.rawValue) compares numbers, \"\(value)\" is none")
    }
  }

  /// Whether the value at the path fulfils it. What is not there is unequal to everything, and neither more nor less.
  func holds(_ found: JSON?) -> Bool {
    switch relation {
    case .equal: return found.map { Self.isSame($0, value) } ?? false
    case .notEqual: return !(found.map { Self.isSame($0, value) } ?? false)
    case .less, .atMost, .greater, .atLeast:
      guard let a = found?.inShort?.double, let b = value.double else { return false }
      switch relation {
      case .less: return a < b
      case .atMost: return a <= b
      case .greater: return a > b
      default: return a >= b
      }
    }
  }

  /// Equal, or what a shorthand stands for: data=mnist-5k, models.main=lenet5, hidden=8 for [8].
  static func isSame(_ found: JSON, _ wanted: JSON) -> Bool {
    found == wanted || wanted.scalarItem.map { found.inShort == $0 } ?? false
  }

  /// For a sentence: the first few values that there are, in short.
  static func listed(_ values: [JSON]) -> String {
    var texts: [String] = []
    var known: Set<String> = []
    for value in values {
      let text = clipped((value.inShort ?? value).cell, 60)
      if known.insert(text).inserted { texts.append(text) }
    }
    return texts.prefix(8).joined(separator: ", ") + (texts.count > 8 ? ", …" : "")
  }
}

extension JSON {
  /// Keys whose value may be written in place of the whole object, the one that says most first.
  static let shorthands = ["dataset", "architecture", "kind", "preset", "mode", "train"]

  /// Whether it is a number, a text or a truth value.
  var isScalar: Bool {
    switch value {
    case .number, .string, .bool: true
    case .null, .array, .object: false
    }
  }

  /// Itself, if it is a scalar, or the one item of a list that is one: 8 and [8] are the same to those who write them.
  var scalarItem: JSON? {
    if isScalar { return self }
    guard let items = array, items.count == 1, items[0].isScalar else { return nil }
    return items[0]
  }

  /// The scalar that it is, or that may be written for it: "cosine" for { "kind": "cosine", … }; nil if there is none.
  var inShort: JSON? { scalarItem ?? Self.shorthands.lazy.compactMap { self[$0] }.first(where: \.isScalar) }
}

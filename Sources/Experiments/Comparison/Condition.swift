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
      guard let a = found?.double, let b = value.double else { return false }
      switch relation {
      case .less: return a < b
      case .atMost: return a <= b
      case .greater: return a > b
      default: return a >= b
      }
    }
  }

  /// Equal, or what a shorthand stands for: data=mnist-5k, models.main=lenet5.
  static func isSame(_ found: JSON, _ wanted: JSON) -> Bool {
    found == wanted
      || wanted.string != nil && ["dataset", "architecture", "kind", "preset"].contains { found[$0] == wanted }
  }
}

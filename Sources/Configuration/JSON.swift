/// A JSON value and the place it was read from.
///
/// Objects keep their members in the order written. Equality looks at values alone: neither places nor the order of
/// an object's members matter.
public struct JSON: Sendable, Equatable {
  /// What the value is.
  public enum Content: Sendable {
    /// `null`
    case null
    /// `true` or `false`
    case bool(Bool)
    /// A number, with its exact integer if it was written as one.
    case number(Number)
    /// A text.
    case string(String)
    /// A list.
    case array([JSON])
    /// Members in the order written; keys are unique in anything that was parsed.
    case object([Member])
  }

  /// A number; one written as an integer that fits 64 bits keeps it exactly (2^53 + 1 stays what it is).
  public struct Number: Sendable, Equatable {
    /// The nearest double; infinite or NaN only if the text said so or overflowed.
    public let double: Double
    /// The exact integer, if the number was written as one and fits.
    public let integer: Int?

    /// An exact integer.
    public init(_ integer: Int) {
      double = Double(integer)
      self.integer = integer
    }

    /// A double.
    public init(_ double: Double) {
      self.double = double
      integer = nil
    }

    init(double: Double, integer: Int?) {
      self.double = double
      self.integer = integer
    }

    /// The integer the number stands for, in whatever way it was written: 20, 20.0 and 2e1 are all 20.
    public var exactInteger: Int? { integer ?? Int(exactly: double) }

    /// Numbers are equal if they are the same integer or the same double.
    public static func == (left: Number, right: Number) -> Bool {
      if let a = left.exactInteger, let b = right.exactInteger { return a == b }
      return left.double == right.double
    }
  }

  /// A key, its place, and its value.
  public struct Member: Sendable {
    /// The key.
    public var key: String
    /// Where the key was written.
    public var keyPosition: Position
    /// The value.
    public var value: JSON

    /// A member of an object.
    public init(_ key: String, _ value: JSON, at keyPosition: Position = .none) {
      self.key = key
      self.keyPosition = keyPosition
      self.value = value
    }
  }

  /// What the value is.
  public var value: Content
  /// Where its first token stands: the whole token of a scalar, the opening bracket of a list or an object.
  public var position: Position

  /// A value, and where it was read.
  public init(_ value: Content, at position: Position = .none) {
    self.value = value
    self.position = position
  }

  /// Values are compared; places and the order of members are not.
  public static func == (left: JSON, right: JSON) -> Bool {
    switch (left.value, right.value) {
    case (.null, .null): return true
    case (.bool(let a), .bool(let b)): return a == b
    case (.number(let a), .number(let b)): return a == b
    case (.string(let a), .string(let b)): return a == b
    case (.array(let a), .array(let b)): return a == b
    case (.object(let a), .object(let b)):
      guard a.count == b.count else { return false }
      let right = Dictionary(b.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
      return a.allSatisfy { right[$0.key] == $0.value }
    default: return false
    }
  }
}

// MARK: - Reading

extension JSON {
  /// The member of that name; nil if there is none or this is no object.
  public subscript(key: String) -> JSON? { member(key)?.value }

  /// The list item of that index; nil if there is none or this is no list.
  public subscript(index: Int) -> JSON? {
    guard case .array(let items) = value, items.indices.contains(index) else { return nil }
    return items[index]
  }

  /// The member of that name with its key's place.
  public func member(_ key: String) -> Member? { members?.first { $0.key == key } }

  /// True for `null`.
  public var isNull: Bool { if case .null = value { true } else { false } }
  /// The truth value, if it is one.
  public var bool: Bool? { if case .bool(let bool) = value { bool } else { nil } }
  /// The text, if it is one.
  public var string: String? { if case .string(let string) = value { string } else { nil } }
  /// The number as a double, if it is one.
  public var double: Double? { if case .number(let number) = value { number.double } else { nil } }
  /// The number as an integer, if it is one that fits.
  public var int: Int? { if case .number(let number) = value { number.exactInteger } else { nil } }
  /// The items, if it is a list.
  public var array: [JSON]? { if case .array(let items) = value { items } else { nil } }
  /// The members in the order written, if it is an object.
  public var members: [Member]? { if case .object(let members) = value { members } else { nil } }
}

// MARK: - Building

extension JSON: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringInterpolation, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  /// `null`
  public init(nilLiteral: ()) { self.init(.null) }
  /// `true` or `false`
  public init(booleanLiteral value: Bool) { self.init(.bool(value)) }
  /// An exact integer.
  public init(integerLiteral value: Int) { self.init(.number(Number(value))) }
  /// A double.
  public init(floatLiteral value: Double) { self.init(.number(Number(value))) }
  /// A text.
  public init(stringLiteral value: String) { self.init(.string(value)) }
  /// A list.
  public init(arrayLiteral elements: JSON...) { self.init(.array(elements)) }
  /// An object; keys keep the order given.
  public init(dictionaryLiteral elements: (String, JSON)...) {
    self.init(.object(elements.map { Member($0.0, $0.1) }))
  }

  /// A truth value.
  public static func bool(_ value: Bool) -> JSON { JSON(.bool(value)) }
  /// An exact integer.
  public static func integer(_ value: Int) -> JSON { JSON(.number(Number(value))) }
  /// A double.
  public static func number(_ value: Double) -> JSON { JSON(.number(Number(value))) }
  /// A text.
  public static func string(_ value: String) -> JSON { JSON(.string(value)) }
  /// A list.
  public static func array(_ items: [JSON]) -> JSON { JSON(.array(items)) }
  /// An object; keys keep the order given.
  public static func object(_ members: [(String, JSON)]) -> JSON { JSON(.object(members.map { Member($0.0, $0.1) })) }

  /// Sets (in place, or at the end) or removes (nil) a member. Something that is no object becomes one.
  public mutating func set(_ key: String, _ newValue: JSON?) {
    var members = members ?? []
    if let index = members.firstIndex(where: { $0.key == key }) {
      if let newValue { members[index].value = newValue } else { members.remove(at: index) }
    } else if let newValue {
      members.append(Member(key, newValue))
    }
    value = .object(members)
  }
}

/// A structure that is written in a configuration.
///
/// The list of fields is the only table there is: the decoder, the defaults, the resolved document, the error sentences
/// and the JSON Schema are all made from it.
///
/// ```swift
/// struct Device: Configurable {
///   var onResistance = 1e5
///   var offResistance = 1e6
///
///   static let documentation = "A resistive memory cell."
///   static let fields: [Field<Device>] = [
///     Field("onResistance", \.onResistance, .number(1...1e12, unit: "ohm", usual: 1e3...1e7), "Switched on."),
///     Field("offResistance", \.offResistance, .number(1...1e12, unit: "ohm"), "Switched off."),
///   ]
///
///   mutating func check(_ report: inout Report) {
///     if onResistance >= offResistance { report.error("not below offResistance", at: "onResistance") }
///   }
/// }
/// ```
public protocol Configurable: Sendable {
  /// The defaults.
  init()
  /// The keys, in the order in which they are written.
  static var fields: [Field<Self>] { get }
  /// What the structure describes, in a sentence.
  static var documentation: String { get }
  /// Named sets of defaults; a field made by ``Field/preset(_:_:)`` chooses one.
  static var presets: [Preset<Self>] { get }
  /// Looks at the whole once every field has been read without an error: reports what does not go together, and may
  /// fill in what follows from other fields.
  mutating func check(_ report: inout Report)
}

extension Configurable {
  /// No description.
  public static var documentation: String { "" }
  /// No presets.
  public static var presets: [Preset<Self>] { [] }
  /// No checks.
  public mutating func check(_ report: inout Report) {}

  /// Reads a document: all its errors at once, and its value if there are none.
  ///
  /// A key `"$schema"` of the document itself is for editors, and is passed over.
  public static func decode(_ json: JSON) -> Decoded<Self> {
    var report = Report(root: reference, document: json)
    let value = read(json, beside: "$schema", &report)
    if let address = json["$schema"] {
      _ = report.inside("$schema", of: address) { Codec.text.decode(address, &$0) }
    }
    let diagnostics = Diagnostics(errors: report.errors, warnings: report.warnings)
    return Decoded(value: diagnostics.errors.isEmpty ? value : nil, diagnostics: diagnostics)
  }

  /// The document with every default written out; reads back to the same value.
  public var resolved: JSON { JSON(.object(Self.fields.flatMap { $0.encode(self) })) }

  static var reference: ObjectReference {
    ObjectReference(
      type: ObjectIdentifier(Self.self), name: String(describing: Self.self), documentation: documentation
    ) {
      let fields = fields
      let defaults = Self()
      return fields.enumerated().flatMap { $1.entries(group: $0, defaults) }
    }
  }

  /// - Parameter key: a key that is allowed beside the fields (the tag of a union), and read by somebody else.
  static func read(_ json: JSON, beside key: String?, _ report: inout Report) -> Self? {
    guard let members = json.members else {
      report.refuse(json, expected: .object(reference, shorthand: nil))
      return nil
    }
    let errorCount = report.errors.count
    let fields = fields
    var value = Self()
    for field in fields { field.readPreset(&value, json, &report) }
    let suggested = refuseUnknownKeys(members, beside: key, &report)
    for field in fields { field.read(&value, json, suggested, &report) }
    guard report.errors.count == errorCount else { return nil }
    if !report.isPartial {
      value.check(&report)
    }
    return report.errors.count == errorCount ? value : nil
  }

  /// Refuses the keys that no field has, and returns the names they were probably meant to be.
  private static func refuseUnknownKeys(
    _ members: [JSON.Member], beside key: String?, _ report: inout Report
  ) -> Suggested {
    var suggested = Suggested()
    // Nearly always all are known, and thousands of a sweep's points are read: the table is made only for complaints.
    let unknown = members.filter { member in member.key != key && !fields.contains { $0.reads(member.key) } }
    if unknown.isEmpty { return suggested }
    let here = reference
    let entries = here.entries()
    let names = entries.map(\.name)
    for member in unknown {
      suggested.anyUnknown = true
      let near = nearest(to: member.key, among: names + (key.map { [$0] } ?? []))
      var hints: [String] = []
      if let near {
        suggested.names.insert(near)
        let summary = entries.first { $0.name == near }?.shape.summary ?? ""
        hints.append("did you mean \(quoted(near))\(summary)?")
      }
      if near.map({ !isSpellingVariant($0, member.key) }) ?? true,
        let owners = report.owners(of: member.key, near: here)
      {
        hints.append("`\(clipped(member.key))` belongs \(owners)")
      }
      if hints.isEmpty { hints = [names.isEmpty ? "no keys are known here" : "expected one of \(listed(names))"] }
      report.refuseKey(member, "unknown key", hint: hints.joined(separator: " or: "))
    }
    return suggested
  }
}

/// What the unknown keys of an object were probably meant to be; such names are not reported as missing again.
struct Suggested {
  var names: Set<String> = []
  var anyUnknown = false
}

/// The outcome of reading a document.
public struct Decoded<Value> {
  /// The value, if the document has no errors.
  public let value: Value?
  /// What is wrong and what is suspicious.
  public let diagnostics: Diagnostics

  /// The value, or all that is wrong.
  public func get() throws(Diagnostics) -> Value {
    guard let value else { throw diagnostics }
    return value
  }
}

/// A named set of defaults: `{ "preset": "ag-si", "levels": 32 }`.
public struct Preset<Value: Sendable>: Sendable {
  let name: String
  let value: Value

  /// Defaults by name.
  public init(_ name: String, _ value: Value) {
    self.name = name
    self.value = value
  }
}

extension Codec where Value: Configurable {
  /// A structure.
  ///
  /// - Parameter shorthand: a key; a text, number or truth value in place of the object is read as its value.
  public static func object(shorthand: String? = nil) -> Codec {
    Codec(.object(Value.reference, shorthand: shorthand)) { json, report in
      switch json.value {
      case .string, .number, .bool:
        guard let shorthand else { break }
        let object = JSON(.object([JSON.Member(shorthand, json, at: json.position)]), at: json.position)
        return Value.read(object, beside: nil, &report)
      default: break
      }
      guard json.members != nil else {
        report.refuse(json, expected: .object(Value.reference, shorthand: shorthand))
        return nil
      }
      return Value.read(json, beside: nil, &report)
    } encode: {
      $0.resolved
    }
  }
}

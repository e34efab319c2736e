/// What may stand in a place of the document, without the Swift type it becomes. Error sentences, suggestions and the
/// JSON Schema are made from it; the decoder beside it (``Codec``) is made in the same call, so they cannot disagree.
indirect enum Shape: Sendable {
  case any
  case boolean
  case integer(Bounds<Int>, unit: String)
  case number(Bounds<Double>, unit: String, usual: ClosedRange<Double>?)
  case text
  case choice([String])
  case list(Shape, count: Bounds<Int>)
  /// Free keys.
  case map(Shape)
  case optional(Shape)
  case union([Shape])
  /// `shorthand`: a scalar in place of the object stands for `{ shorthand: scalar }`.
  case object(ObjectReference, shorthand: String?)
  case tagged(TaggedReference)
  /// Some of the members of an object, to be laid over a complete one.
  case patch(Shape)

  /// Whether a value of this JSON kind might belong here; values and names inside are not looked at.
  func accepts(_ json: JSON) -> Bool {
    switch (self, json.value) {
    case (.any, _), (.boolean, .bool), (.integer, .number), (.number, .number), (.text, .string), (.choice, .string),
      (.list, .array), (.map, .object), (.object, .object), (.tagged, .object), (.optional, .null):
      true
    case (.optional(let inner), _), (.patch(let inner), _): inner.accepts(json)
    case (.union(let shapes), _): shapes.contains { $0.accepts(json) }
    case (.object(_, let shorthand?), .string), (.object(_, let shorthand?), .number),
      (.object(_, let shorthand?), .bool):
      !shorthand.isEmpty
    case (.tagged(let reference), .string): reference.hasShorthand
    default: false
    }
  }

  /// The shape for a sentence that says "expected …".
  var phrase: String {
    switch self {
    case .any: "any value"
    case .boolean: "true or false"
    case .integer(let bounds, let unit): phrase("a whole number", bounds.phrase(String.init), unit)
    case .number(let bounds, let unit, _): phrase("a number", bounds.phrase(brief), unit)
    case .text: "a text"
    case .choice(let names): names.count == 1 ? listed(names) : "one of \(listed(names))"
    case .list(let inner, let count):
      phrase("a list", count.phrase(String.init), count.phrase(String.init).isEmpty ? "" : "items")
        + ", each item \(inner.phrase)"
    case .map(let inner): "an object whose every value is \(inner.phrase)"
    case .optional(let inner): "\(inner.phrase), or null"
    case .union(let shapes): shapes.map(\.phrase).joined(separator: ", or ")
    case .object(_, let shorthand): shorthand.map { "an object, or just its \(quoted($0))" } ?? "an object"
    case .tagged(let reference):
      reference.hasShorthand
        ? "an object, or just its \(quoted(reference.key)): \(listed(reference.variants().map(\.name)))"
        : "an object with a \(quoted(reference.key))"
    case .patch(let inner): inner.phrase
    }
  }

  /// The shape in parentheses after a suggested name: `(ohm, 1 … 1e12)`.
  var summary: String {
    switch self {
    case .integer(let bounds, let unit): summary(unit.isEmpty ? "whole number" : unit, bounds.phrase(String.init))
    case .number(let bounds, let unit, _): summary(unit.isEmpty ? "number" : unit, bounds.phrase(brief))
    case .optional(let inner): inner.summary
    case .list, .map, .union, .any, .patch: ""
    case .object: " (object)"
    case .tagged: " (object)"
    default: " (\(phrase))"
    }
  }

  private func phrase(_ parts: String...) -> String { parts.filter { !$0.isEmpty }.joined(separator: " ") }
  private func summary(_ parts: String...) -> String { " (\(parts.filter { !$0.isEmpty }.joined(separator: ", ")))" }
}

/// An object's description, made when it is asked for, so that a type may contain itself.
struct ObjectReference: Sendable {
  let type: ObjectIdentifier
  let name: String
  let documentation: String
  let entries: @Sendable () -> [Entry]

  /// One key of an object.
  struct Entry: Sendable {
    let name: String
    let shape: Shape
    let documentation: String
    let isRequired: Bool
    /// Exactly one of the entries of a group is present.
    let group: Int?
    let defaultValue: JSON?
    let example: JSON?
  }
}

/// A choice among objects by the value of one key.
struct TaggedReference: Sendable {
  let name: String
  let key: String
  /// The variant taken when the key is missing.
  let defaultName: String?
  /// A text in place of the object stands for `{ key: text }`.
  let hasShorthand: Bool
  let variants: @Sendable () -> [VariantShape]
}

struct VariantShape: Sendable {
  let name: String
  let object: ObjectReference
}

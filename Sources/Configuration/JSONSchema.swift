extension Configurable {
  /// A JSON Schema (draft 07, which editors know best) of the documents that ``decode(_:)`` accepts.
  ///
  /// Descriptions, units, ranges and defaults come from the table of fields. What a schema cannot say (checks between
  /// fields) is left to the decoder.
  ///
  /// - Parameters:
  ///   - title: the schema's title.
  ///   - identifier: its `$id`, if it has one.
  public static func schema(title: String, identifier: String? = nil) -> JSON {
    var writer = SchemaWriter()
    let object = writer.object(
      reference, tag: nil, isPartial: false,
      extraKeys: [
        ("$schema", ["type": "string", "description": "The schema's address, for editors."]),
        (
          "extends",
          [
            "description": "A document, or several, over which this one is laid.",
            "anyOf": [["type": "string"], ["type": "array", "items": ["type": "string"]]],
          ]
        ),
      ])
    var members: [(String, JSON)] = [("$schema", "http://json-schema.org/draft-07/schema#")]
    if let identifier { members.append(("$id", .string(identifier))) }
    members.append(("title", .string(title)))
    members += (object.members ?? []).map { ($0.key, $0.value) }
    members.append(("definitions", .object(writer.definitions.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })))
    return .object(members)
  }
}

private struct SchemaWriter {
  var definitions: [String: JSON] = [:]
  /// The types behind the names, to keep two types of one name apart.
  private var types: [String: ObjectIdentifier] = [:]

  /// An object in full.
  mutating func object(
    _ reference: ObjectReference, tag: (key: String, name: String, isRequired: Bool)?, isPartial: Bool,
    extraKeys: [(String, JSON)] = []
  ) -> JSON {
    let entries = reference.entries()
    var properties = extraKeys
    if let tag { properties.append((tag.key, ["const": .string(tag.name)])) }
    for entry in entries { properties.append((entry.name, property(entry, isPartial: isPartial))) }
    var members: [(String, JSON)] = []
    if !reference.documentation.isEmpty { members.append(("description", .string(reference.documentation))) }
    members.append(("type", "object"))
    members.append(("properties", .object(properties)))
    members.append(("additionalProperties", false))
    var required = isPartial ? [] : entries.filter(\.isRequired).map { JSON.string($0.name) }
    if let tag, tag.isRequired { required.insert(.string(tag.key), at: 0) }
    if !required.isEmpty { members.append(("required", .array(required))) }
    let groups = Set(entries.compactMap(\.group)).sorted()
    let choices = groups.map { group -> JSON in
      ["oneOf": .array(entries.filter { $0.group == group }.map { ["required": [.string($0.name)]] })]
    }
    if !isPartial, !choices.isEmpty { members.append(("allOf", .array(choices))) }
    return .object(members)
  }

  private mutating func property(_ entry: ObjectReference.Entry, isPartial: Bool) -> JSON {
    var description = entry.documentation
    if let unit = entry.shape.unit { description += " Unit: \(unit)." }
    if let usual = entry.shape.usual {
      description += " Usual: \(brief(usual.lowerBound)) … \(brief(usual.upperBound))."
    }
    var schema = schema(entry.shape, isPartial: isPartial)
    // Draft 07 ignores whatever stands beside a reference.
    if schema["$ref"] != nil { schema = ["allOf": [schema]] }
    if !description.isEmpty {
      schema.set("description", .string(description))
    }
    if let value = entry.defaultValue { schema.set("default", value) }
    if let example = entry.example { schema.set("examples", [example]) }
    return schema
  }

  private mutating func schema(_ shape: Shape, isPartial: Bool) -> JSON {
    switch shape {
    case .any: return [:]
    case .boolean: return ["type": "boolean"]
    case .integer(let bounds, _):
      return range(
        type: "integer", bounds.lower.map { .integer($0) }, bounds.upper.map { .integer($0) },
        bounds.excludesLower, bounds.excludesUpper)
    case .number(let bounds, _, _):
      return range(
        type: "number", bounds.lower.map { .number($0) }, bounds.upper.map { .number($0) },
        bounds.excludesLower, bounds.excludesUpper)
    case .text: return ["type": "string"]
    case .choice(let names): return ["enum": .array(names.map { .string($0) })]
    case .list(let inner, let count):
      var result: JSON = ["type": "array", "items": schema(inner, isPartial: false)]
      if let lower = count.lower { result.set("minItems", .integer(count.excludesLower ? lower + 1 : lower)) }
      if let upper = count.upper { result.set("maxItems", .integer(count.excludesUpper ? upper - 1 : upper)) }
      return result
    case .map(let inner): return ["type": "object", "additionalProperties": schema(inner, isPartial: isPartial)]
    case .optional(let inner): return ["anyOf": [schema(inner, isPartial: isPartial), ["type": "null"]]]
    case .union(let shapes): return ["anyOf": .array(shapes.map { schema($0, isPartial: isPartial) })]
    case .patch(let inner): return schema(inner, isPartial: true)
    case .object(let reference, let shorthand):
      let whole = define(reference, tag: nil, isPartial: isPartial)
      guard let shorthand, let entry = reference.entries().first(where: { $0.name == shorthand }) else { return whole }
      return ["anyOf": [schema(entry.shape, isPartial: isPartial), whole]]
    case .tagged(let reference): return tagged(reference, isPartial: isPartial)
    }
  }

  private mutating func tagged(_ reference: TaggedReference, isPartial: Bool) -> JSON {
    let variants = reference.variants()
    var choices = variants.map { variant in
      define(
        variant.object,
        tag: (reference.key, variant.name, !isPartial && variant.name != reference.defaultName), isPartial: isPartial)
    }
    if reference.hasShorthand { choices.insert(["enum": .array(variants.map { .string($0.name) })], at: 0) }
    return ["anyOf": .array(choices)]
  }

  /// Writes the object among the definitions, once, and refers to it.
  private mutating func define(
    _ reference: ObjectReference, tag: (key: String, name: String, isRequired: Bool)?, isPartial: Bool
  ) -> JSON {
    var name = reference.name
    if let tag { name += "-\(tag.name)\(tag.isRequired || isPartial ? "" : "-default")" }
    if isPartial { name += "-patch" }
    while let type = types[name], type != reference.type { name += "-2" }
    if types[name] == nil {
      types[name] = reference.type
      definitions[name] = object(reference, tag: tag, isPartial: isPartial)
    }
    return ["$ref": .string("#/definitions/\(name)")]
  }

  private func range(type: String, _ lower: JSON?, _ upper: JSON?, _ excludesLower: Bool, _ excludesUpper: Bool) -> JSON
  {
    var result: JSON = ["type": .string(type)]
    if let lower { result.set(excludesLower ? "exclusiveMinimum" : "minimum", lower) }
    if let upper { result.set(excludesUpper ? "exclusiveMaximum" : "maximum", upper) }
    return result
  }
}

extension Shape {
  /// The unit of a number, of the number within an optional, or of the items of a list.
  fileprivate var unit: String? {
    switch self {
    case .integer(_, let unit), .number(_, let unit, _): unit.isEmpty ? nil : unit
    case .optional(let inner), .list(let inner, _): inner.unit
    case .union(let shapes): shapes.lazy.compactMap(\.unit).first
    default: nil
    }
  }

  fileprivate var usual: ClosedRange<Double>? {
    switch self {
    case .number(_, _, let usual): usual
    case .optional(let inner), .list(let inner, _): inner.usual
    case .union(let shapes): shapes.lazy.compactMap(\.usual).first
    default: nil
    }
  }
}

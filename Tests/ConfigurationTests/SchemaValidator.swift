@testable import Configuration

/// As much of JSON Schema draft 07 as our schemas use, written from the standard and not from the decoder: the oracle
/// that holds schema and decoder against each other.
struct SchemaValidator {
  let root: JSON

  func accepts(_ json: JSON) -> Bool { accepts(json, root) }

  private func accepts(_ json: JSON, _ schema: JSON) -> Bool {
    (schema.members ?? []).allSatisfy { keyword(json, $0.key, $0.value, schema) }
  }

  private func keyword(_ json: JSON, _ name: String, _ value: JSON, _ schema: JSON) -> Bool {
    switch name {
    case "$ref":
      let target = value.string.map { String($0.dropFirst("#/definitions/".count)) } ?? ""
      return root["definitions"]?[target].map { accepts(json, $0) } ?? false
    case "type": return hasType(json, value.string ?? "")
    case "const": return json == value
    case "enum": return value.array?.contains(json) ?? false
    case "minimum": return json.double.map { $0 >= value.double ?? 0 } ?? true
    case "maximum": return json.double.map { $0 <= value.double ?? 0 } ?? true
    case "exclusiveMinimum": return json.double.map { $0 > value.double ?? 0 } ?? true
    case "exclusiveMaximum": return json.double.map { $0 < value.double ?? 0 } ?? true
    case "minItems": return json.array.map { $0.count >= value.int ?? 0 } ?? true
    case "maxItems": return json.array.map { $0.count <= value.int ?? 0 } ?? true
    case "items": return json.array?.allSatisfy { accepts($0, value) } ?? true
    case "required": return json.members == nil || (value.array ?? []).allSatisfy { json[$0.string ?? ""] != nil }
    case "properties":
      return json.members?.allSatisfy { member in value[member.key].map { accepts(member.value, $0) } ?? true } ?? true
    case "additionalProperties":
      let known = Set(schema["properties"]?.members?.map(\.key) ?? [])
      return json.members?.allSatisfy { member in
        known.contains(member.key) || (value.bool ?? accepts(member.value, value))
      } ?? true
    case "allOf": return value.array?.allSatisfy { accepts(json, $0) } ?? false
    case "anyOf": return value.array?.contains { accepts(json, $0) } ?? false
    case "oneOf": return value.array?.count { accepts(json, $0) } == 1
    case "$schema", "$id", "title", "description", "default", "examples", "definitions": return true
    default: return false  // A keyword this oracle does not know must not pass unseen.
    }
  }

  private func hasType(_ json: JSON, _ type: String) -> Bool {
    switch type {
    case "null": json.isNull
    case "boolean": json.bool != nil
    case "integer": json.double.map { $0 == $0.rounded() && $0.isFinite } ?? false
    case "number": json.double?.isFinite ?? false
    case "string": json.string != nil
    case "array": json.array != nil
    case "object": json.members != nil
    default: false
    }
  }
}

import Testing

@testable import Configuration

@Suite("JSON Schema")
struct SchemaTests {
  let schema = Sample.schema(title: "Sample")

  @Test("every field stands in the schema, with description, unit, range and default")
  func fields() throws {
    let properties = try #require(schema["properties"])
    #expect(
      Set(properties.members?.map(\.key) ?? []) == Set(Sample.reference.entries().map(\.name) + ["$schema", "extends"]))
    for (name, object) in [("Device", Device.reference), ("Stage", Stage.reference), ("Train", Train.reference)] {
      let definition = try #require(schema["definitions"]?[name])
      #expect(definition["additionalProperties"] == false)
      #expect(definition["properties"]?.members?.map(\.key) == object.entries().map(\.name))
    }
    #expect(
      schema["definitions"]?["Device"]?["properties"]?["onResistance"] == [
        "type": "number", "minimum": 1, "maximum": 1e12, "default": 1e5,
        "description": "Of a cell switched on. Unit: ohm. Usual: 1000 … 1e7.",
      ])
    #expect(schema["required"] == ["name"])
    #expect(properties["name"]?["examples"] == ["lenet5"])
  }

  @Test("the schema is itself strict JSON that reads back")
  func text() throws {
    #expect(try JSON.parse(schema.written(pretty: true), dialect: .strict) == schema)
  }

  @Test("a document built from the schema's defaults decodes")
  func defaults() throws {
    for (reference, decode) in [
      (Device.reference, { Device.decode($0).diagnostics.errors.isEmpty }),
      (Train.reference, { Train.decode($0).diagnostics.errors.isEmpty }),
      (Crossbar.reference, { Crossbar.decode($0).diagnostics.errors.isEmpty }),
      (Schedule.reference, { Schedule.decode($0).diagnostics.errors.isEmpty }),
    ] as [(ObjectReference, (JSON) -> Bool)] {
      let name = reference.name == "Crossbar" ? "Crossbar-crossbar" : reference.name
      let properties = schema["definitions"]?[name]?["properties"]?.members ?? []
      let document = JSON.object(properties.compactMap { member in member.value["default"].map { (member.key, $0) } })
      #expect(document.members?.isEmpty == false)
      #expect(decode(document))
    }
  }

  @Test("valid documents pass the schema, and so do their resolved forms", arguments: sampleTexts)
  func valid(text: String) throws {
    let json = try JSON.parse(text)
    let validator = SchemaValidator(root: schema)
    #expect(validator.accepts(json))
    #expect(validator.accepts(try Sample.decode(json).get().resolved))
  }

  @Test("wherever one place of a valid document is changed, schema and decoder judge alike")
  func twoWays() throws {
    let validator = SchemaValidator(root: schema)
    let replacements: [JSON] = [
      nil, true, 0, 1, 0.5, -1, 5000, 1e13, "auto", "mlp", "test", "digital", "nothing", [], [1], [1, "x"], [:],
      ["kind": "digital"], ["kind": "crossbar"], ["kind": "x"], ["unknown": 1], ["train": [:]], ["rows": 1],
    ]
    var verdicts = [true: 0, false: 0]
    for text in sampleTexts {
      let json = try JSON.parse(text)
      for path in places(in: json) {
        for replacement in replacements {
          let changed = replacing(json, at: path[...], with: replacement)
          // Checks between fields are beyond a schema.
          if changed["model"]?.isNull == false, changed["models"]?.members?.isEmpty == false { continue }
          let verdict = Sample.decode(changed)
          if verdict.diagnostics.errors.contains(where: { $0.message.contains("not below") }) { continue }
          let isValid = verdict.value != nil
          verdicts[isValid, default: 0] += 1
          if validator.accepts(changed) != isValid {
            Issue.record("\(changed.written()): decoder \(isValid) \(verdict.diagnostics)")
          }
        }
      }
    }
    #expect((verdicts[true] ?? 0) > 50 && (verdicts[false] ?? 0) > 500)
  }

  @Test("a type may contain itself")
  func recursion() throws {
    let tree = try Tree.decode(try JSON.parse("{ parts: [{}, { parts: [{ width: 2 }] }] }")).get()
    #expect(tree.parts[1].parts[0].width == 2)
    let schema = Tree.schema(title: "Tree")
    #expect(SchemaValidator(root: schema).accepts(tree.resolved))
    let errors = Tree.decode(try JSON.parse("{ parts: [{ parts: [{ widht: 2 }] }] }")).diagnostics.errors
    #expect(errors.map(\.path) == ["parts.0.parts.0.widht"])
  }

  /// Every place below the root, by indices of members or items.
  private func places(in json: JSON) -> [[Int]] {
    let children = json.array ?? json.members?.map(\.value) ?? []
    return children.enumerated().flatMap { index, child in [[index]] + places(in: child).map { [index] + $0 } }
  }

  private func replacing(_ json: JSON, at path: ArraySlice<Int>, with value: JSON) -> JSON {
    guard let index = path.first else { return value }
    if var items = json.array {
      items[index] = replacing(items[index], at: path.dropFirst(), with: value)
      return .array(items)
    }
    var members = json.members ?? []
    members[index].value = replacing(members[index].value, at: path.dropFirst(), with: value)
    return JSON(.object(members))
  }
}

private struct Tree: Configurable {
  var width = 1
  var parts: [Tree] = []
  static let fields: [Field<Tree>] = [
    Field("width", \.width, .integer, "Of the trunk."),
    Field("parts", \.parts, .list(of: .object()), "Its branches."),
  ]
}

import Foundation
import Testing

@testable import Configuration
@testable import Experiments

@Suite("Schema and decoder of experiments")
struct ConfigurationSchemaTests {
  let committed: JSON

  init() throws {
    committed = try JSON.parse(
      String(contentsOfFile: Laboratory.package + "/Configs/schema.json", encoding: .utf8), dialect: .strict)
  }

  @Test("Configs/schema.json is what the decoder's table says (else: make schema)")
  func isCurrent() throws {
    #expect(try JSON.parse(experimentSchema(), dialect: .strict) == committed)
  }

  @Test("every key of the decoder's tables is in Configs/schema.json, and every key there is in a table")
  func bothWays() {
    var decoder: Set<String> = []
    collect(.object(ExperimentConfiguration.reference, shorthand: nil), into: &decoder)
    var schema: Set<String> = []
    keys(of: committed, "ExperimentConfiguration", into: &schema)
    for member in committed["definitions"]?.members ?? [] {
      // A union's variant is named after its type and tag, a patch after what it patches.
      keys(of: member.value, String(member.key.prefix { $0 != "-" }), into: &schema)
    }
    let tags = Set(schema.filter { $0.hasSuffix(".kind") && !decoder.contains($0) })
    #expect(tags.count >= hardwareVariants().count + layerVariants().count)
    let expected = decoder.union(["ExperimentConfiguration.$schema", "ExperimentConfiguration.extends"])
    #expect(schema.subtracting(tags).subtracting(expected) == [], "in the schema alone")
    #expect(expected.subtracting(schema) == [], "in the decoder alone")
    #expect(decoder.count > 120)
  }

  private func keys(of object: JSON, _ name: String, into result: inout Set<String>) {
    for property in object["properties"]?.members ?? [] { result.insert("\(name).\(property.key)") }
  }

  private func collect(_ shape: Shape, into result: inout Set<String>) {
    switch shape {
    case .object(let reference, _): collect(reference, into: &result)
    case .tagged(let reference): for variant in reference.variants() { collect(variant.object, into: &result) }
    case .list(let inner, _), .map(let inner), .optional(let inner), .patch(let inner): collect(inner, into: &result)
    case .union(let shapes): for shape in shapes { collect(shape, into: &result) }
    case .any, .boolean, .integer, .number, .text, .choice: break
    }
  }

  private func collect(_ reference: ObjectReference, into result: inout Set<String>) {
    for entry in reference.entries() where result.insert("\(reference.name).\(entry.name)").inserted {
      collect(entry.shape, into: &result)
    }
  }

  static let configs: [String] = {
    let root = Laboratory.package + "/Configs"
    let all = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
    return all.filter { $0.hasSuffix(".json") && $0 != "schema.json" }.sorted()
  }()

  @Test("every committed configuration is accepted, and opens with two comment lines", arguments: configs)
  func example(name: String) throws {
    let path = "\(Laboratory.package)/Configs/\(name)"
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    #expect(lines[0].hasPrefix("// ") && lines[1].hasPrefix("// "))
    #expect(lines[0].contains("?"), "the first line asks a question")
    let loaded = try LoadedExperiment(path: path)
    #expect(loaded.warnings.warnings.isEmpty)
    try loaded.preflight(forRun: false)
  }
}

import Configuration
import Datasets
import LinearAlgebra
import NeuralNetworks

/// A model's weights as a safetensors file with PyTorch's names and layouts.
///
/// The file of a shrunk network says in its metadata, under `structure`, what is left of which layer:
/// `{"conv1": {"channels": 64, "kept": [0, 3, …]}, …}`. With it the same network can be built from its architecture.
enum WeightFile {
  static func metadata(of model: Model) -> [String: String] {
    var texts = ["format": "pt"]
    if !model.structure.isWhole { texts["structure"] = json(model.structure).written() }
    return texts
  }

  static func arrays(of model: Model) -> [Safetensors.NamedArray] {
    model.stateDictionary.map { Safetensors.NamedArray($0.name, $0.tensor) }
  }

  static func write(_ model: Model, to path: String) throws {
    try Safetensors.write(arrays(of: model), metadata: metadata(of: model), to: path)
  }

  static func json(_ structure: ModelStructure) -> JSON {
    .object(
      structure.layers.map { layer in
        (
          layer.name,
          .object([("channels", .integer(layer.channels)), ("kept", .array(layer.kept.map { .integer($0) }))])
        )
      })
  }

  /// - Returns: nil when the value is not a structure.
  static func structure(_ json: JSON) -> ModelStructure? {
    guard let members = json.members else { return nil }
    var layers: [ModelStructure.Layer] = []
    for member in members {
      guard let channels = member.value["channels"]?.int, let list = member.value["kept"]?.array else { return nil }
      let kept = list.compactMap(\.int)
      guard kept.count == list.count else { return nil }
      layers.append(.init(name: member.key, channels: channels, kept: kept))
    }
    return ModelStructure(layers)
  }

  /// The structure that a file's network was shrunk to; nil when it says none.
  /// - Throws: `RunError` when what it says is no structure.
  static func structure(of file: SafetensorsFile, path: String) throws -> ModelStructure? {
    guard let text = file.metadata["structure"] else { return nil }
    guard let json = try? JSON.parse(text, file: path, dialect: .strict), let found = structure(json) else {
      throw RunError("\(path): its metadata \"structure\" is not one of layers with \"channels\" and \"kept\"")
    }
    return found
  }

  /// Shrinks a network to a file's structure, if it has one, and loads its values.
  /// - Throws: `RunError` naming the file.
  static func load(_ path: String, into model: Model, pool: ThreadPool) throws {
    let file = try Safetensors.read(path, finite: true)
    do {
      if let structure = try structure(of: file, path: path) { try model.select(structure) }
      try model.load(file.tensors.map { ($0.name, $0.array.tensor) }, pool: pool)
    } catch let error as ModelError { throw RunError("\(path): \(error.description)") }
  }

  /// Shrinks a network to a file's structure.
  /// - Throws: `RunError` naming the file, which must say one.
  static func shrink(_ model: Model, to path: String) throws {
    let file = try Safetensors.read(path)
    guard let structure = try structure(of: file, path: path) else {
      throw RunError("\(path): says nothing of a structure; a pruned network's file does, in its metadata")
    }
    do { try model.select(structure) } catch let error as ModelError { throw RunError("\(path): \(error.description)") }
  }
}

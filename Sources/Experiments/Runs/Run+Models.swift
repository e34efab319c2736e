import Configuration
import Datasets
import LinearAlgebra
import NeuralNetworks

/// Models and data.
extension Run {
  /// Models as new, on their hardware.
  func makeModels() throws {
    for (name, c) in configuration.models {
      let made = RunModel(name, c)
      if !c.ensemble.isEmpty {
        made.members = c.ensemble.compactMap { n in models.first { $0.name == n } }
        _ = try Ensemble(made.networks, c.combine)
      } else if let from = c.from, let original = models.first(where: { $0.name == from }) {
        made.model = try copy(of: original)
        try place(made, on: c.hardware)
      } else {
        let set = try dataset(nil)
        let model = try c.make(input: inputShape(set), classes: set.classes)
        if let file = c.structure { try WeightFile.shrink(model, to: inputPath(file)) }
        try model.initialize(c.initialization, seed: c.seed ?? configuration.seed, pool: pool)
        if let file = c.initialWeights { try WeightFile.load(inputPath(file), into: model, pool: pool) }
        made.model = model
        try place(made, on: c.hardware)
      }
      models.append(made)
    }
  }

  /// A digital model of the same network and values.
  func copy(of original: RunModel) throws -> Model {
    guard let source = original.model else {
      throw RunError("model \(original.name) is an ensemble and cannot be copied")
    }
    let copy = try network(of: original, source)
    try copy.select(source.structure)
    try copy.load(source.stateDictionary, pool: pool)
    return copy
  }

  /// The network that a model was built as, with all its channels; weights zero and digital.
  func network(of original: RunModel, _ model: Model) throws -> Model {
    var network = original.configuration
    while let from = network.from, let base = models.first(where: { $0.name == from }) { network = base.configuration }
    return try network.make(input: model.inputShape, classes: model.output.shape.count)
  }

  func place(_ model: RunModel, on hardware: any HardwareConfiguration) throws {
    try model.place(on: hardware, seed: configuration.seed, resolve: inputPath, pool: pool)
  }

  func inputShape(_ set: ImageDataset) -> Shape { Self.inputShape(set.sampleShape) }

  static func inputShape(_ s: [Int]) -> Shape {
    s.count == 3 ? Shape(height: s[0], width: s[1], channels: s[2]) : Shape(features: s.reduce(1, *))
  }

  /// The configuration of a data set: a named one of `datasets`, or `data`.
  func dataConfiguration(_ name: String?) throws -> DataConfiguration {
    if let name, let found = configuration.datasets.first(where: { $0.key == name }) { return found.value }
    guard let data = configuration.data ?? configuration.datasets.first?.value else {
      throw RunError("the experiment names no data")
    }
    return data
  }

  /// A data set, read once.
  func dataset(_ name: String?) throws -> ImageDataset {
    let key = name ?? ""
    if let set = loaded[key] { return set }
    let set = try dataConfiguration(name).load(name: name ?? "data", resolve: inputPath)
    loaded[key] = set
    return set
  }
}

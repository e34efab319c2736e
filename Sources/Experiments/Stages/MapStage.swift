import Configuration
import Datasets
import LinearAlgebra
import NeuralNetworks

/// Puts a model's weights onto other hardware.
public struct MapStage: RestructuringStage {
  public var hardware: any HardwareConfiguration = DigitalConfiguration()
  public var foldBatchNorm = false

  public init() {}
  public static let documentation = "Puts a model's weights onto other hardware; with \"as\", a copy of the model."
  public static let fields: [Field<MapStage>] = [
    Field("hardware", \.hardware, hardwareCodec, "Where the weights go.", required: true),
    Field(
      "foldBatchNorm", \.foldBatchNorm, .boolean,
      "Folds each batch-norm that follows a convolution or linear layer into its weights first."),
  ]

  public var kind: String { "map" }
  public var needsData: Bool { false }
  public var makesModel: Bool { true }

  public func restructure(_ context: StageContext) throws {
    let run = context.run
    guard let target = context.target, let original = target.model else { return }
    var changed = target
    if let name = context.stage.result {
      changed = RunModel(name, target.configuration)
      changed.model = try run.copy(of: target)
      changed.history = target.history
      run.models.append(changed)
    }
    if foldBatchNorm { try (changed.model ?? original).foldBatchNorm(pool: run.pool) }
    try run.place(changed, on: hardware)
  }

  public func run(_ context: StageContext) throws {
    let before = context.target?.model?.stateDictionary
    try restructure(context)
    let name = context.stage.result ?? context.target?.name
    guard let made = context.run.models.first(where: { $0.name == name }), let mapped = made.model else { return }
    context.result.metrics.append(("arrays", Double(mapped.weights.reduce(0) { $0 + $1.weights.arrays.count })))
    var meter = CostMeter([made])
    meter.takeAll()
    if let programming = try meter.costs()?.total {
      context.result.metrics += [
        ("energy", programming.energy), ("latency", programming.time), ("area", programming.area * 1e6),
        ("tiles", Double(programming.tiles)), ("devices", Double(programming.devices)),
      ]
    }
    if let unreached = mapped.unreachedWrites { context.result.metrics.append(("unreachedWrites", Double(unreached))) }
    // How far the devices are from the weights they were given.
    guard let before, !foldBatchNorm else { return }
    var squares = 0.0
    var total = 0.0
    for (a, b) in zip(before, mapped.stateDictionary) {
      for (x, y) in zip(a.tensor.values, b.tensor.values) {
        squares += Double(x - y) * Double(x - y)
        total += Double(x) * Double(x)
      }
    }
    context.result.metrics.append(("weightError", total > 0 ? (squares / total).squareRoot() : 0))
  }
}

/// Writes a model's weights, with PyTorch's names and layouts.
public struct ExportStage: WritingStage {
  public var output: String?

  public init() {}
  public static let documentation = "Writes weights as safetensors with PyTorch's names and layouts."
  public static let fields: [Field<ExportStage>] = [
    Field("output", \.output, .optional(.text), "File in the run's folder; <model>-<label>.safetensors if left out.")
  ]

  public var kind: String { "export" }
  public var needsData: Bool { false }
  static let fileExtension = "safetensors"

  public func run(_ context: StageContext) throws {
    let model = try context.model()
    let path = try context.run.outputPath(output ?? "\(context.target?.name ?? "model")-\(context.label).safetensors")
    try WeightFile.write(model, to: path)
    context.result.metrics = [("parameters", Double(model.parameterCount))]
  }
}

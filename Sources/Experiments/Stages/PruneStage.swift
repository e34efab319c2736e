import Compression
import Configuration
import NeuralNetworks

/// Prunes a network at once.
public struct PruneStage: RestructuringStage {
  public var choice = PruningChoice()
  public var batchSize = 64

  public init() {}
  public static let documentation = "Prunes channels at once, in the model or, with \"as\", in a copy of it."
  public static let fields: [Field<PruneStage>] =
    PruningChoice.fields.map { $0.inside(\.choice) } + [
      Field("batchSize", \.batchSize, .integer(1...65536, unit: "sample"), "Samples of one pass of the criterion.")
    ]

  public mutating func check(_ report: inout Report) { choice.check(&report) }

  public var kind: String { "prune" }
  public var needsData: Bool { choice.needsSamples }
  public var reasonForData: String { "the stage needs data: \(choice.reasonForSamples ?? "it looks at samples")" }
  public var makesModel: Bool { true }

  /// The model that is pruned: the stage's, or the copy of it that "as" names.
  private func subject(_ context: StageContext) throws -> RunModel? {
    guard let target = context.target, let name = context.stage.result else { return context.target }
    let made = RunModel(name, target.configuration)
    made.model = try context.run.copy(of: target)
    made.history = target.history
    try context.run.place(made, on: target.hardware)
    context.run.models.append(made)
    return made
  }

  func restructure(_ context: StageContext) throws {
    let made = try subject(context)
    if let structure = context.recorded { try made?.model?.select(structure) }
  }

  public func run(_ context: StageContext) throws {
    guard let made = try subject(context) else { return }
    let session = try PruningSession(made, choice, context, batch: batchSize, task: ClassificationTask())
    try session.prune(event: 0, choice.amount) { try made.follow($0()) }
    try session.report()
  }
}

/// Draws a model's weights anew and keeps its shape: the small network from scratch, which every pruned one must beat.
public struct ReinitializeStage: RestructuringStage {
  public var initialization = Initialization.kaimingUniform
  public var seed: UInt64?

  public init() {}
  public static let documentation =
    "Draws all weights anew in the model's present shape, or with \"as\" in a copy of it: pruned networks from scratch."
  public static let fields: [Field<ReinitializeStage>] = [
    Field("initialization", \.initialization, .choice, "The law by which weights are drawn."),
    Field("seed", \.seed, .optional(.seed), "Keys the weights; the experiment's if left out."),
  ]

  public var kind: String { "reinitialize" }
  public var needsData: Bool { false }
  public var makesModel: Bool { true }

  func restructure(_ context: StageContext) throws {
    let run = context.run
    guard let target = context.target, let source = target.model else { return }
    let model = try run.network(of: target, source)
    try model.select(context.recorded ?? source.structure)
    try model.initialize(initialization, seed: seed ?? run.configuration.seed, pool: run.pool)
    var made = target
    if let name = context.stage.result {
      made = RunModel(name, target.configuration)
      run.models.append(made)
    }
    made.model = model
    // Nothing of what was learnt is left.
    made.history = ModelHistory()
    try run.place(made, on: target.hardware)
  }

  public func run(_ context: StageContext) throws {
    try restructure(context)
    guard
      let model = context.run.models.first(where: { $0.name == context.stage.result ?? context.target?.name })?.model
    else { return }
    context.result.metrics = [
      ("parameters", Double(model.parameterCount)), ("multiplyAccumulates", Double(model.multiplyAccumulates)),
    ]
  }
}

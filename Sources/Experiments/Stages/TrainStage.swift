import Configuration
import Datasets
import NeuralNetworks

/// Learns from a data set's training part.
public struct TrainStage: MeasuringStage, RestructuringStage {
  /// The part that is measured after every epoch.
  public enum Measured: String, CaseIterable, Sendable {
    /// The validation part if there is one, else the test part.
    case automatic = "auto"
    case validation, test, none
  }

  public var epochs = 10
  public var batchSize = 64
  public var optimizer = OptimizerConfiguration()
  public var schedule = ScheduleConfiguration()
  public var loss = LossConfiguration()
  public var shuffle = true
  public var measure = Measured.automatic
  public var checkpointEvery = 1
  public var prune: PruneConfiguration?

  public init() {}
  public static let documentation = "Learns from the training part, epoch by epoch."
  public static let fields: [Field<TrainStage>] = [
    Field("epochs", \.epochs, .integer(1...1_000_000), "Passes over the training part."),
    Field("batchSize", \.batchSize, .integer(1...65536, unit: "sample"), "Samples of one update."),
    Field("optimizer", \.optimizer, .object(shorthand: "kind"), "How gradients become changes of weights."),
    Field("schedule", \.schedule, .object(shorthand: "kind"), "The learning rate's course."),
    Field("loss", \.loss, .object(shorthand: "kind"), "What training lowers."),
    Field("shuffle", \.shuffle, .boolean, "A new random order for each epoch; false keeps the data's order."),
    Field(
      "measure", \.measure, .choice, "The part measured after each epoch; auto: validation if there is one, else test."),
    Field("checkpointEvery", \.checkpointEvery, .integer(1...1_000_000, unit: "epoch"), "Epochs between checkpoints."),
    Field("prune", \.prune, .optional(.object()), "Prunes channels while the network learns."),
  ]

  public var kind: String { "train" }
  var measured: (key: String, split: Split)? { measure == .validation ? ("measure", .validation) : nil }
  var valuesPerActivation: Double { 2 }

  public func check(
    _ models: [(name: String, model: ModelConfiguration)], in experiment: ExperimentConfiguration, at path: String,
    _ report: inout Report
  ) {
    prune?.check(epochs: epochs) {
      report.error($1, at: "\(path).prune.\($0)", hint: $2)
    } warn: {
      report.warning($1, at: "\(path).prune.\($0)", hint: $2)
    }
    // Hardware that differs from layer to layer is looked at when the network is known.
    for (name, model) in models where model.hardware.updatesInArray && model.hardware.layers.isEmpty {
      guard let stateful = optimizer.stateful else { continue }
      report.error(
        Self.sentence(stateful.what, model: name, layer: nil), at: "\(path).optimizer.\(stateful.key)",
        hint: Self.arrayHint)
    }
  }

  static func sentence(_ what: String, model: String, layer: String?) -> String {
    "\(what), but \(layer.map { "layer \($0) of " } ?? "")model \(model) learns by outer products in its array, which holds "
      + "no optimizer state"
  }
  static let arrayHint =
    "use plain sgd, or \"update\": \"programmed\" in the model's hardware; \"models\" can give each model its own stage"

  func restructure(_ context: StageContext) throws {
    if let structure = context.recorded { try context.target?.model?.select(structure) }
  }

  public func run(_ context: StageContext) throws {
    let run = context.run
    let model = try context.model()
    guard let target = context.target else { throw RunError("stage \(context.label): trains no model") }
    let set = try context.dataset()
    let data = try run.dataConfiguration(context.stage.dataset)
    let seed = run.configuration.seed
    let batchSize = min(self.batchSize, set.train.count)
    let learner = try Optimizer(
      optimizer.optimizerKind, weightDecay: optimizer.weightDecay, decaysVectors: optimizer.decaysVectors, model: model)
    func makeTrainer() -> Trainer {
      let workspace = Workspace(model, batch: batchSize, pool: run.pool, gradients: true)
      workspace.task = loss.task
      workspace.seed = seed
      return Trainer(workspace: workspace, optimizer: learner)
    }
    var trainer = makeTrainer()
    let source = try BatchSource(set.train, data, augments: true, batch: batchSize, seed: seed, pool: run.pool)
    func makeEvaluator() throws -> (name: String, evaluator: Evaluator)? {
      try measuredPart(set).map { name, images in
        (
          name,
          try Evaluator(
            [model], .meanOutput, images, data, batch: batchSize, seed: seed, pool: run.pool, task: loss.task)
        )
      }
    }
    var measured = try makeEvaluator()
    let pruner = try prune.map { try TrainingPruner($0, epochs: epochs, context, batch: batchSize, task: loss.task) }
    let firstEpoch = run.checkpoint.epochsDone
    if firstEpoch > 0 {
      try trainer.optimizer.restore(
        Dictionary(run.checkpoint.optimizer.map { ($0.name, $0.tensor) }, uniquingKeysWith: { a, _ in a }))
    }
    var meter = CostMeter(context.target?.parts ?? [])
    if firstEpoch > 0 { try meter.restore(run.checkpoint.spent) }
    let count = set.train.count
    let course = schedule.schedule(epochs: epochs)
    let title = context.target.map { "\(context.label) \($0.name)" } ?? context.label
    run.progress.begin(title, total: epochs * count, done: firstEpoch * count, unit: "samples")

    for epoch in firstEpoch..<max(firstEpoch, epochs) {
      let start = Progress.now()
      let order =
        shuffle
        ? RandomPurpose.dataOrder.stream(seed: seed, index: UInt64(epoch)).permutation(count) : Array(0..<count)
      let scores = ClassificationScores()
      var lossSum = 0.0
      var rate = 0.0
      let workspace = trainer.workspace
      meter.begin()
      for first in stride(from: 0, to: count, by: batchSize) {
        try InterruptionFlag.check()
        let indices = order[first..<min(count, first + batchSize)]
        source.fill(workspace.input, indices, globalSample: model.samplesLearnt)
        workspace.targets = Targets(labels: UnsafePointer(source.labels))
        rate = optimizer.learningRate * course.factor(epoch: epoch, fraction: Double(first) / Double(count))
        let loss = try trainer.step(samples: indices.count, rate: Float(rate))
        guard loss.isFinite else {
          throw divergence(context, trainer, epoch, workspace, indices.count)
        }
        try target.history.mask?.hold(model)
        scores.add(
          outputs: workspace.output, count: model.output.shape.count, samples: indices.count, targets: workspace.targets
        )
        lossSum += loss * Double(indices.count)
        run.progress.advance(
          by: indices.count, note: "epoch \(epoch + 1)/\(epochs), loss \((loss * 1000).rounded() / 1000)")
      }
      // What is measured after an epoch is no part of learning.
      meter.end()
      run.addTiming(.epochs, of: context, Progress.now() - start)
      if let bad = firstNonFinite(model) {
        throw Divergence(
          description: "training of \(context.target?.name ?? "the model") diverged at step \(model.updates - 1) "
            + "(epoch \(epoch + 1)): \(bad) is no longer a finite number; lower the learning rate")
      }
      // Forward, and backward to inputs and to weights.
      let multiplyAccumulates = 3 * Double(model.multiplyAccumulates) * Double(count)
      target.history.multiplyAccumulates += multiplyAccumulates
      pruner?.count(multiplyAccumulates)
      if try pruner?.prune(afterEpochs: epoch + 1, optimizer: learner, meter: &meter) == true {
        trainer = Trainer(workspace: Workspace(replacing: trainer.workspace), optimizer: learner)
        measured = try makeEvaluator()
        // Arrays that shrank have another circuit: their converters find their ranges on images that are learnt from, not
        // on those that are measured now.
        source.fill(trainer.workspace.input, order.prefix(batchSize), globalSample: model.samplesLearnt)
        trainer.workspace.targets = Targets(labels: UnsafePointer(source.labels))
        meter.begin()
        try trainer.settleArrays(samples: min(batchSize, count))
        meter.end()
      }
      context.result.append(rate, to: "learningRate")
      context.result.append(lossSum / Double(count), to: "trainLoss")
      context.result.append(Double(scores.correct) / Double(count), to: "trainAccuracy")
      if let measured {
        // Reads the arrays as they are: a refresh that is due, and the ranges calibrated after it, belong to training.
        let (loss, scores) = try measured.evaluator.run(step: nil)
        context.result.append(loss, to: "\(measured.name)Loss")
        for m in scores.metrics where m.name == "accuracy" {
          context.result.append(m.value, to: "\(measured.name)Accuracy")
        }
      }
      if (epoch + 1) % checkpointEvery == 0 && epoch + 1 < epochs {
        run.checkpoint.current = context.result
        run.checkpoint.epochsDone = epoch + 1
        run.checkpoint.optimizer = trainer.optimizer.state
        run.checkpoint.spent = meter.state
        try run.save()
      }
    }
    context.result.metrics = context.result.series.compactMap { s in s.values.last.map { (s.name, $0) } }
    try pruner?.report()
    try reportCost(samples: count, target, context)
    context.result.addCircuitAccuracy(of: model)
    if let unreached = model.unreachedWrites { context.result.metrics.append(("unreachedWrites", Double(unreached))) }
    if let costs = try meter.costs() { costs.report(samples: epochs * count, into: &context.result) }
  }

  /// What training took in multiply-accumulates: this stage's, beside as many epochs of the network as it was built, and
  /// all stages' that the weights have been through.
  ///
  /// - Parameter samples: of an epoch.
  private func reportCost(samples: Int, _ target: RunModel, _ context: StageContext) throws {
    guard let model = target.model else { return }
    let built = try context.run.network(of: target, model).multiplyAccumulates
    let passes = 3 * Double(epochs) * Double(samples)
    let byEpoch = context.result.series.first { $0.name == "epochMultiplyAccumulates" }?.values
    let spent = byEpoch?.reduce(0, +) ?? passes * Double(model.multiplyAccumulates)
    context.result.metrics.append(("trainingMultiplyAccumulates", spent))
    if prune != nil || !model.structure.isWhole {
      context.result.metrics.append(("trainingCost", built > 0 ? spent / (passes * Double(built)) : 1))
    }
    let total = target.history.multiplyAccumulates
    if total != spent { context.result.metrics.append(("totalTrainingMultiplyAccumulates", total)) }
  }

  private func measuredPart(_ set: ImageDataset) throws -> (String, LabelledImages)? {
    switch measure {
    case .automatic: return set.validation.map { ("validation", $0) } ?? ("test", set.test)
    case .validation: return ("validation", try set.part(.validation))
    case .test: return ("test", set.test)
    case .none: return nil
    }
  }

  /// Says where the first number that is not finite stands.
  private func divergence(
    _ context: StageContext, _ trainer: Trainer, _ epoch: Int, _ workspace: Workspace, _ samples: Int
  ) -> Divergence {
    let model = workspace.model
    var place = "the loss"
    if let bad = firstNonFinite(model) {
      place = bad
    } else {
      for node in model.nodes {
        guard let values = workspace.activation(node) else { continue }
        if (0..<(samples * node.shape.count)).contains(where: { !values[$0].isFinite }) {
          place = "the output of layer \(node.name)"
          break
        }
      }
    }
    return Divergence(
      description: "training of \(context.target?.name ?? "the model") diverged at step \(model.updates) "
        + "(epoch \(epoch + 1)): \(place) is not a finite number; lower the learning rate")
  }

  private func firstNonFinite(_ model: Model) -> String? {
    for node in model.nodes {
      for w in node.layer.weights {
        for a in w.arrays {
          let isBad: Bool
          if let p = a.plainWeights {
            isBad = (0..<(a.outputs * a.inputs)).contains { !p[$0].isFinite }
          } else {
            isBad = a.weights.values.contains { !$0.isFinite }
          }
          if isBad { return "a weight of layer \(node.name)" }
        }
      }
      for p in node.layer.parameters where (0..<p.count).contains(where: { !p.values[$0].isFinite }) {
        return "the \(p.name) of layer \(node.name)"
      }
      for b in node.layer.buffers where (0..<b.parameter.count).contains(where: { !b.parameter.values[$0].isFinite }) {
        return "the \(b.name) of layer \(node.name)"
      }
    }
    return nil
  }
}

import Compression
import Configuration
import Datasets
import LinearAlgebra
import NeuralNetworks

/// Part of a data set for a criterion: as it is, or so many samples drawn once.
final class ScoredSamples: SampleSource {
  private let source: BatchSource
  private let order: [Int]
  let classes: Int

  init(
    _ set: ImageDataset, _ data: DataConfiguration, _ keys: PruningChoice, batch: Int, seed: UInt64, pool: ThreadPool
  ) throws {
    let images = keys.split == .train ? set.train : try set.part(.validation)
    source = try BatchSource(images, data, augments: false, batch: batch, seed: seed, pool: pool)
    classes = set.classes
    order = Self.chosen(keys.samples, of: images.count, seed: seed)
  }

  /// Numbers of the samples that a criterion looks at.
  static func chosen(_ wanted: Int?, of count: Int, seed: UInt64) -> [Int] {
    guard let wanted, wanted < count else { return Array(0..<count) }
    // Files may be sorted by class.
    return Array(RandomPurpose.pruning.stream(seed: seed, owner: owner).permutation(count).prefix(wanted))
  }

  /// Keyed apart from layers, which are owners of random scores.
  private static let owner = 65_535

  var count: Int { order.count }

  func fill(_ input: UnsafeMutablePointer<Float>, _ samples: Range<Int>) -> UnsafePointer<Int32> {
    source.fill(input, order[samples], globalSample: 0)
    return UnsafePointer(source.labels)
  }
}

/// Prunes one model in a run, and tells what came of it.
final class PruningSession {
  let pruner: Pruner
  private let subject: RunModel
  private let keys: PruningChoice
  private let context: StageContext
  private let batch: Int
  private let samples: ScoredSamples?
  private let task: any ModelTask
  private let whole: (parameters: Int, multiplyAccumulates: Int)

  /// - Parameters:
  ///   - subject: the model that is pruned.
  ///   - batch: samples of one pass.
  init(_ subject: RunModel, _ keys: PruningChoice, _ context: StageContext, batch: Int, task: any ModelTask) throws {
    guard let model = subject.model else {
      throw RunError("stage \(context.label): prunes a model, not an ensemble")
    }
    self.subject = subject
    self.keys = keys
    self.context = context
    self.batch = batch
    self.task = task
    let run = context.run
    samples =
      keys.needsSamples
      ? try ScoredSamples(
        context.dataset(), run.dataConfiguration(context.stage.dataset), keys, batch: batch,
        seed: run.configuration.seed,
        pool: run.pool) : nil
    pruner = try keys.pruner(model, mask: subject.history.mask)
    let built = try run.network(of: subject, model)
    whole = (built.parameterCount, built.multiplyAccumulates)
  }

  /// Scores, chooses and lets go; the shapes change in here.
  ///
  /// - Parameters:
  ///   - event: its number, from 0.
  ///   - change: runs the removal itself, which it may time or watch.
  func prune(
    event: Int, _ amount: PruningSchedule.Amount, optimizer: Optimizer? = nil,
    change: (() throws -> ChannelMoves?) throws -> Void
  ) throws {
    let run = context.run
    let start = Progress.now()
    let scores = try pruner.scores(keys.criterion.criterion, scoringContext(event: event))
    let scored = Progress.now()
    run.addTiming(.scoring, of: context, scored - start)
    let before = pruner.groups.layers.map(\.name).enumerated().map { (name: $1, left: pruner.channels($0).left) }
    let plan = try pruner.plan(scores, amount, separately: keys.separately)
    try change { try pruner.apply(plan, optimizer: optimizer) }
    subject.history.mask = pruner.mask
    tellOfShortfall(event, amount, before: before)
    run.addTiming(.pruning, of: context, Progress.now() - scored)
    if keys.recalibrate > 0, let samples {
      try pruner.recalibrate(
        samples, batches: keys.recalibrate, batch: batch, pool: run.pool, proceed: InterruptionFlag.check)
    }
  }

  /// Says where fewer channels went than were asked for.
  private func tellOfShortfall(
    _ event: Int, _ amount: PruningSchedule.Amount, before: [(name: String, left: Int)]
  ) {
    let now = Dictionary(
      pruner.groups.layers.indices.map { (pruner.groups.layers[$0].name, pruner.channels($0).left) },
      uniquingKeysWith: { a, _ in a })
    let gone = before.map { (name: $0.name, count: $0.left - (now[$0.name] ?? $0.left)) }
    func tell(_ taken: Int, of wanted: Int, _ where: String) {
      guard taken < wanted else { return }
      context.run.progress.say(
        "warning: event \(event + 1) of stage \(context.label) took \(taken) of the \(wanted) channels asked for"
          + "\(`where`): every layer keeps one, and what is coupled goes together")
    }
    switch amount {
    case .share(_, .layer): return
    case .share(let share, .global):
      let wanted = before.reduce(0) { $0 + $1.left } - Pruner.left(of: pruner.channels.built, share: share)
      tell(gone.reduce(0) { $0 + $1.count }, of: wanted, "")
    case .count(let count):
      let alone = pruner.groups.coupled.map { $0.map { pruner.groups.layers[$0].name } }
        .filter { $0.contains { keys.separately[$0] != nil } }.flatMap { $0 }
      tell(gone.reduce(0) { $0 + (alone.contains($1.name) ? 0 : $1.count) }, of: count, "")
      for (name, own) in keys.separately.sorted(by: { $0.key < $1.key }) {
        tell(gone.first { $0.name == name }?.count ?? 0, of: own, " of layer \(name)")
      }
    }
  }

  // MARK: Reports

  /// A row of the table of events.
  func addEvent(_ event: Int, epochs: Int) {
    let left = pruner.channels
    let row: [JSON] = [
      .integer(event + 1), .integer(epochs), .integer(left.built - left.left), .integer(left.left),
      .integer(pruner.model.parameterCount), .integer(pruner.model.multiplyAccumulates),
    ]
    context.result.append(
      row, to: "events",
      columns: ["event", "epochs", "channels pruned", "channels left", "parameters", "multiply-accumulates"])
  }

  /// Metrics of the network as it is, and what each layer has left.
  func report() throws {
    let left = pruner.channels
    let model = pruner.model
    let bytes = try Safetensors.encode(WeightFile.arrays(of: model), metadata: WeightFile.metadata(of: model)).count
    // The last of a series under the same name.
    context.result.metrics.removeAll { $0.name == "channels" }
    context.result.metrics += [
      ("channels", Double(left.left)), ("pruned", Double(left.built - left.left) / Double(max(1, left.built))),
      ("parameters", Double(model.parameterCount)),
      ("parameterShare", Double(model.parameterCount) / Double(whole.parameters)),
      ("multiplyAccumulates", Double(model.multiplyAccumulates)),
      ("multiplyAccumulateShare", Double(model.multiplyAccumulates) / Double(whole.multiplyAccumulates)),
      ("bytes", Double(bytes)),
    ]
    context.result.tables.append(
      (
        "channels", ["layer", "built", "left"],
        pruner.groups.layers.indices.map { l in
          let (built, left) = pruner.channels(l)
          return [.string(pruner.groups.layers[l].name), .integer(built), .integer(left)]
        }
      ))
    if keys.form == .weightsOnly { try reportShift() }
  }

  /// What the shifts that a form leaves alive do: how many channels still have one, and how many samples of a batch are
  /// classified otherwise once these are silenced as well.
  private func reportShift() throws {
    let model = pruner.model
    let kept = Dictionary(pruner.structure.layers.map { ($0.name, $0.kept) }, uniquingKeysWith: { a, _ in a })
    var alive = 0
    for layer in pruner.groups.layers {
      let shifting = (layer.norm ?? layer.node).layer
      guard let shift = shifting.parameters.first(where: { $0.name == "bias" }), let kept = kept[layer.name]
      else {
        continue
      }
      alive += Set(0..<shift.count).subtracting(kept).count { shift.values[$0] != 0 }
    }
    let before = try outputs()
    let state = model.stateDictionary
    try model.silence(allBut: kept, .complete)
    let after = try outputs()
    try model.load(state, pool: context.run.pool)
    let classes = model.output.shape.count
    func answer(_ y: [Float], _ s: Int) -> Int? {
      y[s * classes..<(s + 1) * classes].enumerated().max { $0.element < $1.element }?.offset
    }
    let count = before.count / classes
    let changed = (0..<count).count { answer(before, $0) != answer(after, $0) }
    let largest = before.reduce(0) { max($0, abs($1)) }
    let difference = zip(before, after).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
    context.result.metrics += [
      ("shiftsLeft", Double(alive)), ("shiftEffect", largest > 0 ? Double(difference / largest) : 0),
      ("shiftChangedAnswers", Double(changed) / Double(max(1, count))),
    ]
  }

  /// Logits of the criterion's samples.
  private func outputs() throws -> [Float] {
    let scoring = scoringContext(event: 0)
    let workspace = scoring.workspace(gradients: false)
    var result: [Float] = []
    try scoring.forEachBatch(workspace) { samples, _ in
      result += UnsafeBufferPointer(
        start: workspace.output, count: samples.count * pruner.model.output.shape.count)
    }
    return result
  }

  private func scoringContext(event: Int) -> ScoringContext {
    ScoringContext(
      model: pruner.model, layers: pruner.groups.layers,
      isAlive: pruner.groups.layers.indices.map { pruner.isAlive($0) }, samples: samples, batch: batch, task: task,
      pool: context.run.pool, seed: context.run.configuration.seed, event: context.run.unitNumber << 20 | event,
      proceed: InterruptionFlag.check)
  }
}

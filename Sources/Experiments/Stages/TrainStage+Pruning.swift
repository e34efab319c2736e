import Compression
import Configuration
import NeuralNetworks

/// Pruning while training: events at the ends of epochs, masks held after each update, and what training cost.
final class TrainingPruner {
  private let session: PruningSession
  private let schedule: PruningSchedule
  private let target: RunModel
  private let context: StageContext
  /// The form needs silencing after each update.
  private let isMasked: Bool

  /// - Throws: as `PruningSession`; `ModelError` when checkpointed masks are another model's.
  init(_ keys: PruneConfiguration, epochs: Int, _ context: StageContext, batch: Int, task: any ModelTask) throws {
    guard let target = context.target, let model = target.model else {
      throw RunError("stage \(context.label): prunes a model, not an ensemble")
    }
    self.context = context
    self.target = target
    schedule = keys.schedule(epochs: epochs)
    session = try PruningSession(model, keys.choice, context, batch: batch, task: task)
    isMasked = keys.choice.form != .removed
    if isMasked { session.pruner.restore(masks: context.run.checkpoint.masks) }
  }

  /// After each update.
  @inline(__always) func hold() throws { if isMasked { try session.pruner.hold() } }

  /// Counts an epoch that was trained at the present shape.
  func count(samples: Int) {
    let model = session.pruner.model
    // Forward, and backward to inputs and to weights.
    context.result.append(3 * Double(model.multiplyAccumulates) * Double(samples), to: "epochMultiplyAccumulates")
  }

  /// The event after so many epochs, if there is one.
  /// - Returns: whether shapes changed, so that workspaces must be planned anew.
  func prune(afterEpochs epochs: Int, optimizer: Optimizer, meter: inout CostMeter) throws -> Bool {
    var hasChanged = false
    if let event = schedule.event(afterEpochs: epochs) {
      let version = session.pruner.model.version
      meter.begin()
      try session.prune(event: event, schedule.amount(atEvent: event), optimizer: optimizer) { remove in
        meter.end()
        try meter.across { try target.follow(remove()) }
        // Settling batch-norm reads the arrays that are left.
        meter.begin()
      }
      meter.end()
      session.addEvent(event, epochs: epochs)
      hasChanged = session.pruner.model.version != version
    }
    context.result.append(Double(session.pruner.channels.left), to: "channels")
    return hasChanged
  }

  /// Written with every checkpoint.
  var masks: ModelStructure { isMasked ? session.pruner.structure : ModelStructure() }

  /// - Parameter samples: that were learnt from in all.
  func report(samples: Int) throws {
    try session.report()
    let spent = context.result.series.first { $0.name == "epochMultiplyAccumulates" }?.values.reduce(0, +) ?? 0
    let whole = 3 * Double(session.wholeMultiplyAccumulates) * Double(samples)
    context.result.metrics += [("trainingMultiplyAccumulates", spent), ("trainingCost", whole > 0 ? spent / whole : 1)]
  }
}

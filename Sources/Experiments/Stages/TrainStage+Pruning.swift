import Compression
import Configuration
import NeuralNetworks

/// Pruning while training: events at the ends of epochs, and what training cost.
final class TrainingPruner {
  private let session: PruningSession
  private let schedule: PruningSchedule
  private let target: RunModel
  private let context: StageContext
  private let removesAtEnd: Bool

  /// - Throws: as `PruningSession`.
  init(_ keys: PruneConfiguration, epochs: Int, _ context: StageContext, batch: Int, task: any ModelTask) throws {
    guard let target = context.target else { throw RunError("stage \(context.label): prunes no model") }
    self.context = context
    self.target = target
    schedule = keys.schedule(epochs: epochs)
    session = try PruningSession(target, keys.choice, context, batch: batch, task: task)
    removesAtEnd = keys.removeAtEnd && keys.choice.form == .masked
  }

  /// Counts an epoch that was trained at the present shape.
  func count(_ multiplyAccumulates: Double) {
    context.result.append(multiplyAccumulates, to: "epochMultiplyAccumulates")
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

  func report() throws {
    if removesAtEnd {
      try session.pruner.removeSilenced()
      target.history.mask = nil
    }
    try session.report()
  }
}

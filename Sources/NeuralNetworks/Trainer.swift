import LinearAlgebra

/// One training step after another: prepare the arrays, forward, backward, update.
///
/// The caller fills `workspace.input` and sets `workspace.targets`, then calls `step`.
public final class Trainer {
  public let workspace: Workspace
  public let optimizer: Optimizer
  public init(workspace: Workspace, optimizer: Optimizer) {
    self.workspace = workspace
    self.optimizer = optimizer
  }

  /// Refreshes arrays that never were, and lets their converters find their ranges on the first `samples` inputs of the
  /// workspace.
  /// - Throws: what refreshing an array throws.
  public func settleArrays(samples: Int) throws {
    let model = workspace.model
    try workspace.prepareArrays(step: -1)
    guard workspace.needsCalibration(training: true) else { return }
    workspace.calibrate(samples: samples, backward: true, step: model.updates, globalSample: model.samplesLearnt)
  }

  /// One update from the first `samples` inputs of the workspace.
  ///
  /// - Returns: the mean loss before the update. When it is not finite nothing is updated.
  /// - Throws: what refreshing an array throws.
  public func step(samples: Int, rate: Float) throws -> Double {
    let model = workspace.model
    try workspace.prepareArrays(step: model.updates)
    if workspace.needsCalibration(training: true) {
      workspace.calibrate(samples: samples, backward: true, step: model.updates, globalSample: model.samplesLearnt)
    }
    let loss = workspace.forward(
      samples: samples, training: true, step: model.updates, globalSample: model.samplesLearnt, loss: true)
    guard loss.isFinite else { return loss }
    workspace.backward()
    workspace.updateArrays(rate: rate, step: model.updates)
    optimizer.step(gradient: workspace.gradient, rate: rate, pool: workspace.pool, step: model.updates)
    model.updates += 1
    model.samplesLearnt += UInt64(samples)
    return loss
  }
}

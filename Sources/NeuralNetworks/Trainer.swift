import LinearAlgebra

/// One training step after another: prepare the arrays, forward, backward, update.
///
/// The caller fills `workspace.input` and sets `workspace.targets`, then calls `step`.
public final class Trainer {
  public let workspace: Workspace
  public let optimizer: Optimizer
  /// Updates made and samples seen since the run began; key random numbers.
  public var stepNumber = 0
  public var sampleNumber: UInt64 = 0

  public init(workspace: Workspace, optimizer: Optimizer) {
    self.workspace = workspace
    self.optimizer = optimizer
  }

  /// One update from the first `samples` inputs of the workspace.
  ///
  /// - Returns: the mean loss before the update. When it is not finite nothing is updated.
  /// - Throws: what refreshing an array throws.
  public func step(samples: Int, rate: Float) throws -> Double {
    try workspace.prepareArrays(step: stepNumber)
    if workspace.needsCalibration(training: true) {
      workspace.calibrate(samples: samples, backward: true, step: stepNumber, globalSample: sampleNumber)
    }
    let loss = workspace.forward(
      samples: samples, training: true, step: stepNumber, globalSample: sampleNumber, loss: true)
    guard loss.isFinite else { return loss }
    workspace.backward()
    optimizer.step(gradient: workspace.gradient, rate: rate, pool: workspace.pool)
    stepNumber += 1
    sampleNumber += UInt64(samples)
    return loss
  }
}

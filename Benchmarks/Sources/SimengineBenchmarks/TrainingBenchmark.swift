import Glibc
import LinearAlgebra
import NeuralNetworks

func now() -> Double {
  var t = timespec()
  clock_gettime(CLOCK_MONOTONIC, &t)
  return Double(t.tv_sec) + Double(t.tv_nsec) * 1e-9
}

/// A training loop on random data whose steps can be timed.
final class TrainingBenchmark {
  let trainer: Trainer
  let batch: Int
  private var labels: [Int32]
  private let inputs: [[Float]]
  private var turn = 0

  init(_ model: Model, batch: Int, threads: Int, momentum: Float = 0.9, hardware: (any Hardware)? = nil) throws {
    let pool = ThreadPool(threads: threads)
    self.batch = batch
    try model.initialize(.kaimingUniform, seed: 1, pool: pool)
    if let hardware { try model.place(pool: pool) { _ in hardware } }
    let workspace = Workspace(model, batch: batch, pool: pool, gradients: true)
    workspace.task = ClassificationTask()
    trainer = Trainer(
      workspace: workspace, optimizer: try Optimizer(.sgd(momentum: momentum, nesterov: false), model: model))
    labels = (0..<batch).map { Int32($0 * 7 % 10) }
    inputs = (0..<16).map {
      RandomStream(seed: 2, purpose: 1, index: UInt64($0)).uniforms(batch * model.inputShape.count)
    }
  }

  func step() throws {
    inputs[turn % 16].withUnsafeBufferPointer {
      trainer.workspace.input.update(from: $0.baseAddress!, count: $0.count)
    }
    turn += 1
    try labels.withUnsafeBufferPointer {
      trainer.workspace.targets = Targets(labels: $0.baseAddress!)
      _ = try trainer.step(samples: batch, rate: 0.01)
    }
  }

  /// Samples per second, median and best over steps within the given time.
  func rate(seconds: Double) throws -> (median: Double, best: Double, steps: Int) {
    try step()
    var times: [Double] = []
    let start = now()
    while now() - start < seconds || times.count < 3 {
      let t = now()
      try step()
      times.append(now() - t)
    }
    times.sort()
    return (Double(batch) / times[times.count / 2], Double(batch) / times[0], times.count)
  }
}

import Glibc
import LinearAlgebra
import NeuralNetworks

/// A training loop on random data whose steps can be timed: forward, cross-entropy, backward, SGD; 16 batches in turn.
final class TrainingBenchmark {
  private(set) var trainer: Trainer
  let batch: Int
  private let labels: [[Int32]]
  private let inputs: [[Float]]
  private var turn = 0

  /// Samples per second by wall clock (median and best step) and by processor time of all threads (median).
  struct Rate {
    var median: Double
    var best: Double
    var processor: Double
    var steps: Int
  }

  init(
    _ architecture: String, options: ArchitectureOptions = ArchitectureOptions(), batch: Int = 64, threads: Int,
    momentum: Float = 0.9, hardware: (any Hardware)? = nil
  ) throws {
    let a = Architecture.named(architecture)!
    let model = try a.make(a.usualInput, 10, options)
    let pool = ThreadPool(threads: threads)
    self.batch = batch
    try model.initialize(.kaimingUniform, seed: 1, pool: pool)
    if let hardware { try model.place(pool: pool) { _ in hardware } }
    let workspace = Workspace(model, batch: batch, pool: pool, gradients: true)
    workspace.task = ClassificationTask()
    trainer = Trainer(
      workspace: workspace, optimizer: try Optimizer(.sgd(momentum: momentum, nesterov: false), model: model))
    // Drawn anew for every batch: a pattern that repeats would soon be learnt, and crossbars write less then.
    labels = (0..<16).map { (n: Int) -> [Int32] in
      RandomStream(seed: 2, purpose: 2, index: UInt64(n)).uniforms(batch).map { Int32($0 * 10) % 10 }
    }
    inputs = (0..<16).map {
      RandomStream(seed: 2, purpose: 1, index: UInt64($0)).uniforms(batch * model.inputShape.count)
    }
  }

  func step() throws {
    inputs[turn % 16].withUnsafeBufferPointer {
      trainer.workspace.input.update(from: $0.baseAddress!, count: $0.count)
    }
    let labels = labels[turn % 16]
    turn += 1
    try labels.withUnsafeBufferPointer {
      trainer.workspace.targets = Targets(labels: $0.baseAddress!)
      _ = try trainer.step(samples: batch, rate: 0.01)
    }
  }

  /// Changes the model between two steps; the workspace is planned anew.
  func change(_ body: (Model, Optimizer) throws -> Void) rethrows {
    let old = trainer.workspace
    try body(old.model, trainer.optimizer)
    trainer = Trainer(workspace: Workspace(replacing: old), optimizer: trainer.optimizer)
  }

  /// So many steps, one after another.
  func steps(_ count: Int) throws { for _ in 0..<count { try step() } }

  /// Pulses that the model's devices have had, and how many weights they hold.
  var pulses: UInt64 { arrays.reduce(0) { $0 + $1.activity.pulses } }
  var weights: Int { arrays.reduce(0) { $0 + $1.outputs * $1.inputs } }
  private var arrays: [any WeightArray] {
    trainer.workspace.model.nodes.flatMap { $0.layer.weights.flatMap(\.arrays) }
  }

  /// Steps for the given time, after three that warm up.
  func rate(seconds time: Double) throws -> Rate {
    if turn == 0 { for _ in 0..<3 { try step() } }
    var wall: [Double] = []
    var processor: [Double] = []
    let start = seconds()
    while wall.count < 3 || seconds() - start < time {
      let t = seconds()
      let p = seconds(CLOCK_PROCESS_CPUTIME_ID)
      try step()
      processor.append(seconds(CLOCK_PROCESS_CPUTIME_ID) - p)
      wall.append(seconds() - t)
    }
    let n = Double(batch)
    return Rate(
      median: n / median(wall), best: n / wall.min()!, processor: n / median(processor), steps: wall.count)
  }
}

/// Floating-point operations per second of a large product, the machine's limit for a training step.
struct ProductLimit {
  private let n = 1024
  private let a: Storage
  private let b: Storage
  private let c: Storage

  init() {
    BLAS.useOneThread()
    (a, b, c) = (Storage(count: n * n), Storage(count: n * n), Storage(count: n * n))
    for i in 0..<n * n {
      a.base[i] = Float(i % 17) * 0.1
      b.base[i] = Float(i % 13) * 0.1
    }
  }

  /// One thread's rate in 1024³ by the fastest of a few products.
  func measure() -> Double {
    var best = Double.infinity
    for _ in 0..<5 {
      let t = seconds()
      BLAS.gemm(false, false, m: n, n: n, k: n, a.base, n, b.base, n, c.base, n)
      best = min(best, seconds() - t)
    }
    return 2 * Double(n * n * n) / best
  }
}

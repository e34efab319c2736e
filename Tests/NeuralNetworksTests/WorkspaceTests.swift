import CAllocationCounter
import Glibc
import LinearAlgebra
import Testing

@testable import NeuralNetworks

/// A network in training on random data.
private struct Training {
  let trainer: Trainer
  private let inputs: [Float]
  private let labels: [Int32]
  private let samples: Int

  init(
    _ architecture: String, samples: Int, threads: Int, options: ArchitectureOptions = ArchitectureOptions(),
    optimizer: OptimizerKind = .sgd(momentum: 0.9, nesterov: false)
  ) throws {
    let a = Architecture.named(architecture)!
    let pool = ThreadPool(threads: threads)
    let model = try a.make(a.usualInput, 10, options)
    try model.initialize(.kaimingUniform, seed: 1, pool: pool)
    let workspace = Workspace(model, batch: samples, pool: pool, gradients: true)
    workspace.task = ClassificationTask()
    trainer = Trainer(workspace: workspace, optimizer: try Optimizer(optimizer, weightDecay: 1e-4, model: model))
    inputs = uniform(samples * model.inputShape.count, 9)
    labels = (0..<samples).map { Int32($0 * 7 % 10) }
    self.samples = samples
  }

  @discardableResult
  func step() throws -> Double {
    inputs.withUnsafeBufferPointer { trainer.workspace.input.update(from: $0.baseAddress!, count: $0.count) }
    return try labels.withUnsafeBufferPointer {
      trainer.workspace.targets = Targets(labels: $0.baseAddress!)
      return try trainer.step(samples: samples, rate: 0.02)
    }
  }

  /// Bits of all weights and vectors.
  var bits: [UInt32] {
    var values: [Float] = []
    for node in trainer.workspace.model.nodes {
      for w in node.layer.weights { values += w.matrix.values }
      for p in node.layer.parameters { values += p.tensor.values }
      for b in node.layer.buffers { values += b.parameter.tensor.values }
    }
    return values.map(\.bitPattern)
  }
}

@Suite("Workspace") struct WorkspaceTests {
  @Test(
    "the bits of a training run do not depend on the number of threads",
    arguments: [("lenet5", 75, false), ("lenet5", 150, false), ("vgg8", 40, true), ("resnet20", 33, true)])
  func threadsDoNotMatter(architecture: String, samples: Int, batchNorm: Bool) throws {
    let steps = architecture == "lenet5" ? 5 : 2
    var options = ArchitectureOptions(batchNorm: batchNorm, dropout: architecture == "lenet5" ? 0.2 : 0)
    if architecture == "vgg8" { options.width = 0.5 }
    let runs = try [1, 2, 3].map { threads in
      let t = try Training(architecture, samples: samples, threads: threads, options: options)
      var losses: [UInt64] = []
      for _ in 0..<steps { losses.append(try t.step().bitPattern) }
      return (losses, t.bits)
    }
    #expect(runs[1] == runs[0])
    #expect(runs[2] == runs[0])
    #expect(Double(bitPattern: runs[0].0[0]).isFinite)
  }

  @Test("training lowers the loss of one batch")
  func learns() throws {
    let t = try Training("lenet5", samples: 32, threads: 2)
    let first = try t.step()
    var last = first
    for _ in 0..<60 { last = try t.step() }
    #expect(last < 0.5 * first)
  }

  // In a process of its own, where no other test allocates.
  @Test("ten training steps after the first allocate nothing")
  func allocatesNothing() async {
    let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
      var found: [(String, Int)] = []
      for (name, samples, batchNorm) in [
        ("lenet5", 64, false), ("vgg8", 20, true), ("vgg8", 64, false), ("resnet20", 18, true),
      ] {
        for optimizer in [
          OptimizerKind.sgd(momentum: 0.9, nesterov: false),
          .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled: true),
        ] {
          var options = ArchitectureOptions(batchNorm: batchNorm, dropout: 0.1)
          if name == "vgg8" { options.width = 0.25 }
          let t = try Training(name, samples: samples, threads: 2, options: options, optimizer: optimizer)
          try t.step()
          let before = allocationCount()
          for _ in 0..<10 { try t.step() }
          found.append((name, allocationCount() - before))
        }
      }
      let before = allocationCount()
      withExtendedLifetime([UInt8](repeating: 1, count: found.count + 1000)) {}
      if allocationCount() == before { fail("malloc is not interposed") }
      if !found.allSatisfy({ $0.1 == 0 }) { fail("allocations in ten steps: \(found)") }
    }
    if let message = result?.standardErrorContent, !message.isEmpty {
      Issue.record("\(String(decoding: message, as: UTF8.self))")
    }
  }
}

private func fail(_ message: String) -> Never {
  let line = message + "\n"
  write(2, line, line.utf8.count)
  exit(1)
}

import Foundation
import LinearAlgebra
import Testing

@testable import NeuralNetworks

/// Training under noise on the weights.
@Suite("Noisy digital arrays")
struct NoisyDigitalArrayTests {
  private static func weights(_ outputs: Int = 40, _ inputs: Int = 500, seed: UInt64 = 3) -> Tensor {
    Tensor(
      shape: [outputs, inputs],
      values: RandomStream(seed: seed, purpose: 0x7F00_0000).gaussians(outputs * inputs).map { 0.1 * $0 })
  }

  private static func array(noise: Float = 0.1, clip: Float? = nil, owner: Int = 2, seed: UInt64 = 5)
    -> NoisyDigitalArray
  {
    NoisyDigitalArray(weights(), noise: noise, clip: clip, owner: owner, seed: seed)
  }

  /// The weights that a read sees: one-hot vectors through it.
  private func seen(_ array: NoisyDigitalArray, training: Bool, backward: Bool = false) -> [Float] {
    let (from, to) = backward ? (array.outputs, array.inputs) : (array.inputs, array.outputs)
    let x = Storage(count: from * from)
    for i in 0..<from { x.base[i * from + i] = 1 }
    let y = Storage(count: from * to)
    let scratch = Storage(count: 1)
    let context = ReadContext(worker: 0, sample: 0, scratch: scratch.base, training: training)
    if backward {
      array.backward(x.base, from, rows: from, y.base, to, context)
    } else {
      array.forward(x.base, from, rows: from, y.base, to, context)
    }
    // As [outputs, inputs].
    return (0..<array.outputs * array.inputs).map { e in
      backward ? y.base[e] : y.base[e % array.inputs * to + e / array.inputs]
    }
  }

  private func noise(_ array: NoisyDigitalArray, step: Int, threads: Int = 1) throws -> [Float] {
    try array.prepare(step: step, workers: 1, pool: ThreadPool(threads: threads))
    return zip(seen(array, training: true), array.weights.values).map { $0 - $1 }
  }

  @Test("the noise is normal with σ = weightNoise · max|W| (Kolmogorov–Smirnov, 20,000 weights)")
  func distribution() throws {
    let array = Self.array(noise: 0.1)
    let sigma = 0.1 * Double(array.weights.values.map(abs).max() ?? 0)
    let sorted = try noise(array, step: 0).map { Double($0) / sigma }.sorted()
    let n = Double(sorted.count)
    let largest = sorted.enumerated().reduce(0.0) { worst, item in
      let normal = 0.5 * erfc(-item.element / 2.0.squareRoot())
      return max(worst, abs(normal - Double(item.offset) / n), abs(normal - Double(item.offset + 1) / n))
    }
    // 1.95/√n is passed by a normal sample in 999 of 1000.
    #expect(largest < 1.95 / n.squareRoot())
  }

  @Test("every step draws anew, the two directions of a step see the same, and evaluation sees none")
  func steps() throws {
    let array = Self.array()
    let first = try noise(array, step: 0)
    #expect(zip(seen(array, training: true), seen(array, training: true, backward: true)).allSatisfy { $0 == $1 })
    #expect(seen(array, training: false) == array.weights.values)
    #expect(seen(array, training: false, backward: true) == array.weights.values)
    let second = try noise(array, step: 1)
    #expect(first != second)
    let correlation = zip(first, second).reduce(0) { $0 + $1.0 * $1.1 } / first.reduce(0) { $0 + $1 * $1 }
    #expect(abs(correlation) < 0.05)
    #expect(try noise(Self.array(owner: 3), step: 0) != first && noise(Self.array(seed: 6), step: 0) != first)
    // Step −1 reads the array as it is.
    #expect(try noise(array, step: -1) == second)
  }

  @Test("the noise does not depend on threads, nor on what was drawn before", arguments: [1, 2, 3])
  func threads(count: Int) throws {
    let reference = try noise(Self.array(), step: 9)
    let array = Self.array()
    _ = try noise(array, step: 4, threads: count)
    #expect(try noise(array, step: 9, threads: count) == reference)
  }

  @Test("updates change the clean weights, which alone are stored, and noise follows them")
  func updates() throws {
    let array = Self.array()
    let before = array.weights.values
    _ = try noise(array, step: 0)
    let delta = before.map { _ in Float(0.25) }
    array.apply(delta: delta, step: 0, pool: ThreadPool(threads: 1))
    #expect(zip(array.weights.values, before).allSatisfy { $0 == $1 + 0.25 })
    #expect(array.state.map(\.name) == ["weights"] && array.state[0].tensor == array.weights)
    // The same step asked for again must not show the weights from before.
    let after = try noise(array, step: 0)
    // 6σ of σ = 0.1 · max|W|.
    let bound = 0.6 * (array.weights.values.map(abs).max() ?? 0)
    #expect(after.allSatisfy { abs($0) < bound })
    let other = Self.array()
    try other.restore(["weights": array.weights])
    #expect(try noise(other, step: 0) == after)
  }

  @Test("clipping cuts updated weights at so many standard deviations")
  func clipping() throws {
    let array = Self.array(noise: 0, clip: 1.5)
    let before = array.weights.values.map(Double.init)
    let zeros = before.map { _ in Float(0) }
    array.apply(delta: zeros, step: 0, pool: ThreadPool(threads: 1))
    let mean = before.reduce(0, +) / Double(before.count)
    let deviation = (before.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(before.count)).squareRoot()
    let bound = Float(1.5 * deviation)
    for (after, value) in zip(array.weights.values, before) {
      #expect(abs(after - min(bound, max(-bound, Float(value)))) < 1e-6)
    }
  }

  @Test("a selection keeps the weights, and the array reads on")
  func selection() throws {
    let array = Self.array()
    _ = try noise(array, step: 0)
    try array.select(outputs: [3, 1], inputs: [7, 2, 9])
    #expect(array.weights.values == [3, 1].flatMap { o in [7, 2, 9].map { Self.weights().values[o * 500 + $0] } })
    #expect(try noise(array, step: 0).allSatisfy { $0 != 0 })
    array.activity = Activity()
    _ = seen(array, training: true)
    _ = seen(array, training: false)
    #expect(array.activity.forwardReads == 6 && array.activity.multiplyAccumulates == 36)
  }

  // MARK: Models

  /// Steps of LeNet-5 from fixed weights on a batch of noise.
  private func trained(noise: Float?, threads: Int, steps: Int = 4) throws -> [NamedTensor] {
    let pool = ThreadPool(threads: threads)
    let model = try Architecture.named("lenet5")!.make(
      Shape(height: 28, width: 28, channels: 1), 10, ArchitectureOptions())
    try model.initialize(.kaimingUniform, seed: 1, pool: pool)
    try model.place(pool: pool) { _ -> any Hardware in
      guard let noise else { return DigitalHardware() }
      return NoisyDigitalHardware(noise: noise, clip: nil, seed: 4)
    }
    let workspace = Workspace(model, batch: 40, pool: pool, gradients: true)
    workspace.task = ClassificationTask()
    let images = RandomStream(seed: 8, purpose: 0x7F00_0000).uniforms(40 * 784)
    workspace.input.update(from: images, count: images.count)
    let labels = (0..<40).map { Int32($0 % 10) }
    let trainer = Trainer(
      workspace: workspace,
      optimizer: try Optimizer(.sgd(momentum: 0.9, nesterov: false), weightDecay: 1e-4, model: model))
    try labels.withUnsafeBufferPointer {
      workspace.targets = Targets(labels: $0.baseAddress!)
      for _ in 0..<steps { _ = try trainer.step(samples: 40, rate: 0.05) }
    }
    return model.stateDictionary
  }

  @Test("training under noise gives the same bits on 1, 2 and 3 threads")
  func trainingBits() throws {
    let reference = try trained(noise: 0.05, threads: 1)
    for threads in [2, 3] {
      let other = try trained(noise: 0.05, threads: threads)
      #expect(zip(reference, other).allSatisfy { $0.tensor == $1.tensor })
    }
  }

  @Test("without noise it is digital training, to float rounding; with noise it is another")
  func noNoise() throws {
    let digital = try trained(noise: nil, threads: 1)
    func largest(_ other: [NamedTensor]) -> Float {
      zip(digital, other).flatMap { zip($0.tensor.values, $1.tensor.values).map { abs($0 - $1) } }.max() ?? .infinity
    }
    #expect(try largest(trained(noise: 0, threads: 1)) < 1e-5)
    #expect(try largest(trained(noise: 0.05, threads: 1)) > 1e-4)
  }

  @Test("other arrays stand in for a model's own as long as asked, and leave no trace")
  func otherArrays() throws {
    let pool = ThreadPool(threads: 1)
    let model = try Architecture.named("lenet5")!.make(
      Shape(height: 28, width: 28, channels: 1), 10, ArchitectureOptions())
    try model.initialize(.kaimingUniform, seed: 1, pool: pool)
    func output() -> [Float] {
      let workspace = Workspace(model, batch: 1, pool: pool, gradients: false)
      for i in 0..<784 { workspace.input[i] = Float(i % 7) / 7 }
      workspace.forward(samples: 1, training: false)
      return Array(UnsafeBufferPointer(start: workspace.output, count: 10))
    }
    let own = model.weights.flatMap(\.weights.arrays)
    let before = output()
    var owners: [Int] = []
    func doubled(_ node: Node, _ weights: Weights, _ group: Int, _ owner: Int) -> any WeightArray {
      owners.append(owner)
      let w = weights.arrays[group].weights
      return DigitalArray(Tensor(shape: w.shape, values: w.values.map { 2 * $0 }))
    }
    let inside = try model.withArrays(doubled) { output() }
    #expect(owners == [0, 1, 2, 3, 4])
    #expect(inside != before && output() == before)
    #expect(throws: ModelError.self) { try model.withArrays(doubled) { throw ModelError("inside") } }
    #expect(throws: ModelError.self) {
      try model.withArrays({ _, _, _, _ in throw ModelError("while they are made") }) { output() }
    }
    #expect(output() == before)
    #expect(zip(own, model.weights.flatMap(\.weights.arrays)).allSatisfy { $0 === $1 })
  }
}

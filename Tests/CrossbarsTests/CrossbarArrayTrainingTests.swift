import LinearAlgebra
import NeuralNetworks
import Testing

@testable import Crossbars

/// Whole networks on crossbars: the digital limit, resumption, threads, calibration.
struct CrossbarArrayTrainingTests {
  /// A network in training on random images with random labels.
  final class Training {
    let model: Model
    let workspace: Workspace
    let trainer: Trainer
    let labels: UnsafeMutablePointer<Int32>
    let batch: Int
    let seed: UInt64
    var losses: [Double] = []

    init(
      _ architecture: String, _ hardware: (any Hardware)?, batch: Int = 33, seed: UInt64 = 1, threads: Int = 1,
      optimizer: OptimizerKind = .sgd(momentum: 0, nesterov: false)
    ) throws {
      let pool = ThreadPool(threads: threads)
      let input = architecture == "mlp" ? Shape(features: 20) : Shape(height: 28, width: 28, channels: 1)
      model = try Architecture.named(architecture)!.make(input, 10, ArchitectureOptions(hidden: [70, 30]))
      try model.initialize(.kaimingUniform, seed: seed, pool: pool)
      if let hardware { try model.place(pool: pool) { _ in hardware } }
      workspace = Workspace(model, batch: batch, pool: pool, gradients: true)
      workspace.task = ClassificationTask()
      workspace.seed = seed
      trainer = Trainer(workspace: workspace, optimizer: try Optimizer(optimizer, model: model))
      labels = .allocate(capacity: batch)
      self.batch = batch
      self.seed = seed
    }

    deinit { labels.deallocate() }

    func steps(_ range: Range<Int>, rate: Float = 0.05) throws {
      let n = model.inputShape.count
      for step in range {
        let x = Crossbar.gaussians(batch * n, seed: 1000 + UInt64(step % 3) + 10 * seed)
        for i in 0..<(batch * n) { workspace.input[i] = x[i] }
        for s in 0..<batch { labels[s] = Int32((s * 7 + step % 3) % 10) }
        workspace.targets = Targets(labels: UnsafePointer(labels))
        losses.append(try trainer.step(samples: batch, rate: rate))
      }
    }

    var weights: [Float] { model.stateDictionary.flatMap { $0.tensor.values } }
    var arrays: [CrossbarArray] { model.weights.flatMap { $0.weights.arrays }.compactMap { $0 as? CrossbarArray } }
    var checkpoint: [String: Tensor] {
      Dictionary(uniqueKeysWithValues: model.checkpoint.map { ($0.name, $0.tensor) })
    }
  }

  static let everything = CrossbarParameters(
    rows: 64, columns: 64,
    device: Device(pulseStep: 1e-3, updateNonlinearity: 1, updateNoise: 0.3, programmingNoise: 0.01, variation: 0.05),
    refreshInterval: 3, circuit: Crossbar.unevenWires, converters: Converters())

  @Test(
    "with every non-ideality off and programmed updates, training is digital training to rounding",
    arguments: [
      OptimizerKind.sgd(momentum: 0, nesterov: false), .sgd(momentum: 0.9, nesterov: true),
      .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled: false),
    ])
  func programmedIsDigital(optimizer: OptimizerKind) throws {
    let parameters = Crossbar.parameters(update: .programmed)
    let digital = try Training("mlp", nil, optimizer: optimizer)
    let crossbar = try Training("mlp", CrossbarHardware(parameters, seed: 1), optimizer: optimizer)
    let start = digital.weights
    let rate: Float = if case .adam = optimizer { 1e-3 } else { 0.05 }
    for training in [digital, crossbar] { try training.steps(0..<20, rate: rate) }
    #expect(difference(digital.losses, crossbar.losses) < 1e-4)
    let moved = difference(start, digital.weights)
    #expect(moved > 0.01)
    #expect(difference(crossbar.weights, digital.weights) < 1e-3 * moved)
  }

  @Test("in-array updates of ever smaller pulses approach digital training")
  func pulsesApproachDigital() throws {
    func distance(pulseStep: Double) throws -> Double {
      var total = 0.0
      for seed in 1...3 as ClosedRange<UInt64> {
        let parameters = Crossbar.parameters(device: Device(pulseStep: pulseStep))
        let digital = try Training("mlp", nil, seed: seed)
        let crossbar = try Training("mlp", CrossbarHardware(parameters, seed: seed), seed: seed)
        for training in [digital, crossbar] { try training.steps(0..<10) }
        let squares = zip(digital.weights, crossbar.weights).map { Double($0 - $1) * Double($0 - $1) }
        total += mean(squares).squareRoot()
      }
      return total / 3
    }
    let distances = try [1e-2, 1e-3, 1e-4, 1e-5].map { try distance(pulseStep: $0) }
    for (coarse, fine) in zip(distances, distances.dropFirst()) { #expect(fine < 0.6 * coarse, "\(distances)") }
    #expect(distances.last! < 1e-4)
  }

  @Test("as wires, converters and levels become ideal, training approaches digital training step by step")
  func approachesDigital() throws {
    let digital = try Training("mlp", nil)
    try digital.steps(0..<8)
    func distance(_ change: (inout CrossbarParameters) -> Void) throws -> Double {
      var parameters = Crossbar.parameters(circuit: CircuitParameters(wireResistance: 0), update: .programmed)
      change(&parameters)
      let crossbar = try Training("mlp", CrossbarHardware(parameters, seed: 1))
      try crossbar.steps(0..<8)
      let squares = zip(digital.weights, crossbar.weights).map { Double($0 - $1) * Double($0 - $1) }
      return mean(squares).squareRoot()
    }
    for method in [CircuitMethod.exact, .corrected, .closedForm] {
      let wires = try [30, 3, 0.3, 0.03].map { wire in
        try distance {
          $0.circuit = CircuitParameters(wireResistance: wire)
          ($0.method, $0.refreshInterval) = (method, 1)
        }
      }
      for (worse, better) in zip(wires, wires.dropFirst()) { #expect(better < 0.5 * worse, "\(method) \(wires)") }
    }
    // A range that nothing leaves, so that only the steps matter.
    let bits = try [8, 10, 12, 14, 16].map { bits in
      try distance { $0.converters = Converters(dacBits: bits, adcBits: bits, adcRange: .fixed(5e-5)) }
    }
    for (worse, better) in zip(bits, bits.dropFirst()) { #expect(better < 0.7 * worse, "\(bits)") }
    let levels = try [1 << 6, 1 << 9, 1 << 12, 1 << 15].map { levels in try distance { $0.device.levels = levels } }
    for (worse, better) in zip(levels, levels.dropFirst()) { #expect(better < 0.7 * worse, "\(levels)") }
    let slices = try [4, 6, 8].map { count in
      try distance {
        $0.slicing = WeightSlicing(bits: 2, count: count)
        $0.update.mode = .mixedPrecision
      }
    }
    for (worse, better) in zip(slices, slices.dropFirst()) { #expect(better < 0.7 * worse, "\(slices)") }
  }

  @Test("the same bits with 1, 2 and 3 threads: LeNet-5 with wires, noise, spread and converters")
  func threads() throws {
    let hardware = CrossbarHardware(Self.everything, seed: 5)
    let expected = try Training("lenet5", hardware)
    try expected.steps(0..<5)
    #expect(expected.losses.allSatisfy { $0.isFinite })
    for count in [2, 3] {
      let training = try Training("lenet5", hardware, threads: count)
      try training.steps(0..<5)
      #expect(training.losses == expected.losses)
      #expect(training.checkpoint == expected.checkpoint)
      for (a, b) in zip(training.arrays, expected.arrays) { #expect(a.activity == b.activity) }
    }
  }

  @Test(
    "a restored run goes on with the same bits",
    arguments: [Crossbar.wires, Crossbar.unevenWires, CircuitParameters(wireResistance: 0)],
    UpdateMode.allCases)
  func resumes(wires: CircuitParameters, update: UpdateMode) throws {
    var parameters = Self.everything
    parameters.circuit = wires
    parameters.update.mode = update
    let hardware = CrossbarHardware(parameters, seed: 5)
    let whole = try Training("mlp", hardware)
    // Between two refreshes, at a refresh, and before the first.
    for cut in [5, 3, 0] {
      let first = try Training("mlp", hardware)
      try first.steps(0..<cut)
      let (checkpoint, optimizer) = (first.checkpoint, first.trainer.optimizer.state)
      // A chip of the same kind, other weights, already used: nothing of that may be left.
      let second = try Training("mlp", hardware)
      try second.steps(0..<1)
      try second.model.restore(checkpoint)
      try second.trainer.optimizer.restore(Dictionary(uniqueKeysWithValues: optimizer.map { ($0.name, $0.tensor) }))
      second.trainer.workspace.model.updates = first.trainer.workspace.model.updates
      second.trainer.workspace.model.samplesLearnt = first.trainer.workspace.model.samplesLearnt
      second.losses = first.losses
      try second.steps(cut..<8)
      if whole.losses.isEmpty { try whole.steps(0..<8) }
      #expect(second.losses == whole.losses, "\(cut)")
      #expect(second.checkpoint == whole.checkpoint, "\(cut)")
    }
  }

  @Test("a checkpoint of a selected array holds its devices' own spread")
  func restoresSelection() throws {
    let parameters = Crossbar.parameters(device: Device(variation: 0.2), circuit: Crossbar.wires, weightRange: 1)
    let pool = ThreadPool(threads: 1)
    let array = try Crossbar.array(parameters)
    try array.select(outputs: [30, 2, 9], inputs: Array(40..<90))
    let smaller = try CrossbarArray(
      weights: Tensor(shape: [3, 50]), parameters: parameters, owner: 3, seed: 7, pool: pool)
    try smaller.restore(Dictionary(uniqueKeysWithValues: array.state.map { ($0.name, $0.tensor) }))
    for a in [array, smaller] { try a.prepare(step: 0, workers: 1, pool: pool) }
    #expect(smaller.effectiveWeights == array.effectiveWeights)
  }

  @Test("converters calibrate once after a refresh, the first layer's too")
  func calibratesOnce() throws {
    var parameters = Crossbar.parameters(converters: Converters())
    parameters.refreshInterval = 4
    let training = try Training("mlp", CrossbarHardware(parameters, seed: 1), batch: 40)
    try training.steps(0..<1)
    for array in training.arrays { #expect(!array.needsCalibration(training: true)) }
    let ranges = training.arrays.map { [$0.forwardRange, $0.backwardRange] }
    try training.steps(1..<4)
    #expect(training.arrays.map { [$0.forwardRange, $0.backwardRange] } == ranges)
    try training.steps(4..<5)
    #expect(training.arrays.map { [$0.forwardRange, $0.backwardRange] } != ranges)
    // Five batches of 40 and two calibrating pieces of 16; the first layer's gradient goes nowhere but to calibrate.
    for (i, array) in training.arrays.enumerated() {
      #expect(array.activity.forwardReads == 5 * 40 + 2 * 16)
      #expect(array.activity.backwardReads == (i == 0 ? 0 : 5 * 40) + 2 * 16)
    }
  }

  @Test("a second training on the same array, which counts its steps from 0 again, is refreshed")
  func secondTraining() throws {
    let pool = ThreadPool(threads: 1)
    let array = try Crossbar.array(Crossbar.parameters(circuit: Crossbar.wires, refreshInterval: 10))
    for step in [10, 20, 30] { try array.prepare(step: step, workers: 1, pool: pool) }
    array.update(Crossbar.gaussians(array.xPlus.count, seed: 3), rate: 0.05)
    let stale = array.effectiveWeights
    try array.prepare(step: 0, workers: 1, pool: pool)
    #expect(array.effectiveWeights != stale)
    #expect(try difference(array.effective.values, CrossbarArrayCircuitTests.effectiveWeights(array)) < 1e-6)
    #expect(array.refreshedAt == 0)
  }

  @Test("interval 0 refreshes only after the weights are programmed as a whole")
  func noInterval() throws {
    let pool = ThreadPool(threads: 1)
    let array = try Crossbar.array(Crossbar.parameters(circuit: Crossbar.wires, refreshInterval: 0))
    array.update(Crossbar.gaussians(array.xPlus.count, seed: 3), rate: 0.05)
    let stale = array.effectiveWeights
    try array.prepare(step: 1_000_000, workers: 1, pool: pool)
    #expect(array.effectiveWeights == stale)
    try array.program(array.weights, pool: pool)
    try array.prepare(step: -1, workers: 1, pool: pool)
    #expect(try difference(array.effective.values, CrossbarArrayCircuitTests.effectiveWeights(array)) < 1e-6)
  }

  @Test("the array gives an update's pulses: Δw/(2·S·p), both devices counted", arguments: [1, 3])
  func pulseConvention(threads: Int) throws {
    let pool = ThreadPool(threads: threads)
    // More than one block of an update.
    let weights = Crossbar.weights(100, 100)
    let array = try Crossbar.array(
      Crossbar.parameters(device: Device(pulseStep: 1e-4), weightRange: 2), weights: weights)
    let g = Crossbar.gaussians(10_000, seed: 4)
    let before = array.weights.values
    array.update(g, rate: 0.1, pool: pool)
    var pulses = 0.0
    for (e, w) in array.weights.values.enumerated() {
      let n = Double(w - before[e]) / (2 * 2 * 1e-4)
      // A whole number of pulses, one of the two next to the wanted one.
      #expect(abs(n - n.rounded()) < 0.01)
      #expect(abs(n + 0.1 * Double(g[e]) / (2 * 2 * 1e-4)) < 1.01)
      pulses += abs(n.rounded())
    }
    #expect(array.activity.pulses == UInt64(2 * pulses))
    #expect(array.effectiveWeights == array.weights)
  }
}

import LinearAlgebra
import NeuralNetworks
import Testing

@testable import Crossbars

/// Layers whose arrays are not one plain matrix.
struct CrossbarNetworkTests {
  static let pool = ThreadPool(threads: 1)

  static func outputs(_ model: Model, samples: Int) throws -> [Float] {
    let workspace = Workspace(model, batch: samples, pool: pool, gradients: false)
    let x = Crossbar.gaussians(samples * model.inputShape.count, seed: 5)
    for i in x.indices { workspace.input[i] = x[i] }
    try workspace.prepareArrays(step: -1)
    if workspace.needsCalibration(training: false) { workspace.calibrate(samples: samples, backward: false) }
    workspace.forward(samples: samples, training: false)
    return Array(UnsafeBufferPointer(start: workspace.output, count: samples * model.output.shape.count))
  }

  static func model(groups: Int, norm: Bool = false, bias: Bool = true) throws -> Model {
    var builder = ModelBuilder(inputShape: Shape(height: 7, width: 6, channels: 6))
    try builder.add(
      "conv", Conv2D(channels: 6, outputs: 12, kernel: (3, 3), padding: 1, groups: groups, bias: bias))
    if norm { try builder.add("bn", BatchNorm(channels: 12)) }
    let model = try builder.model()
    try model.initialize(.pytorch, seed: 3, pool: pool)
    return model
  }

  @Test(
    "grouped and depthwise convolutions have an array for each group, whose circuits are their own", arguments: [2, 6])
  func groups(groups: Int) throws {
    let digital = try Self.model(groups: groups)
    let expected = try Self.outputs(digital, samples: 3)
    for (parameters, bound) in [
      (Crossbar.parameters(), 1e-5), (Crossbar.parameters(circuit: CircuitParameters(wireResistance: 1e-3)), 1e-3),
      (CrossbarArrayTrainingTests.everything, 0.2),
    ] {
      let model = try Self.model(groups: groups)
      try model.place(pool: Self.pool) { _ in CrossbarHardware(parameters, seed: 1) }
      let arrays = model.weights[0].weights.arrays
      #expect(arrays.count == groups && arrays[0].inputs == 9 * 6 / groups && arrays[0].outputs == 12 / groups)
      let found = try Self.outputs(model, samples: 3)
      #expect(difference(found, expected) < bound)
      #expect(difference(found, expected) > 0)
      let spreads = arrays.compactMap { ($0 as? CrossbarArray)?.slices[0].planes[0].spread?.values }
      if let first = spreads.first { #expect(spreads.dropFirst().allSatisfy { $0 != first }, "devices of their own") }
    }
  }

  @Test(
    "a folded batch-norm gives the same outputs, digital or on crossbars, its shift in the bias",
    arguments: [true, false])
  func folding(bias: Bool) throws {
    func make() throws -> Model {
      let model = try Self.model(groups: 1, norm: true, bias: bias)
      let norm = try #require(model.node("bn")?.layer)
      for (k, p) in (norm.parameters + norm.buffers.map(\.parameter)).enumerated() {
        for c in 0..<p.count { p.values[c] = 0.5 + 0.1 * Float((c * 7 + k * 3) % 11) }
      }
      return model
    }
    let expected = try Self.outputs(try make(), samples: 3)
    let folded = try make()
    try folded.foldBatchNorm(pool: Self.pool)
    let foldedOutputs = try Self.outputs(folded, samples: 3)
    #expect(difference(foldedOutputs, expected) < 1e-5)
    for lines in [0, 1] {
      var p = Crossbar.parameters()
      p.biasLines = lines
      let before = try make()
      try before.foldBatchNorm(pool: Self.pool)
      try before.place(pool: Self.pool) { _ in CrossbarHardware(p, seed: 1) }
      let beforeOutputs = try Self.outputs(before, samples: 3)
      #expect(difference(beforeOutputs, expected) < 1e-4)
      // And on the array, whose range then holds what the norm makes of the weights.
      p.weightRange = 20
      let after = try make()
      try after.place(pool: Self.pool) { _ in CrossbarHardware(p, seed: 1) }
      try after.foldBatchNorm(pool: Self.pool)
      let afterOutputs = try Self.outputs(after, samples: 3)
      #expect(difference(afterOutputs, expected) < 1e-4)
    }
  }

  @Test("writes that a write–verify loop gives up are counted")
  func unreached() throws {
    var device = Device(programmingNoise: 0.05)
    #expect(try Crossbar.array(Crossbar.parameters(device: device)).unreachedWrites == nil)
    device.writeVerify = .init(tolerance: 0.01, maxIterations: 3)
    let array = try Crossbar.array(Crossbar.parameters(device: device))
    // A write ends within a fifth of σ with probability 0.1585; three fail with 0.596.
    let n = 2.0 * Double(Crossbar.outputs * Crossbar.inputs)
    let share = Double(try #require(array.unreachedWrites)) / n
    #expect(abs(share - 0.596) < 4 * (0.596 * 0.404 / n).squareRoot(), "\(share)")
    let state = Dictionary(uniqueKeysWithValues: array.state.map { ($0.name, $0.tensor) })
    let other = try Crossbar.array(Crossbar.parameters(device: device), seed: 99)
    #expect(other.unreachedWrites != array.unreachedWrites)
    try other.restore(state)
    #expect(other.unreachedWrites == array.unreachedWrites)
  }
}

import LinearAlgebra
import NeuralNetworks
import Testing

@testable import Crossbars

/// Biases on word lines of the arrays.
struct BiasLineTests {
  typealias Training = CrossbarArrayTrainingTests.Training
  static let pool = ThreadPool(threads: 1)
  static let bias = Tensor(
    shape: [Crossbar.outputs], values: Crossbar.gaussians(Crossbar.outputs, seed: 9).map { 0.1 * $0 })

  static func parameters(
    _ lines: Int, level: Double = 1, update: UpdateMode = .outerProduct, device: Device = Device(pulseStep: 1e-6)
  ) -> CrossbarParameters {
    var p = Crossbar.parameters(device: device, update: update, weightRange: 1)
    (p.biasLines, p.biasLevel) = (lines, level)
    return p
  }

  static func array(_ p: CrossbarParameters) throws -> BiasLineArray {
    let made = try CrossbarHardware(p, seed: 7).makeArray(
      weights: Crossbar.weights(), bias: bias, name: "a", owner: 3, pool: pool)
    try made.prepare(step: 0, workers: 1, pool: pool)
    return try #require(made as? BiasLineArray)
  }

  static func held(_ array: BiasLineArray) -> [Float] {
    var b = [Float](repeating: 0, count: array.outputs)
    array.readBias(into: &b)
    return b
  }

  @Test(
    "a read is W·x + b; what is sensed of a backward read is dy·W", arguments: [(1, 1.0), (3, 1), (1, 0.5), (2, 4)])
  func reads(lines: Int, level: Double) throws {
    let array = try Self.array(Self.parameters(lines, level: level))
    #expect(array.inputs == Crossbar.inputs && array.crossbar.inputs == Crossbar.inputs + lines)
    #expect(difference(Self.held(array), Self.bias.values) < 1e-5)
    #expect(difference(array.weights.values, Crossbar.weights().values) < 1e-6)
    let w = array.weights.values.map { Double($0) }
    let x = Crossbar.gaussians(9 * Crossbar.inputs, seed: 2)
    var expected = product(x, w, Crossbar.outputs, Crossbar.inputs, .forward)
    for r in 0..<9 {
      for o in 0..<Crossbar.outputs { expected[r * Crossbar.outputs + o] += Double(Self.bias.values[o]) }
    }
    #expect(difference(array.read(x), expected) < 1e-5)
    let dy = Crossbar.gaussians(9 * Crossbar.outputs, seed: 3)
    #expect(
      difference(array.read(dy, .backward), product(dy, w, Crossbar.outputs, Crossbar.inputs, .backward)) < 1e-5)
  }

  @Test("an update moves the bias by −rate·Σdy·level² a line; a digital change is shared among the lines")
  func updates() throws {
    let g = Crossbar.gaussians(Crossbar.outputs * Crossbar.inputs, seed: 4)
    let gb = Crossbar.gaussians(Crossbar.outputs, seed: 5)
    for (lines, level) in [(1, Float(1)), (3, 0.5)] {
      let inArray = try Self.array(Self.parameters(lines, level: Double(level)))
      inArray.setBias(change: gb)
      inArray.outerProduct(g, rate: 1e-3, step: 0, pool: Self.pool)
      let programmed = try Self.array(Self.parameters(lines, level: Double(level), update: .programmed))
      programmed.setBias(change: gb)
      programmed.apply(delta: g.map { 1e-3 * $0 }, step: 0, pool: Self.pool)
      for o in 0..<Crossbar.outputs {
        let before = Self.bias.values[o]
        #expect(abs(Self.held(inArray)[o] - (before - 1e-3 * gb[o] * level * level * Float(lines))) < 1e-5)
        #expect(
          abs(Self.held(programmed)[o] - min(level * Float(lines), max(-level * Float(lines), before + gb[o]))) < 1e-5)
      }
    }
  }

  @Test("vector by vector the lines learn with every vector's gradient")
  func perSample() throws {
    let array = try Self.array(Self.parameters(1, update: .perSample))
    let x = Crossbar.gaussians(5 * Crossbar.inputs, seed: 2)
    let dy = Crossbar.gaussians(5 * Crossbar.outputs, seed: 3)
    array.outerProducts(
      x, Crossbar.inputs, dy, Crossbar.outputs, rows: 5, first: 0, rate: 1e-3, step: 0, pool: Self.pool)
    array.finishOuterProducts(pool: Self.pool)
    for o in 0..<Crossbar.outputs {
      let sum = (0..<5).reduce(Float(0)) { $0 + dy[$1 * Crossbar.outputs + o] }
      #expect(abs(Self.held(array)[o] - (Self.bias.values[o] - 1e-3 * sum)) < 2e-5)
    }
  }

  @Test("selection, programming and checkpoints keep the lines")
  func state() throws {
    let array = try Self.array(Self.parameters(2))
    try array.select(outputs: [4, 1], inputs: [9, 0, 50])
    #expect(array.inputs == 3 && array.crossbar.inputs == 5)
    let expected = [4, 1].map { Self.bias.values[$0] }
    #expect(difference(Self.held(array), expected) < 1e-5)
    try array.program(Tensor(shape: [2, 3], values: [1, 2, 3, 4, 5, 6].map { 0.1 * $0 }), pool: Self.pool)
    #expect(difference(Self.held(array), expected) < 1e-5, "programming weights leaves the bias")
    let other = try Self.array(Self.parameters(2))
    try other.select(outputs: [4, 1], inputs: [9, 0, 50])
    try other.restore(Dictionary(uniqueKeysWithValues: array.state.map { ($0.name, $0.tensor) }))
    #expect(other.weights == array.weights && Self.held(other) == Self.held(array))
  }

  @Test(
    "without non-idealities a network with its biases in the arrays learns as with digital ones",
    arguments: ["mlp", "lenet5"], [UpdateMode.programmed, .outerProduct])
  func networks(name: String, mode: UpdateMode) throws {
    let p = Crossbar.parameters(device: Device(pulseStep: 1e-6), update: mode, weightRange: 2)
    var inArray = p
    inArray.biasLines = 1
    let digital = try Training(name, CrossbarHardware(p, seed: 1))
    let analog = try Training(name, CrossbarHardware(inArray, seed: 1))
    let start = digital.weights
    #expect(analog.model.weights.allSatisfy { $0.weights.holdsBias })
    for t in [digital, analog] { try t.steps(0..<6) }
    let moved = difference(start, digital.weights)
    #expect(moved > 0.01)
    // Biases are part of both state dictionaries.
    #expect(difference(analog.weights, digital.weights) < 0.02 * moved)
    #expect(difference(analog.losses, digital.losses) < 1e-3)
    // Through safetensors and back onto a model whose biases are digital again.
    let dictionary = analog.model.stateDictionary
    try digital.model.load(dictionary, pool: Self.pool)
    #expect(difference(digital.weights, analog.weights) < 1e-4)
    // And a checkpoint holds the lines' devices.
    let again = try Training(name, CrossbarHardware(inArray, seed: 1))
    try again.model.restore(analog.checkpoint)
    #expect(again.checkpoint == analog.checkpoint)
  }
}

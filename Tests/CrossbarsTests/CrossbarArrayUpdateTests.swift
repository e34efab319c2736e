import Glibc
import LinearAlgebra
import NeuralNetworks
import Testing

@testable import Crossbars

/// The ways to learn.
struct CrossbarArrayUpdateTests {
  typealias Training = CrossbarArrayTrainingTests.Training

  static func parameters(
    _ mode: UpdateMode, device: Device = Device(pulseStep: 1e-5), mapping: Mapping = .differential,
    weightRange: Double? = 1
  ) -> CrossbarParameters {
    var p = Crossbar.parameters(device: device, update: mode, weightRange: weightRange)
    p.mapping = mapping
    return p
  }

  @Test("vector by vector, a linear device without noise sums the outer products", arguments: Mapping.allCases)
  func perSample(mapping: Mapping) throws {
    let array = try Crossbar.array(Self.parameters(.perSample, mapping: mapping))
    let rows = 40
    let x = Crossbar.gaussians(rows * Crossbar.inputs, seed: 3)
    let dy = Crossbar.gaussians(rows * Crossbar.outputs, seed: 4)
    let before = array.weights.values
    // In two parts, on two threads.
    let pool = ThreadPool(threads: 2)
    for first in [0, 25] {
      let count = first == 0 ? 25 : 15
      x.withUnsafeBufferPointer { x in
        dy.withUnsafeBufferPointer { dy in
          array.outerProducts(
            x.baseAddress! + first * Crossbar.inputs, Crossbar.inputs, dy.baseAddress! + first * Crossbar.outputs,
            Crossbar.outputs, rows: count, first: first, rate: 1e-3, step: 4, pool: pool)
        }
      }
    }
    array.finishOuterProducts(pool: pool)
    var expected = before.map { Double($0) }
    for r in 0..<rows {
      for o in 0..<Crossbar.outputs {
        for i in 0..<Crossbar.inputs {
          expected[o * Crossbar.inputs + i] -=
            1e-3 * Double(dy[r * Crossbar.outputs + o]) * Double(x[r * Crossbar.inputs + i])
        }
      }
    }
    let gaps = zip(array.weights.values, expected).map { abs(Double($0) - $1) }
    // Forty stochastic roundings of at most a pulse of 2·S·p.
    #expect(gaps.max()! < 5 * 2e-5 * (40 * 0.25).squareRoot(), "\(gaps.max()!)")
    #expect(zip(before, expected).contains { abs(Double($0) - $1) > 0.01 })
    #expect(difference(array.effectiveWeights.values, array.weights.values) < 1e-5)
  }

  @Test("vector by vector, whole networks learn as by batch where devices are linear", arguments: ["mlp", "lenet5"])
  func perSampleNetworks(name: String) throws {
    let batch = try Training(name, CrossbarHardware(Self.parameters(.outerProduct, weightRange: nil), seed: 1))
    let sample = try Training(name, CrossbarHardware(Self.parameters(.perSample, weightRange: nil), seed: 1))
    let start = batch.weights
    for t in [batch, sample] { try t.steps(0..<3) }
    #expect(difference(sample.weights, batch.weights) < 0.05 * difference(start, batch.weights))
    let pulses = zip(sample.arrays, batch.arrays).map { ($0.activity.pulses, $1.activity.pulses) }
    #expect(pulses.allSatisfy { $0.0 > $0.1 }, "single vectors do not cancel: \(pulses)")
  }

  @Test(
    "mixed precision loses nothing: what is not written is still pending",
    arguments: [nil, WeightSlicing(bits: 2, count: 6)])
  func mixedPrecision(slicing: WeightSlicing?) throws {
    var p = Self.parameters(.mixedPrecision, device: Device(pulseStep: 0.01))
    p.slicing = slicing
    let array = try Crossbar.array(p)
    let pool = ThreadPool(threads: 1)
    let n = Crossbar.outputs * Crossbar.inputs
    var expected = array.weights.values.map { Double($0) }
    let step = slicing.map { 2 / $0.largest } ?? 0.02
    for t in 0..<10 {
      let delta = Crossbar.gaussians(n, seed: UInt64(t)).map { $0 * Float(step) * 0.4 }
      for e in 0..<n { expected[e] += Double(delta[e]) }
      array.apply(delta: delta, step: t, pool: pool)
    }
    let pending = array.pending!.values
    #expect(pending.allSatisfy { abs(Double($0)) < 1.001 * step })
    for (e, w) in array.weights.values.enumerated() {
      #expect(abs(Double(w) + Double(pending[e]) - expected[e]) < 2e-5, "\(e)")
    }
    // Fewer devices are written than changes were asked for.
    let written = array.activity.pulses + array.activity.programmedDevices
    #expect(written > 0 && written < UInt64(10 * 2 * n))
  }

  @Test(
    "Tiki-Taka moves what is read of the fast array into the slow one, a column at a time",
    arguments: [
      UpdateMode.tikiTaka, .tikiTaka2,
    ])
  func tikiTaka(mode: UpdateMode) throws {
    var p = Self.parameters(mode, device: Device(pulseStep: 1e-4))
    p.update.transferInterval = 2
    p.update.transferRate = 3
    let pool = ThreadPool(threads: 1)
    let array = try TikiTakaArray(weights: Crossbar.weights(), parameters: p, owner: 3, seed: 7, pool: pool)
    try array.prepare(step: 0, workers: 1, pool: pool)
    let start = array.slow.weights.values
    #expect(array.fast.weights.values.allSatisfy { $0 == 0 } && array.weights.values == start)
    let n = Crossbar.outputs * Crossbar.inputs
    let g = Crossbar.gaussians(n, seed: 3)
    array.outerProduct(g, rate: 0.01, step: 0, pool: pool)
    let fast = array.fast.weights.values
    for e in 0..<n { #expect(abs(Double(fast[e]) + 0.01 * Double(g[e])) < 2.1e-4) }
    #expect(array.slow.weights.values == start, "no transfer in the first step of two")
    array.outerProduct(g, rate: 0.01, step: 1, pool: pool)
    let slow = array.slow.weights.values
    let after = array.fast.weights.values
    for o in 0..<Crossbar.outputs {
      for i in 0..<Crossbar.inputs {
        let e = o * Crossbar.inputs + i
        // C[:, 1] += transferRate · rate · A[:, 1], to a pulse.
        let wanted = i == 1 ? 3 * 0.01 * Double(after[e]) : 0
        #expect(abs(Double(slow[e] - start[e]) - wanted) < (i == 1 ? 2.1e-4 : 1e-9), "\(i)")
      }
    }
  }

  @Test("Tiki-Taka learns with a device that is too asymmetric for plain updates, at a rate of one")
  func tikiTakaLearns() throws {
    // Step down three times the step up: plain updates drift.
    func loss(_ mode: UpdateMode) throws -> Double {
      var device = Device(pulseStep: 2e-3)
      device.law = .softBounds()
      var p = Self.parameters(mode, device: device, mapping: .dummy, weightRange: 1)
      p.update.transferRate = 20
      let t = try Training("mlp", CrossbarHardware(p, seed: 1))
      try t.steps(0..<300, rate: 0.05)
      return mean(Array(t.losses.suffix(20)))
    }
    let first = try Training("mlp", nil)
    try first.steps(0..<1)
    #expect(try loss(.tikiTaka2) < 0.8 * first.losses[0])
  }

  // MARK: Read noise

  static let noisy: [(name: String, noise: ReadNoise)] = {
    var thermal = ReadNoise()
    thermal.bandwidth = 1e9
    var flicker = ReadNoise()
    flicker.flicker = 1e-4
    var hooge = flicker
    hooge.flickerExponent = 0.5
    return [("thermal", thermal), ("flicker", flicker), ("flicker of few carriers", hooge)]
  }()

  @Test("read noise has the variance of its physics, and is Gaussian", arguments: [0, 1, 2])
  func readNoise(item: Int) throws {
    let (name, noise) = Self.noisy[item]
    var device = Device()
    device.readNoise = noise
    let p = Crossbar.parameters(device: device, weightRange: 0.5)
    let array = try Crossbar.array(p)
    let rows = 4000
    let one = Crossbar.gaussians(Crossbar.inputs, seed: 3)
    let y = array.read([Float](repeating: 0, count: rows * Crossbar.inputs).indices.map { one[$0 % Crossbar.inputs] })
    let clean = product(one, array.weights.values.map { Double($0) }, Crossbar.outputs, Crossbar.inputs, .forward)
    let range = device.conductanceRange
    let full = Double(one.map { abs($0) }.max()!)
    let toWeights = array.weightRange
    for o in stride(from: 0, to: Crossbar.outputs, by: 9) {
      var variance = 0.0
      for i in 0..<Crossbar.inputs {
        for x in [array.xPlus, array.xMinus] {
          let g = 1 / device.offResistance + Double(x.base[o * Crossbar.inputs + i]) * range
          let current =
            item == 0
            ? 4 * 1.380649e-23 * 300 * noise.bandwidth * g
            : noise.flicker * Elementary.log(1e6) * g * g * Double(one[i] * one[i]) / (full * full) * 0.25 * 0.25
              * (item == 2 ? 1 / (g * device.onResistance) : 1)
          variance += current
        }
      }
      let sigma = variance.squareRoot() * Double(toWeights) / (0.25 * range) * full
      let noise = (0..<rows).map { (Double(y[$0 * Crossbar.outputs + o]) - clean[o]) / sigma }
      #expect(abs(mean(noise)) < 4 / Double(rows).squareRoot(), "\(name)")
      #expect(abs(CrossbarsTests.variance(noise) - 1) < 6 * (2 / Double(rows)).squareRoot(), "\(name) \(o)")
      #expect(kolmogorovSmirnov(noise) < 1.95 / Double(rows).squareRoot(), "\(name)")
    }
  }

  @Test("a row's noise belongs to its sample and place, not to the block it is read in")
  func noiseIsKeyed() throws {
    var device = Device()
    device.readNoise = Self.noisy[1].noise
    let array = try Crossbar.array(
      Crossbar.parameters(device: device, converters: Converters(adcRange: .fixed(1e-5), adcNoise: 0.5)))
    let x = Crossbar.gaussians(12 * Crossbar.inputs, seed: 3)
    func read(_ rows: Range<Int>) -> [Float] {
      let scratch = Storage(count: array.scratchFloats(rows: 12))
      let y = Storage(count: rows.count * array.outputs)
      // Three samples of four rows.
      let context = ReadContext(
        worker: 0, sample: 100 + UInt64(rows.lowerBound / 4), row: rows.lowerBound % 4, rowsPerSample: 4,
        scratch: scratch.base)
      x.withUnsafeBufferPointer {
        array.forward(
          $0.baseAddress! + rows.lowerBound * array.inputs, array.inputs, rows: rows.count, y.base, array.outputs,
          context)
      }
      return y.values
    }
    #expect(read(0..<12) == read(0..<3) + read(3..<6) + read(6..<12))
    #expect(read(0..<4) != read(4..<8))
  }

  // MARK: Ageing

  @Test(
    "drift takes conductances down by its power law; going back brings the very same array",
    arguments: [
      CircuitMethod.ideal, .exact, .corrected, .profile, .closedForm,
    ])
  func ageing(method: CircuitMethod) throws {
    var device = Device(pulseStep: 1e-4)
    device.drift = .init(exponent: .init(0.05), variation: .init(0.01), referenceTime: 20)
    let array = try Crossbar.array(
      Crossbar.parameters(
        device: device, circuit: method == .ideal ? nil : Crossbar.wires, converters: Converters(), method: method))
    let pool = ThreadPool(threads: 1)
    let x = Crossbar.gaussians(20 * Crossbar.inputs, seed: 3)
    _ = array.read(x, calibrating: true)
    CrossbarArrayMethodTests.move(array, share: 0.01)
    let before = array.state.map(\.tensor)
    let y = array.read(x)
    try array.age(seconds: 1e6, pool: pool)
    let aged = array.read(x)
    // Regression of the aged on the fresh.
    let ratio = mean(zip(aged, y).map { Double($0) * Double($1) }) / mean(y.map { Double($0) * Double($0) })
    let expected = Elementary.pow((1e6 + 20) / 20, -0.05)
    // Wires take less from smaller conductances.
    #expect(abs(ratio / expected - 1) < (method == .ideal ? 0.03 : 0.1), "\(ratio) \(expected)")
    try array.age(seconds: 0, pool: pool)
    #expect(array.read(x) == y)
    #expect(array.state.map(\.tensor) == before)
  }

  @Test("devices that leak lose their state with every step of training, and only then")
  func leaks() throws {
    var device = Device()
    device.retention = .init(timeConstant: 10, restingState: 0.5)
    var p = Crossbar.parameters(device: device)
    p.stepDuration = 1
    let array = try Crossbar.array(p)
    let pool = ThreadPool(threads: 1)
    let start = array.weights.values
    for step in 1...5 { try array.prepare(step: step, workers: 1, pool: pool) }
    try array.prepare(step: -1, workers: 1, pool: pool)
    // Step 0 passed when the array was made.
    for (a, b) in zip(array.weights.values, start) { #expect(abs(a - b * Float(exp(-0.5))) < 1e-6) }
    #expect(difference(array.effectiveWeights.values, array.weights.values) < 1e-5)
  }

  @Test("telegraph noise moves reads from step to step, and only while its traps are there")
  func telegraph() throws {
    var device = Device()
    device.readNoise.telegraph = .init(fraction: 0.5, amplitude: 0.2, occupancy: 0.5)
    let array = try Crossbar.array(Crossbar.parameters(device: device, circuit: Crossbar.wires))
    let pool = ThreadPool(threads: 1)
    let x = Crossbar.gaussians(5 * Crossbar.inputs, seed: 3)
    let first = array.read(x)
    try array.prepare(step: 1, workers: 1, pool: pool)
    let second = array.read(x)
    #expect(difference(second, first) > 0.02)
    try array.prepare(step: 0, workers: 1, pool: pool)
    #expect(difference(array.read(x), first) < 0.01, "the epoch decides")
  }
}

/// Largest distance between the distribution of `x` and the standard normal's.
func kolmogorovSmirnov(_ x: [Double]) -> Double {
  let sorted = x.sorted()
  var worst = 0.0
  for (i, v) in sorted.enumerated() {
    let p = 0.5 * erfc(-v / 2.0.squareRoot())
    worst = max(worst, abs(p - Double(i) / Double(x.count)), abs(p - Double(i + 1) / Double(x.count)))
  }
  return worst
}

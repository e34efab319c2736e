import LinearAlgebra
import NeuralNetworks
import Testing

@testable import Crossbars

/// Programming, the chip's spread, selection and what is refused.
struct CrossbarArrayDeviceTests {
  static let big = Crossbar.weights(100, 100, seed: 11)

  // MARK: Programming

  @Test("a pair is centred: x⁺ + x⁻ = 1, x⁺ − x⁻ = w/S, S = 2.5·max|w₀|")
  func mapping() throws {
    let weights = Crossbar.weights()
    let array = try Crossbar.array(Crossbar.parameters())
    let largest = weights.values.map { abs($0) }.max()!
    #expect(array.weightRange == 2.5 * largest)
    for (e, w) in weights.values.enumerated() {
      let (plus, minus) = (array.xPlus.base[e], array.xMinus.base[e])
      #expect(abs(plus + minus - 1) < 1e-6)
      #expect(abs(plus - minus - w / array.weightRange) < 1e-6)
    }
    #expect(difference(array.weights.values, weights.values) < 1e-6)
  }

  @Test("weights beyond the range are held at its ends, on devices at G_min and G_max")
  func clipping() throws {
    let array = try Crossbar.array(
      Crossbar.parameters(weightRange: 0.5), weights: Tensor(shape: [1, 4], values: [0.75, -2, 0.5, 0.25]))
    #expect(array.weights.values == [0.5, -0.5, 0.5, 0.25])
    #expect(array.xPlus.values == [1, 0, 1, 0.75] && array.xMinus.values == [0, 1, 0, 0.25])
    // Such devices are ordinary resistors in the wires too.
    let wired = try Crossbar.array(
      Crossbar.parameters(circuit: Crossbar.wires, weightRange: 0.05), weights: Crossbar.weights())
    #expect(wired.xPlus.values.contains(1) && wired.xPlus.values.contains(0))
    #expect(try difference(wired.effectiveWeights.values, CrossbarArrayCircuitTests.effectiveWeights(wired)) < 1e-6)
  }

  @Test("programming reaches the nearest of the device's levels", arguments: [2, 5, 64])
  func levels(count: Int) throws {
    let array = try Crossbar.array(Crossbar.parameters(device: Device(levels: count), weightRange: 0.3))
    let steps = Double(count - 1)
    var seen = Set<Int>()
    for (e, w) in Crossbar.weights().values.enumerated() {
      let wanted = min(1, max(0, 0.5 + Double(w) / 0.6))
      let x = Double(array.xPlus.base[e])
      #expect(abs(x * steps - (x * steps).rounded()) < 1e-4)
      #expect(abs(x - wanted) * steps <= 0.5 + 1e-4)
      seen.insert(Int((x * steps).rounded()))
    }
    #expect(seen == Set(0..<count))
  }

  @Test("programming noise has its σ on every device, independent in a pair, keyed by the run's seed")
  func programmingNoise() throws {
    let sigma = 0.02
    let parameters = Crossbar.parameters(device: Device(programmingNoise: sigma))
    let quiet = try Crossbar.array(Crossbar.parameters(), weights: Self.big)
    let noisy = try Crossbar.array(parameters, weights: Self.big)
    let plus = zip(noisy.xPlus.values, quiet.xPlus.values).map { Double($0 - $1) }
    let minus = zip(noisy.xMinus.values, quiet.xMinus.values).map { Double($0 - $1) }
    for noise in [plus, minus] {
      #expect(abs(mean(noise)) < 4 * sigma / 100)
      #expect(abs(variance(noise).squareRoot() / sigma - 1) < 0.03)
    }
    #expect(abs(mean(zip(plus, minus).map { $0 * $1 })) < 4 * sigma * sigma / 100)
    let again = try Crossbar.array(parameters, weights: Self.big)
    #expect(again.xPlus.values == noisy.xPlus.values)
    for (owner, seed) in [(4, UInt64(7)), (3, 8)] {
      let other = try Crossbar.array(parameters, weights: Self.big, owner: owner, seed: seed)
      #expect(other.xPlus.values != noisy.xPlus.values)
    }
  }

  @Test("apply writes only where the change is not zero, each step with noise of its own")
  func apply() throws {
    let pool = ThreadPool(threads: 1)
    let device = Device(programmingNoise: 0.01)
    let array = try Crossbar.array(Crossbar.parameters(device: device, update: .programmed))
    let twin = try Crossbar.array(Crossbar.parameters(device: device, update: .programmed))
    let before = array.xPlus.values
    var delta = [Float](repeating: 0, count: before.count)
    for e in stride(from: 0, to: delta.count, by: 3) { delta[e] = 0.01 }
    array.activity = Activity()
    array.apply(delta: delta, step: 0, pool: pool)
    twin.apply(delta: delta, step: 1, pool: pool)
    let after = array.xPlus.values
    for e in 0..<delta.count { #expect((after[e] == before[e]) == (delta[e] == 0)) }
    #expect(array.activity.programmedDevices == UInt64(2 * delta.filter { $0 != 0 }.count))
    #expect(after != twin.xPlus.values)
    #expect(array.effectiveWeights == array.weights, "reads see the new weights at once")
  }

  @Test("without noise apply adds the change exactly, up to the range")
  func applyExactly() throws {
    let array = try Crossbar.array(Crossbar.parameters(update: .programmed, weightRange: 0.4))
    let before = array.weights.values
    let delta = Crossbar.gaussians(before.count, seed: 12).map { 0.1 * $0 }
    array.apply(delta: delta, step: 0, pool: ThreadPool(threads: 1))
    let expected = zip(before, delta).map { min(0.4, max(-0.4, $0 + $1)) }
    #expect(difference(array.weights.values, expected) < 1e-6)
  }

  // MARK: Spread

  @Test("the spread belongs to the chip: the same for every run on it, another on another chip")
  func chip() throws {
    func effective(chip: UInt64, seed: UInt64, owner: Int = 3) throws -> [Float] {
      try Crossbar.array(
        Crossbar.parameters(device: Device(variation: 0.1), chipSeed: chip), owner: owner, seed: seed
      ).effectiveWeights.values
    }
    let one = try effective(chip: 1, seed: 7)
    #expect(try effective(chip: 1, seed: 8) == one)
    #expect(try effective(chip: 2, seed: 7) != one)
    #expect(try effective(chip: 1, seed: 7, owner: 4) != one, "another array has other devices")
  }

  @Test("the spread is a Gaussian of its σ about 1, cut at 3σ, apart for the two devices of a pair")
  func spread() throws {
    let array = try Crossbar.array(Crossbar.parameters(device: Device(variation: 0.1)), weights: Self.big)
    let pair = try #require(array.spread)
    let (plus, minus) = (pair.plus.values.map { Double($0) }, pair.minus.values.map { Double($0) })
    for s in [plus, minus] {
      #expect(abs(mean(s) - 1) < 4 * 0.1 / 100)
      // Cutting at 3σ takes 1.3 per cent off the deviation.
      #expect(abs(variance(s).squareRoot() / 0.1 - 0.993) < 0.03)
      #expect(s.min()! > 0.7 - 1e-6 && s.max()! < 1.3 + 1e-6 && s.max()! > 1.29)
    }
    #expect(abs(mean(zip(plus, minus).map { ($0 - 1) * ($1 - 1) })) < 4 * 0.01 / 100)
    // Without wires a pair reads s⁺·G⁺ − s⁻·G⁻.
    for e in 0..<plus.count {
      let floor = array.parameters.device.floor
      let expected =
        plus[e] * (Double(array.xPlus.base[e]) + floor) - minus[e] * (Double(array.xMinus.base[e]) + floor)
      #expect(abs(Double(array.effective.base[e] / array.weightRange) - expected) < 1e-6)
    }
  }

  @Test("a spread wider than the conductance itself leaves every device a conductor")
  func wideSpread() throws {
    let array = try Crossbar.array(
      Crossbar.parameters(device: Device(variation: 1), circuit: Crossbar.wires), weights: Self.big)
    #expect(array.spread!.plus.values.min()! == 0.01)
    #expect(array.effective.values.allSatisfy { $0.isFinite })
  }

  // MARK: Selection

  @Test(
    "selected devices keep state and spread, and read as a fresh smaller array does",
    arguments: [nil, Crossbar.wires, Crossbar.unevenWires])
  func select(wires: CircuitParameters?) throws {
    let pool = ThreadPool(threads: 1)
    let outputs = [36, 0, 5, 20, 21, 3]
    let inputs = Array(stride(from: 99, through: 0, by: -1)).filter { $0 % 4 != 1 }
    let parameters = Crossbar.parameters(device: Device(variation: 0.1), circuit: wires, weightRange: 1)
    let array = try Crossbar.array(parameters)
    array.update(Crossbar.gaussians(array.xPlus.count, seed: 13), rate: 0.1)
    let (plus, spread) = (array.xPlus.values, array.spread!.minus.values)
    try array.select(outputs: outputs, inputs: inputs)
    #expect(array.outputs == 6 && array.inputs == 75)
    for (r, o) in outputs.enumerated() {
      for (c, i) in inputs.enumerated() {
        #expect(array.xPlus.base[r * 75 + c] == plus[o * Crossbar.inputs + i])
        #expect(array.spread!.minus.base[r * 75 + c] == spread[o * Crossbar.inputs + i])
      }
    }
    try array.prepare(step: 1, workers: 1, pool: pool)

    let fresh = try CrossbarArray(weights: array.weights, parameters: parameters, owner: 9, seed: 1, pool: pool)
    fresh.xPlus.set(array.xPlus.values)
    fresh.xMinus.set(array.xMinus.values)
    fresh.spread!.plus.set(array.spread!.plus.values)
    fresh.spread!.minus.set(array.spread!.minus.values)
    try fresh.prepare(step: 0, workers: 1, pool: pool)
    let x = Crossbar.gaussians(4 * 75, seed: 14)
    let dy = Crossbar.gaussians(4 * 6, seed: 15)
    #expect(array.read(x) == fresh.read(x))
    #expect(array.read(dy, .backward) == fresh.read(dy, .backward))
    // And it goes on learning.
    array.update(Crossbar.gaussians(6 * 75, seed: 16), rate: 0.1)
    #expect(array.read(x) != fresh.read(x))
  }

  // MARK: Faults

  @Test("stuck and open cells are in the circuit; an open one conducts nothing, whatever the on/off ratio rounds to")
  func faults() throws {
    for off in [1.3e5, 2e5, 1e6, 3.3e6, 1e9] {
      var device = Device(offResistance: off, variation: 0.1)
      device.faults = Device.Faults(stuckOn: 0.05, stuckOff: 0.05, open: 0.05)
      for circuit in [nil, Crossbar.wires] {
        let array = try Crossbar.array(Crossbar.parameters(device: device, circuit: circuit))
        let n = Crossbar.outputs * Crossbar.inputs
        for (p, plane) in array.slices[0].planes.enumerated() {
          #expect(Set(plane.stuck.map(\.fault)) == [.stuckOn, .stuckOff, .open])
          for tile in 0..<array.grid.count {
            let g = array.conductances(slice: 0, plane: p, tile: tile)
            let (o, i) = array.grid.tile(tile)
            for cell in plane.stuck {
              let (output, input) = (cell.index / Crossbar.inputs, cell.index % Crossbar.inputs)
              guard o.contains(output), i.contains(input) else { continue }
              let found = g[input - i.lowerBound, output - o.lowerBound]
              let spread = Double(plane.factors!.base[cell.index])
              let expected: Double = cell.fault == .stuckOn ? 1e-5 : cell.fault == .open ? 0 : 1 / off
              #expect(abs(found - expected * spread) <= 1e-12 && (cell.fault != .open || found == 0))
            }
          }
        }
        // Learning goes on around them.
        let before = array.weights.values
        array.update(Crossbar.gaussians(n, seed: 5), rate: 0.01)
        try array.prepare(step: 50, workers: 1, pool: ThreadPool(threads: 1))
        #expect(array.weights.values != before)
        for plane in array.slices[0].planes {
          for cell in plane.stuck where cell.fault == .stuckOn { #expect(plane.x.base[cell.index] == 1) }
        }
        #expect(array.read(Crossbar.gaussians(Crossbar.inputs, seed: 6)).allSatisfy { $0.isFinite })
      }
    }
  }

  // MARK: What is refused

  static func message(_ body: () throws -> Void) -> String {
    do { try body() } catch { return "\(error)" }
    return "nothing was thrown"
  }

  static let refused: [(CrossbarParameters, String)] = [
    (
      Crossbar.parameters(circuit: CircuitParameters(wireResistance: -1)),
      "wireResistance is -1.0 ohm; expected 0 (an ideal conductor), a number from 1e-150 to 1e+150, or infinity (a break)"
    ),
    (
      Crossbar.parameters(device: Device(onResistance: 1e6, offResistance: 1e5)),
      "onResistance, 1000000.0 ohm, is not below offResistance, 100000.0 ohm"
    ),
    (Crossbar.parameters(device: Device(onResistance: 0)), "onResistance is 0.0; expected a positive number of ohm"),
    (
      Crossbar.parameters(device: Device(offResistance: .infinity)),
      "offResistance is inf; expected a positive number of ohm"
    ),
    (
      Crossbar.parameters(device: Device(pulseStep: .nan)),
      "pulseStep is nan; expected a fraction of the conductance range, above 0"
    ),
    (
      Crossbar.parameters(converters: Converters(dacBits: 1)),
      "dacBits is 1.0; expected 0 (no rounding) or 2 to 16 bits"
    ),
    (
      Crossbar.parameters(converters: Converters(adcRange: .fixed(0))),
      "adcRange is 0.0; expected a number above 0 that Float32 can hold"
    ),
    (CrossbarParameters(rows: 0), "rows is 0.0; expected at least one word line"),
  ]

  @Test("parameters that mean nothing are refused in a sentence", arguments: refused)
  func refusesParameters(parameters: CrossbarParameters, sentence: String) {
    #expect(Self.message { _ = try Crossbar.array(parameters) } == sentence)
  }

  @Test("hardware names the layer whose array is impossible")
  func namesLayer() {
    let hardware = CrossbarHardware(Crossbar.parameters(device: Device(onResistance: 0)), seed: 1)
    let found = Self.message {
      _ = try hardware.makeArray(weights: Crossbar.weights(), name: "fc1", owner: 0, pool: ThreadPool(threads: 1))
    }
    #expect(found == "layer fc1: onResistance is 0.0; expected a positive number of ohm")
  }

  @Test("weights that are not finite are refused, not programmed", arguments: [Float.nan, .infinity])
  func refusesWeights(value: Float) throws {
    var weights = Crossbar.weights()
    weights[1, 3] = value
    let sentence = "weight [1, 3] is \(value); a device can be programmed to finite weights only"
    #expect(Self.message { _ = try Crossbar.array(Crossbar.parameters(), weights: weights) } == sentence)
    let array = try Crossbar.array(Crossbar.parameters())
    let before = array.weights
    #expect(Self.message { try array.program(weights, pool: ThreadPool(threads: 1)) } == sentence)
    #expect(array.weights == before)
  }

  @Test("shapes that do not fit are refused")
  func refusesShapes() throws {
    let array = try Crossbar.array(Crossbar.parameters())
    let pool = ThreadPool(threads: 1)
    #expect(
      Self.message { try array.program(Tensor(shape: [2, 3]), pool: pool) }
        == "weights of shape [2, 3] do not fit an array of [37, 100]")
    #expect(
      Self.message { _ = try Crossbar.array(Crossbar.parameters(), weights: Tensor(shape: [4])) }
        == "weights of shape [4] do not make an array; expected [outputs, inputs]")
    #expect(
      Self.message { try array.select(outputs: [0, 37], inputs: [0]) }
        == "a selection must keep at least one output and input, all of them within the array")
    #expect(Self.message { try array.restore([:]) } == "the checkpoint holds no device states of [37, 100]")
    var state = Dictionary(uniqueKeysWithValues: array.state.map { ($0.name, $0.tensor) })
    state["slice0.plane0.x"] = Tensor(shape: [3, 3])
    #expect(Self.message { try array.restore(state) } == "the checkpoint's x has shape [3, 3], not [3700]")
    let other = try Crossbar.array(Crossbar.parameters(weightRange: 9))
    state = Dictionary(uniqueKeysWithValues: other.state.map { ($0.name, $0.tensor) })
    // The range belongs to what was programmed: a restored array takes it over.
    #expect(array.weightRange != 9)
    try array.restore(state)
    #expect(array.weightRange == 9)
    #expect(array.weights == other.weights)
  }
}

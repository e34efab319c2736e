import LinearAlgebra
import NeuralNetworks
import Testing

@testable import Crossbars

/// Effective weights: devices, their spread and the wires, tile by tile, and how they follow the devices in between.
struct CrossbarArrayCircuitTests {
  /// S·(G⁺_eff − G⁻_eff)/(G_max − G_min), [outputs, inputs], from the circuit of every tile.
  static func effectiveWeights(_ array: CrossbarArray, _ direction: ReadDirection = .forward) throws -> [Double] {
    let plus = try onePart(array, direction, array.xPlus.values, isPlus: true)
    let minus = try onePart(array, direction, array.xMinus.values, isPlus: false)
    return zip(plus, minus).map { $0 - $1 }
  }

  /// S·G_eff/(G_max − G_min) of the plus or the minus arrays alone.
  static func onePart(
    _ array: CrossbarArray, _ direction: ReadDirection, _ x: [Float], isPlus: Bool
  ) throws -> [Double] {
    let p = array.parameters
    let circuit = try CrossbarCircuit(p.circuit)
    let (least, most) = (1 / p.device.offResistance, 1 / p.device.onResistance)
    let spread = isPlus ? array.spread?.plus : array.spread?.minus
    var result = [Double](repeating: 0, count: x.count)
    for i0 in stride(from: 0, to: array.inputs, by: p.rows) {
      for o0 in stride(from: 0, to: array.outputs, by: p.columns) {
        var g = Matrix(rows: min(p.rows, array.inputs - i0), columns: min(p.columns, array.outputs - o0))
        for i in 0..<g.rows {
          for j in 0..<g.columns {
            let e = (o0 + j) * array.inputs + i0 + i
            g[i, j] = (least + (most - least) * Double(x[e])) * Double(spread?.base[e] ?? 1)
          }
        }
        let effective = try circuit.effectiveMatrix(g, direction)
        for i in 0..<g.rows {
          for j in 0..<g.columns {
            result[(o0 + j) * array.inputs + i0 + i] =
              Double(array.weightRange) / (most - least) * (direction == .forward ? effective[i, j] : effective[j, i])
          }
        }
      }
    }
    return result
  }

  static let devices = [Device(), Device(onResistance: 2e4, offResistance: 3e4), Device(variation: 0.1)]

  @Test("effective weights are those of every tile's circuit, spread included", arguments: devices)
  func effectiveWeights(device: Device) throws {
    let array = try Crossbar.array(Crossbar.parameters(device: device, circuit: Crossbar.wires))
    let expected = try Self.effectiveWeights(array)
    #expect(difference(array.effectiveWeights.values, expected) < 1e-6 * (1 + device.floor))
    // The wires matter, so that the comparison can fail.
    #expect(difference(array.weights.values, expected) > 0.01)
    let x = Crossbar.gaussians(9 * Crossbar.inputs, seed: 2)
    let reference = product(x, expected, Crossbar.outputs, Crossbar.inputs, .forward)
    #expect(difference(array.read(x), reference) < 1e-6 * (1 + device.floor))
  }

  @Test(
    "the backward read is the circuit driven from its sense end", arguments: [Crossbar.wires, Crossbar.unevenWires])
  func backward(wires: CircuitParameters) throws {
    let array = try Crossbar.array(Crossbar.parameters(device: Device(onResistance: 2e4), circuit: wires))
    let forward = try Self.effectiveWeights(array)
    let backward = try Self.effectiveWeights(array, .backward)
    let dy = Crossbar.gaussians(9 * Crossbar.outputs, seed: 2)
    let reference = product(dy, backward, Crossbar.outputs, Crossbar.inputs, .backward)
    #expect(difference(array.read(dy, .backward), reference) < 2e-6)
    let x = Crossbar.gaussians(9 * Crossbar.inputs, seed: 3)
    #expect(difference(array.read(x), product(x, forward, Crossbar.outputs, Crossbar.inputs, .forward)) < 2e-6)
    // Reciprocity with equal terminals; matrices of their own without.
    let isSymmetric = wires.driverResistance == wires.senseResistance
    #expect((difference(forward, backward) < 1e-9) == isSymmetric)
    #expect((array.effectiveBack == nil) == isSymmetric)
  }

  @Test(
    "between refreshes G_eff(t) = G(t) ∘ D + R; after the interval it is exact again",
    arguments: [Crossbar.wires, Crossbar.unevenWires], [0, 0.1])
  func distortion(wires: CircuitParameters, variation: Double) throws {
    let pool = ThreadPool(threads: 2)
    let device = Device(onResistance: 2e4, variation: variation)
    let array = try Crossbar.array(Crossbar.parameters(device: device, circuit: wires, refreshInterval: 5))
    let before = (plus: array.xPlus.values, minus: array.xMinus.values)
    let gradient = Crossbar.gaussians(array.xPlus.count, seed: 9)
    array.update(gradient, rate: 0.05, step: 0, pool: pool)
    let after = (plus: array.xPlus.values, minus: array.xMinus.values)
    #expect(difference(after.plus, before.plus) > 0.01)

    for direction in ReadDirection.allCases {
      // w(t) = Σ± ±S/(G_max − G_min) · (G±(t) · D± + R±), D = min(s, G_eff(0)/G(0)), R = G_eff(0) − D·G(0).
      let floor = Float(device.floor)
      var expected = [Double](repeating: 0, count: array.xPlus.count)
      for isPlus in [true, false] {
        let alone = try Self.onePart(array, direction, isPlus ? before.plus : before.minus, isPlus: isPlus)
        let (old, new) = isPlus ? (before.plus, after.plus) : (before.minus, after.minus)
        for e in 0..<expected.count {
          let own = { (x: Float) in Double(array.weightRange * (x + floor)) }
          let most = Double((isPlus ? array.spread?.plus : array.spread?.minus)?.base[e] ?? 1)
          let d = min(most, alone[e] / own(old[e]))
          expected[e] += (isPlus ? 1 : -1) * (own(new[e]) * d + alone[e] - own(old[e]) * d)
        }
      }
      let seen = direction == .forward ? array.effective : array.effectiveBack ?? array.effective
      #expect(difference(seen.values, expected) < 3e-6)
      #expect(try difference(seen.values, Self.effectiveWeights(array, direction)) > 3e-5, "D is out of date")
    }
    let stale = array.effective.values
    try array.prepare(step: 4, workers: 1, pool: pool)
    #expect(array.effective.values == stale)
    try array.prepare(step: -1, workers: 1, pool: pool)
    #expect(array.effective.values == stale)
    try array.prepare(step: 5, workers: 1, pool: pool)
    for direction in ReadDirection.allCases {
      let seen = direction == .forward ? array.effective : array.effectiveBack ?? array.effective
      #expect(try difference(seen.values, Self.effectiveWeights(array, direction)) < 2e-6)
    }
  }

  /// Under G(t) ∘ D alone the weights would be off by 0.3 and by 8 times the range.
  @Test(
    "a device that leaves G_min does not multiply the sneak current around it",
    arguments: [Device(onResistance: 1e5, offResistance: 1e9), Device(onResistance: 1e4, offResistance: 1e8)],
    [CircuitParameters(wireResistance: 2.5, driverResistance: 100, senseResistance: 100), Crossbar.unevenWires])
  func sneakCurrent(device: Device, wires: CircuitParameters) throws {
    var parameters = CrossbarParameters(device: device, circuit: wires, converters: Crossbar.noConverters)
    parameters.weightRange = 0.1
    // Many weights lie beyond the range: their devices are at G_min and G_max.
    let weights = Crossbar.weights(64, 64)
    let array = try Crossbar.array(parameters, weights: weights)
    #expect(array.sneak != nil)
    for direction in ReadDirection.allCases {
      let seen = direction == .forward ? array.effective : array.effectiveBack ?? array.effective
      let exact = try Self.effectiveWeights(array, direction)
      #expect(zip(seen.values, exact).allSatisfy { abs(Double($0) - $1) < 1e-6 * 0.1 })
    }
    array.update(weights.values.map { $0 > 0 ? 0.004 : -0.004 })
    #expect(abs(array.xMinus.values.min()! - 0.02) < 2e-3)
    for direction in ReadDirection.allCases {
      let seen = direction == .forward ? array.effective : array.effectiveBack ?? array.effective
      let exact = try Self.effectiveWeights(array, direction)
      let worst = zip(seen.values, exact).map { abs(Double($0) - $1) / 0.1 }.max()!
      #expect(worst < 0.06, "\(worst)")
    }
  }
}

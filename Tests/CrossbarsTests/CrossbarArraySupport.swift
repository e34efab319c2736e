import LinearAlgebra
import NeuralNetworks

@testable import Crossbars

/// What the tests of crossbar arrays share: random numbers, reads without pointers, and arrays of uneven tiles.
enum Crossbar {
  /// A hundred inputs by thirty-seven outputs on tiles of 64 word lines × 16 bit lines: 2 × 3 tiles, the last ones cut.
  static let (outputs, inputs, rows, columns) = (37, 100, 64, 16)

  static func gaussians(_ count: Int, seed: UInt64) -> [Float] {
    RandomStream(seed: seed, purpose: 0x7F00_0000).gaussians(count)
  }

  static func weights(_ outputs: Int = outputs, _ inputs: Int = inputs, seed: UInt64 = 1) -> Tensor {
    Tensor(shape: [outputs, inputs], values: gaussians(outputs * inputs, seed: seed).map { 0.1 * $0 })
  }

  static let noConverters = Converters(dacBits: 0, adcBits: 0)
  static let wires = CircuitParameters(wireResistance: 5, driverResistance: 100, senseResistance: 100)
  /// Driver and sense resistance differ: the backward read has matrices of its own.
  static let unevenWires = CircuitParameters(wireResistance: 5, driverResistance: 300, senseResistance: 20)

  static func parameters(
    device: Device = Device(), circuit: CircuitParameters? = nil, converters: Converters = noConverters,
    update: UpdateMode = .outerProduct, method: CircuitMethod = .exact, refreshInterval: Int = 50,
    weightRange: Double? = nil, chipSeed: UInt64 = 1
  ) -> CrossbarParameters {
    CrossbarParameters(
      rows: rows, columns: columns, device: device, method: circuit == nil ? .ideal : method,
      refreshInterval: refreshInterval, circuit: circuit ?? CircuitParameters(wireResistance: 0),
      converters: converters, update: UpdateParameters(mode: update), weightRange: weightRange, chipSeed: chipSeed)
  }

  /// An array that has been refreshed for step 0.
  static func array(
    _ parameters: CrossbarParameters, weights: Tensor = weights(), owner: Int = 3, seed: UInt64 = 7, threads: Int = 1
  ) throws -> CrossbarArray {
    let pool = ThreadPool(threads: threads)
    let array = try CrossbarArray(weights: weights, parameters: parameters, owner: owner, seed: seed, pool: pool)
    try array.prepare(step: 0, workers: 1, pool: pool)
    return array
  }
}

extension WeightArray {
  /// Reads vectors given one after another.
  func read(_ x: [Float], _ direction: ReadDirection = .forward, calibrating: Bool = false) -> [Float] {
    let (from, to) = direction == .forward ? (inputs, outputs) : (outputs, inputs)
    let rows = x.count / from
    precondition(rows * from == x.count)
    let scratch = Storage(count: scratchFloats(rows: rows))
    let y = Storage(count: rows * to)
    let context = ReadContext(worker: 0, sample: 0, scratch: scratch.base, calibrating: calibrating)
    switch direction {
    case .forward: forward(x, from, rows: rows, y.base, to, context)
    case .backward: backward(x, from, rows: rows, y.base, to, context)
    }
    return Array(UnsafeBufferPointer(start: y.base, count: y.count))
  }

  func update(_ gradient: [Float], rate: Float = 1, step: Int = 0, pool: ThreadPool = ThreadPool(threads: 1)) {
    precondition(gradient.count == outputs * inputs)
    outerProduct(gradient, rate: rate, step: step, pool: pool)
  }
}

extension Storage {
  var values: [Float] { Array(UnsafeBufferPointer(start: base, count: count)) }

  func set(_ values: [Float]) {
    precondition(values.count == count)
    for i in 0..<count { base[i] = values[i] }
  }
}

/// x · Wᵀ or dy · W in Float64, W [outputs, inputs].
func product(_ x: [Float], _ w: [Double], _ outputs: Int, _ inputs: Int, _ direction: ReadDirection) -> [Double] {
  let (from, to) = direction == .forward ? (inputs, outputs) : (outputs, inputs)
  let rows = x.count / from
  var y = [Double](repeating: 0, count: rows * to)
  for r in 0..<rows {
    for t in 0..<to {
      for f in 0..<from {
        y[r * to + t] += Double(x[r * from + f]) * (direction == .forward ? w[t * inputs + f] : w[f * inputs + t])
      }
    }
  }
  return y
}

/// Largest |a − b| over the largest |b|.
func difference<A: BinaryFloatingPoint, B: BinaryFloatingPoint>(_ a: [A], _ b: [B]) -> Double {
  precondition(a.count == b.count)
  var (worst, largest) = (0.0, 0.0)
  for (x, y) in zip(a, b) {
    let gap = abs(Double(x) - Double(y))
    if !(gap <= worst) { worst = gap }
    largest = max(largest, abs(Double(y)))
  }
  return worst / largest
}

func mean(_ x: [Double]) -> Double { x.reduce(0, +) / Double(x.count) }
func variance(_ x: [Double]) -> Double {
  let m = mean(x)
  return x.reduce(0) { $0 + ($1 - m) * ($1 - m) } / Double(x.count)
}

/// The parts of an array of pairs with one slice.
extension CrossbarArray {
  var xPlus: Storage { slices[0].planes[0].x }
  var xMinus: Storage { slices[0].planes[1].x }
  var spread: (plus: Storage, minus: Storage)? {
    slices[0].planes[0].spread.map { ($0, slices[0].planes[1].spread!) }
  }
  var effective: Storage { slices[0].forward.weights }
  var effectiveBack: Storage? { slices[0].backward?.weights }
  var sneak: Storage? { slices[0].forward.remainder }
  var forwardRange: Float { slices[0].ranges.forward }
  var backwardRange: Float { slices[0].ranges.backward }
}

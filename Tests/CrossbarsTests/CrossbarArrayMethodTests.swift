import LinearAlgebra
import NeuralNetworks
import Testing

@testable import Crossbars

/// The ways to follow a circuit between its exact solutions, for every mapping.
struct CrossbarArrayMethodTests {
  typealias Circuit = CrossbarArrayCircuitTests

  static func array(
    _ method: CircuitMethod, mapping: Mapping = .differential, circuit: CircuitParameters = Crossbar.wires,
    device: Device = Device(pulseStep: 1e-4), tolerance: Double = 1e-3, refreshInterval: Int = 10
  ) throws -> CrossbarArray {
    var p = Crossbar.parameters(device: device, circuit: circuit, method: method, refreshInterval: refreshInterval)
    p.mapping = mapping
    p.tolerance = tolerance
    return try Crossbar.array(p)
  }

  /// Moves every weight by up to `share` of the range.
  static func move(_ array: CrossbarArray, share: Float, seed: UInt64 = 5) {
    let g = Crossbar.gaussians(array.outputs * array.inputs, seed: seed).map { max(-1, min(1, $0)) * share }
    array.update(g, rate: array.weightRange)
  }

  /// Rms error of the effective weights against exact circuits, relative to the rms of a plane's conductance.
  static func error(_ array: CrossbarArray) throws -> Double {
    let exact = try Circuit.effectiveWeights(array)
    let reference = try Circuit.onePart(array, .forward, array.xPlus.values, isPlus: true)
    let gaps = zip(array.effective.values, exact).map { (Double($0) - $1) * (Double($0) - $1) }
    return (mean(gaps) / (2 * mean(reference.map { $0 * $0 }))).squareRoot()
  }

  @Test("after a refresh exact, corrected and profile hold the circuit to rounding; the closed form is near")
  func atRefresh() throws {
    for method in [CircuitMethod.exact, .corrected, .profile] {
      #expect(try Self.error(Self.array(method)) < 1e-6, "\(method)")
    }
    let closed = try Self.error(Self.array(.closedForm))
    #expect(closed > 1e-6 && closed < 1e-3, "\(closed)")
  }

  @Test(
    "a moved array: corrected is closest, then the profile; each far nearer than no circuit",
    arguments: [0.01, 0.05, 0.2])
  func moved(share: Double) throws {
    var errors: [CircuitMethod: Double] = [:]
    for method in [CircuitMethod.corrected, .profile, .closedForm, .ideal] {
      let array = try Self.array(method)
      Self.move(array, share: Float(share))
      errors[method] = try Self.error(array)
    }
    #expect(errors[.corrected]! < 0.5 * errors[.profile]!, "\(errors)")
    #expect(errors[.corrected]! < errors[.closedForm]!, "\(errors)")
    #expect(errors[.profile]! < 0.1 * errors[.ideal]!, "\(errors)")
    #expect(errors[.corrected]! < 0.01 * share, "\(errors)")
  }

  @Test("open and stuck cells do not spoil a correction", arguments: [CircuitMethod.corrected, .profile])
  func faults(method: CircuitMethod) throws {
    var device = Device(onResistance: 1e4, offResistance: 1e7, pulseStep: 1e-4)
    device.faults = .init(stuckOn: 0.05, stuckOff: 0.1, open: 0.1)
    let array = try Self.array(method, device: device)
    let before = array.xPlus.values
    Self.move(array, share: 0.02)
    #expect(try Self.error(array) < (method == .corrected ? 1e-3 : 5e-3))
    let after = array.xPlus.values
    let open = -Float(device.floor)
    #expect(before.filter { $0 == open }.count > 200)
    for e in 0..<before.count where before[e] == open { #expect(after[e] == open) }
  }

  @Test("a check measures what exact circuits say, and solves again only beyond the tolerance")
  func adaptive() throws {
    let pool = ThreadPool(threads: 2)
    for (tolerance, solves) in [(1e-9, true), (1.0, false)] {
      let array = try Self.array(.corrected, tolerance: tolerance)
      #expect(array.circuitAccuracy.solutions == 1 && array.circuitAccuracy.checks == 0)
      Self.move(array, share: 0.2)
      let error = try Self.error(array)
      try array.prepare(step: 5, workers: 2, pool: pool)
      #expect(array.circuitAccuracy.checks == 0, "not due yet")
      try array.prepare(step: 10, workers: 2, pool: pool)
      let a = array.circuitAccuracy
      #expect(a.checks == 1 && a.solutions == (solves ? 2 : 1))
      // One tile of six stands for all; those at the edge are smaller and have less of an error.
      #expect(a.rms > 0.01 * error && a.rms < 5 * error, "\(a) \(error)")
      #expect(try (Self.error(array) < 1e-6) == solves)
    }
    let closed = try Self.array(.closedForm)
    #expect(closed.circuitAccuracy.solutions == 0 && closed.circuitAccuracy.checks == 1)
    #expect(closed.circuitAccuracy.rms > 1e-6)
  }

  @Test(
    "one device a weight: reads are those of its tiles' circuits, the dummy line's subtracted",
    arguments: [
      Mapping.offset, .dummy,
    ])
  func singleDevices(mapping: Mapping) throws {
    for method in [CircuitMethod.exact, .corrected] {
      for wires in [Crossbar.wires, Crossbar.unevenWires] {
        let array = try Self.array(method, mapping: mapping, circuit: wires, refreshInterval: 3)
        let p = array.parameters
        let circuit = try CrossbarCircuit(p.circuit)
        let scale = 2 * Double(array.weightRange) / p.device.conductanceRange
        var expected = [Double](repeating: 0, count: Crossbar.outputs * Crossbar.inputs)
        for direction in ReadDirection.allCases {
          for tile in 0..<array.grid.count {
            let (o, i) = array.grid.tile(tile)
            let g = array.conductances(slice: 0, plane: 0, tile: tile)
            #expect(g.columns == o.count + (mapping == .dummy ? 1 : 0))
            let effective = try circuit.effectiveMatrix(g, direction)
            for (r, input) in i.enumerated() {
              func at(_ c: Int) -> Double { direction == .forward ? effective[r, c] : effective[c, r] }
              for (c, output) in o.enumerated() {
                let zero =
                  mapping == .dummy ? at(o.count) : (1 / p.device.offResistance + 0.5 * p.device.conductanceRange)
                expected[output * array.inputs + input] = scale * (at(c) - zero)
              }
            }
          }
          let x = Crossbar.gaussians(3 * (direction == .forward ? array.inputs : array.outputs), seed: 3)
          let reference = product(x, expected, array.outputs, array.inputs, direction)
          #expect(difference(array.read(x, direction), reference) < 2e-5, "\(method) \(direction)")
        }
      }
    }
  }
}

/// Mappings, slices and streams where nothing else is non-ideal.
struct CrossbarArrayMappingTests {
  static let slicings: [WeightSlicing?] = [nil, WeightSlicing(bits: 2, count: 8), WeightSlicing(bits: 4, count: 4)]

  @Test(
    "without non-idealities every mapping holds and reads its weights to rounding", arguments: Mapping.allCases,
    slicings)
  func ideal(mapping: Mapping, slicing: WeightSlicing?) throws {
    var p = Crossbar.parameters(update: slicing == nil ? .outerProduct : .programmed)
    p.mapping = mapping
    p.slicing = slicing
    let weights = Crossbar.weights()
    let array = try Crossbar.array(p, weights: weights)
    // Half a least significant step of sixteen bits.
    let resolution = slicing == nil ? 2e-6 : Double(array.weightRange) / 65_535 * 1.01
    for (a, b) in zip(array.weights.values, weights.values) { #expect(abs(Double(a - b)) < resolution) }
    for direction in ReadDirection.allCases {
      let x = Crossbar.gaussians(70 * (direction == .forward ? Crossbar.inputs : Crossbar.outputs), seed: 3)
      let held = array.weights.values.map { Double($0) }
      let reference = product(x, held, Crossbar.outputs, Crossbar.inputs, direction)
      #expect(difference(array.read(x, direction), reference) < 2e-5)
    }
  }

  @Test("a sliced weight's devices stand at the digits of its code")
  func digits() throws {
    var p = Crossbar.parameters(update: .programmed, weightRange: 1)
    p.slicing = WeightSlicing(bits: 2, count: 3)
    let w: [Float] = [-1, 1, 0.5, -0.25]
    let array = try Crossbar.array(p, weights: Tensor(shape: [1, 4], values: w))
    for (e, value) in w.enumerated() {
      let code = Int(((Double(value) + 1) / 2 * 63).rounded(.toNearestOrEven))
      for k in 0..<3 {
        let digit = Float(code >> (2 * (2 - k)) & 3) / 3
        #expect(abs(array.slices[k].planes[0].x.base[e] - digit) < 1e-6)
        #expect(abs(array.slices[k].planes[1].x.base[e] - (1 - digit)) < 1e-6)
      }
    }
    #expect(array.devices == 2 * 3 * 4 && array.tiles == 6)
  }

  @Test("streams and slices meet a fine ADC's sums; the counters count every conversion", arguments: [1, 3])
  func streams(bits: Int) throws {
    var p = Crossbar.parameters(
      converters: Converters(dacBits: 8, adcBits: 16, adcRange: .automatic(percentile: 1)), update: .programmed)
    p.slicing = WeightSlicing(bits: 4, count: 2)
    let whole = try Crossbar.array(p)
    p.converters.streamBits = bits
    let streamed = try Crossbar.array(p)
    let x = Crossbar.gaussians(70 * Crossbar.inputs, seed: 3)
    for a in [whole, streamed] { _ = a.read(x, calibrating: true) }
    let before = streamed.activity
    #expect(difference(streamed.read(x), whole.read(x)) < 1e-3)
    let streams = UInt64((7 + bits - 1) / bits)
    #expect(streamed.activity.adcConversions - before.adcConversions == 70 * 37 * 2 * 2 * streams)
    #expect(streamed.activity.cellReads - before.cellReads == 70 * 4 * 3700 * streams)
  }

  @Test("a vector that clips is read again with halved inputs")
  func bounds() throws {
    var converters = Converters(dacBits: 0, adcBits: 12, adcRange: .fixed(1e-6))
    let clipped = try Crossbar.array(Crossbar.parameters(converters: converters))
    converters.boundManagement = 10
    let managed = try Crossbar.array(Crossbar.parameters(converters: converters))
    let x = Crossbar.gaussians(9 * Crossbar.inputs, seed: 3)
    let exact = product(x, clipped.weights.values.map { Double($0) }, Crossbar.outputs, Crossbar.inputs, .forward)
    #expect(difference(clipped.read(x), exact) > 0.2)
    #expect(difference(managed.read(x), exact) < 0.01)
    #expect(managed.activity.boundRepeats > 0 && clipped.activity.boundRepeats == 0)
  }

  @Test("a calibrated DAC holds the asked share of inputs and clips the rest")
  func dacRange() throws {
    let array = try Crossbar.array(
      Crossbar.parameters(converters: Converters(dacBits: 8, adcBits: 0, dacRange: .automatic(percentile: 0.9))))
    #expect(array.needsCalibration(training: false))
    let x = Crossbar.gaussians(50 * Crossbar.inputs, seed: 3)
    _ = array.read(x, calibrating: true)
    #expect(!array.needsCalibration(training: false) && array.needsCalibration(training: true))
    let beyond = x.filter { abs($0) > array.inputRanges.forward }.count
    #expect(abs(Double(beyond) / Double(x.count) - 0.1) < 0.01)
    let before = array.activity.dacClips
    _ = array.read(x)
    #expect(array.activity.dacClips - before == UInt64(beyond))
  }
}

import LinearAlgebra
import NeuralNetworks
import Testing

@testable import Crossbars

/// Reads: the ideal limit, converters, counters and calibration.
struct CrossbarArrayReadTests {
  @Test("without non-idealities a read equals the digital array's to rounding", arguments: ReadDirection.allCases)
  func idealLimit(direction: ReadDirection) throws {
    let weights = Crossbar.weights()
    let array = try Crossbar.array(Crossbar.parameters())
    let digital = DigitalArray(weights)
    let x = Crossbar.gaussians(20 * (direction == .forward ? Crossbar.inputs : Crossbar.outputs), seed: 2)
    #expect(difference(array.read(x, direction), digital.read(x, direction)) < 1e-6)
    #expect(difference(array.weights.values, weights.values) < 1e-6)
  }

  // MARK: Converters

  /// What the converters of design.md 4.5 give, element by element in Float64, each as the least and the largest value
  /// that Float32 sums within a thousandth of a step of a tie may give.
  struct Reference {
    var low: [Double] = []
    var high: [Double] = []
    var dacClips = 0
    var adcClips = 0
    var ties = 0

    init(
      _ x: [Float], _ w: [Double], _ direction: ReadDirection, dacLevels: Double, dacRange: Double?, adcLevels: Double,
      adcRange: Double
    ) {
      let (outputs, inputs) = (Crossbar.outputs, Crossbar.inputs)
      let (from, to) = direction == .forward ? (inputs, outputs) : (outputs, inputs)
      let strip = direction == .forward ? Crossbar.rows : Crossbar.columns
      let step = adcRange / adcLevels
      for r in 0..<(x.count / from) {
        let vector = x[r * from..<(r + 1) * from].map { Double($0) }
        let scale = dacRange ?? vector.map { abs($0) }.max()!
        let converted = vector.map { value -> Double in
          if abs(value) > scale { dacClips += 1 }
          let t = min(1, max(-1, value / scale))
          return dacLevels == 0 ? t : (t * dacLevels).rounded(.toNearestOrEven) / dacLevels
        }
        for t in 0..<to {
          var (least, most) = (0.0, 0.0)
          for first in stride(from: 0, to: from, by: strip) {
            var sum = 0.0
            for f in first..<min(from, first + strip) {
              sum += converted[f] * (direction == .forward ? w[t * inputs + f] : w[f * inputs + t])
            }
            var steps = sum / step
            if abs(steps) > adcLevels { adcClips += 1 }
            steps = min(adcLevels, max(-adcLevels, steps))
            let (a, b) = ((steps - 1e-3).rounded(), (steps + 1e-3).rounded())
            if a != b { ties += 1 }
            least += a * step
            most += b * step
          }
          low.append(least * scale)
          high.append(most * scale)
        }
      }
    }
  }

  struct Case: Sendable, CustomStringConvertible {
    var converters: Converters
    var dacRange: Double?
    var description: String {
      "dac \(converters.dacBits) bits \(dacRange.map { "±\($0)" } ?? "per vector"), adc \(converters.adcBits) bits"
    }
  }

  /// Ampere; in weights × inputs about 2, so that some partial sums clip.
  static let current = 2e-6
  static let cases: [Case] = [
    Case(converters: Converters(dacBits: 8, adcBits: 8, adcRange: .fixed(current))),
    Case(converters: Converters(dacBits: 3, adcBits: 4, adcRange: .fixed(current / 4))),
    Case(converters: Converters(dacBits: 0, adcBits: 6, adcRange: .fixed(current))),
    Case(
      converters: Converters(dacBits: 5, adcBits: 8, dacRange: .fixed(1.5), adcRange: .fixed(current)), dacRange: 1.5),
    Case(
      converters: Converters(dacBits: 0, adcBits: 8, dacRange: .fixed(1.5), adcRange: .fixed(current)), dacRange: 1.5),
    Case(converters: Converters(dacBits: 2, adcBits: 2, adcRange: .fixed(current / 8))),
  ]

  @Test(
    "every tile's sums are converted as a naive reference does, and clips are counted", arguments: cases,
    ReadDirection.allCases)
  func converters(item: Case, direction: ReadDirection) throws {
    let array = try Crossbar.array(
      Crossbar.parameters(circuit: Crossbar.wires, converters: item.converters, weightRange: 0.5))
    let vectors = 20
    let x = Crossbar.gaussians(vectors * (direction == .forward ? Crossbar.inputs : Crossbar.outputs), seed: 3)
    let y = array.read(x, direction)
    // Driver and sense resistance are equal: both directions read one matrix.
    let w = array.effectiveWeights.values.map { Double($0) }
    let levels = { (bits: Int) in bits == 0 ? 0 : Double(1 << (bits - 1)) - 1 }
    let range = Self.range(of: item.converters, weightRange: 0.5)
    let reference = Reference(
      x, w, direction, dacLevels: levels(item.converters.dacBits), dacRange: item.dacRange,
      adcLevels: levels(item.converters.adcBits), adcRange: range)
    for i in 0..<y.count {
      let slack = 1e-5 * (abs(reference.high[i]) + range)
      #expect(Double(y[i]) >= reference.low[i] - slack && Double(y[i]) <= reference.high[i] + slack)
    }
    #expect(reference.ties * 50 < y.count, "the reference must decide nearly everywhere")
    #expect(array.activity.adcClips == UInt64(reference.adcClips))
    #expect(array.activity.dacClips == UInt64(reference.dacClips))
    if item.dacRange != nil { #expect(reference.dacClips > 0) }
  }

  /// Ampere to weights × inputs by the documented law, I = V · (G_max − G_min) · w / S.
  static func range(of converters: Converters, weightRange: Double) -> Double {
    guard case .fixed(let ampere) = converters.adcRange else { return 0 }
    return ampere * weightRange / (0.25 * (1e-5 - 1e-6))
  }

  @Test("a cell at full scale carries V·(G_max − G_min); an ADC of half that current clips there")
  func fixedCurrentRange() throws {
    let device = Device(onResistance: 2e4, offResistance: 1e5)
    let full = 0.2 * (1 / 2e4 - 1 / 1e5)
    for (share, expected) in [(0.5, 0.5), (1.0, 1.0), (2.0, 1.0)] {
      let parameters = Crossbar.parameters(
        device: device,
        converters: Converters(dacBits: 8, adcBits: 8, adcRange: .fixed(share * full), readVoltage: 0.2),
        weightRange: 3)
      let array = try Crossbar.array(parameters, weights: Tensor(shape: [1, 1], values: [3]))
      // The input is scaled to full scale, whatever it is, and restored.
      let y = array.read([0.004])[0] / 0.004 / 3
      #expect(abs(Double(y) - expected) < 0.01)
      #expect(array.activity.adcClips == (share < 1 ? 1 : 0))
    }
  }

  @Test(
    "the DAC is mid-tread with 2^(b−1) − 1 steps either way and restores each vector's scale", arguments: [2, 4, 8])
  func dacSteps(bits: Int) throws {
    let converters = Converters(dacBits: bits, adcBits: 0)
    let array = try Crossbar.array(
      Crossbar.parameters(converters: converters), weights: Tensor(shape: [2, 2], values: [1, 0, 0, 1]))
    var seen = Set<Int>()
    let levels = (1 << (bits - 1)) - 1
    for scale in [Float(1), 1e-20, 3e20] {
      for i in -1000...1000 {
        let value = Float(i) / 1000
        // The first input sets the scale; the second is converted.
        let y = array.read([scale, value * scale]).map { $0 / scale }
        #expect(abs(y[0] - 1) < 1e-5)
        let steps = Double(y[1]) * Double(levels)
        #expect(abs(steps - steps.rounded()) < 1e-3)
        #expect(abs(steps - Double(value) * Double(levels)) <= 0.5 + 1e-3)
        seen.insert(Int(steps.rounded()))
      }
      #expect(array.read([scale, 0])[1] == 0)
    }
    #expect(seen == Set(-levels...levels))
  }

  @Test("vectors of zeros, and too small to have an inverse, read as zeros", arguments: [0, 8], [0, 8])
  func vanishingVectors(dacBits: Int, adcBits: Int) throws {
    let converters = Converters(dacBits: dacBits, adcBits: adcBits, adcRange: .fixed(1e-5))
    let array = try Crossbar.array(Crossbar.parameters(converters: converters))
    for value in [Float(0), 1e-45, 1e-40, -1e-37, 1e-36] {
      var x = [Float](repeating: 0, count: Crossbar.outputs)
      x[5] = value
      #expect(array.read(x, .backward).allSatisfy { $0.isFinite && abs($0) < 1e-30 })
    }
    // Just above, vectors are read as any other.
    var x = [Float](repeating: 0, count: Crossbar.outputs)
    x[5] = 1e-25
    #expect(array.read(x, .backward).contains { abs($0) > 1e-27 })
  }

  // MARK: Counters

  @Test("reads, conversions and programmed devices are counted tile by tile")
  func counters() throws {
    let array = try Crossbar.array(
      Crossbar.parameters(converters: Converters(adcRange: .fixed(1e-3))))
    let cells = UInt64(Crossbar.outputs * Crossbar.inputs)
    #expect(array.activity.programmedDevices == 2 * cells)
    _ = array.read(Crossbar.gaussians(5 * Crossbar.inputs, seed: 4))
    _ = array.read(Crossbar.gaussians(300 * Crossbar.outputs, seed: 5), .backward)
    var expected = Activity()
    (expected.forwardReads, expected.backwardReads) = (5, 300)
    expected.multiplyAccumulates = 305 * cells
    // Forward: 100 word lines on 3 columns of tiles; 37 bit lines on 2 rows of tiles. Backward the other way round.
    expected.dacConversions = 5 * 100 * 3 + 300 * 37 * 2
    expected.adcConversions = 5 * 37 * 2 + 300 * 100 * 3
    expected.shiftAdds = expected.adcConversions
    expected.cellReads = 2 * 305 * cells
    expected.programmedDevices = 2 * cells
    expected.cellReads = 305 * 2 * cells
    expected.shiftAdds = expected.adcConversions
    #expect(array.activity == expected)
    array.activity = Activity()
    #expect(array.activity == Activity())
  }

  @Test("forward and backward reads keep apart what they packed, where both are of one size")
  func packedBothWays() throws {
    // Strips of 64 and 6 lines to 30, of 16 and 14 to 70: as many floats either way.
    var p = Crossbar.parameters(converters: Converters(dacBits: 0, adcBits: 16, adcRange: .fixed(1e-4)), weightRange: 1)
    p.columns = 16
    let array = try Crossbar.array(p, weights: Crossbar.weights(30, 70))
    let w = array.weights.values.map { Double($0) }
    for direction in [ReadDirection.forward, .backward, .forward] {
      let x = Crossbar.gaussians(3 * (direction == .forward ? 70 : 30), seed: 3)
      #expect(difference(array.read(x, direction), product(x, w, 30, 70, direction)) < 0.02)
    }
  }

  @Test("without converters nothing is converted")
  func countersWithoutConverters() throws {
    let array = try Crossbar.array(Crossbar.parameters())
    _ = array.read(Crossbar.gaussians(5 * Crossbar.inputs, seed: 4))
    #expect(array.activity.forwardReads == 5)
    #expect(array.activity.dacConversions == 0 && array.activity.adcConversions == 0)
  }

  // MARK: Calibration

  @Test(
    "an automatic ADC range holds the asked share of partial sums, within one per cent", arguments: [0.6, 0.95, 1.0],
    ReadDirection.allCases)
  func calibration(percentile: Double, direction: ReadDirection) throws {
    let converters = Converters(dacBits: 8, adcBits: 8, adcRange: .automatic(percentile: percentile))
    let array = try Crossbar.array(Crossbar.parameters(converters: converters))
    let (from, to) =
      direction == .forward ? (Crossbar.inputs, Crossbar.outputs) : (Crossbar.outputs, Crossbar.inputs)
    let strip = direction == .forward ? Crossbar.rows : Crossbar.columns
    // More vectors than are converted at a time.
    let vectors = 300
    let x = Crossbar.gaussians(vectors * from, seed: 6)
    _ = array.read(x, direction, calibrating: true)
    let found = Double(direction == .forward ? array.forwardRange : array.backwardRange)

    let w = array.weights.values
    var sums: [Double] = []
    for r in 0..<vectors {
      let vector = Array(x[r * from..<(r + 1) * from])
      let scale = vector.map { abs($0) }.max()!
      let q = vector.map { Double(($0 / scale * 127).rounded()) / 127 }
      for t in 0..<to {
        for first in stride(from: 0, to: from, by: strip) {
          var sum = 0.0
          for f in first..<min(from, first + strip) {
            sum += q[f] * Double(direction == .forward ? w[t * Crossbar.inputs + f] : w[f * Crossbar.inputs + t])
          }
          sums.append(abs(sum))
        }
      }
    }
    sums.sort()
    let exact = sums[Int((percentile * Double(sums.count)).rounded(.up)) - 1]
    #expect(found >= exact * (1 - 1e-5) && found <= exact * 1.01)

    let twin = try Crossbar.array(Crossbar.parameters(converters: converters))
    _ = twin.read(x, direction, calibrating: true)
    #expect(twin.forwardRange == array.forwardRange && twin.backwardRange == array.backwardRange)
  }

  @Test("calibration is wanted for each direction that is used, and again after a refresh")
  func wantsCalibration() throws {
    let pool = ThreadPool(threads: 1)
    for converters in [Crossbar.noConverters, Converters(dacBits: 8, adcBits: 0), Converters(adcRange: .fixed(1e-6))] {
      let array = try Crossbar.array(Crossbar.parameters(converters: converters))
      #expect(!array.needsCalibration(training: false) && !array.needsCalibration(training: true))
    }
    let array = try Crossbar.array(Crossbar.parameters(converters: Converters(), refreshInterval: 10))
    #expect(array.needsCalibration(training: false) && array.needsCalibration(training: true))
    _ = array.read(Crossbar.gaussians(Crossbar.inputs, seed: 7), calibrating: true)
    #expect(!array.needsCalibration(training: false) && array.needsCalibration(training: true))
    _ = array.read(Crossbar.gaussians(Crossbar.outputs, seed: 8), .backward, calibrating: true)
    #expect(!array.needsCalibration(training: true))
    try array.prepare(step: 9, workers: 1, pool: pool)
    #expect(!array.needsCalibration(training: true))
    try array.prepare(step: 10, workers: 1, pool: pool)
    #expect(array.needsCalibration(training: false))
    // A vanished gradient still gives a step that is not zero.
    _ = array.read([Float](repeating: 0, count: Crossbar.outputs), .backward, calibrating: true)
    #expect(array.backwardRange > 0)
  }
}

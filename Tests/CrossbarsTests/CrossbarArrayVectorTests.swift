import CKernels
import Glibc
import LinearAlgebra
import NeuralNetworks
import Testing

@testable import Crossbars

/// Updates vector by vector through stochastic trains of whole lines.
struct CrossbarArrayVectorTests {
  static func array(slots: Int = 31, device: Device = Device(pulseStep: 1e-3), seed: UInt64 = 7) throws
    -> CrossbarArray
  {
    var p = Crossbar.parameters(device: device, update: .perSample, weightRange: 1)
    p.update.pulses = .trains
    p.update.trainLength = slots
    return try Crossbar.array(p, seed: seed)
  }

  static func update(
    _ array: CrossbarArray, _ x: [Float], _ dy: [Float], rate: Float = 0.01, step: Int = 0, threads: Int = 1
  ) {
    let pool = ThreadPool(threads: threads)
    let rows = x.count / array.inputs
    x.withUnsafeBufferPointer { x in
      dy.withUnsafeBufferPointer { dy in
        array.outerProducts(
          x.baseAddress!, array.inputs, dy.baseAddress!, array.outputs, rows: rows, first: 0, rate: rate, step: step,
          pool: pool)
      }
    }
    array.finishOuterProducts(pool: pool)
  }

  @Test("a slot has a pulse with its line's probability, apart from every other slot and line", arguments: [31, 70])
  func trains(slots: Int) {
    let p: [Float] = [0, 1e-3, 0.1, 0.5, 0.9, 1, 1.7, -0.25] + [Float](repeating: 0.3, count: 92)
    let (n, words) = (p.count, (slots + 31) / 32)
    for (name, table) in CrossbarKernelTests.bodies {
      var counts = [Double](repeating: 0, count: n)
      var together = 0.0
      let draws = 3000
      for draw in 0..<draws {
        var trains = [UInt32](repeating: 9, count: 128 * words)
        let stream = RandomStream(seed: 3, purpose: 5, index: UInt64(draw)).c
        table.pulseTrains(n, p, Int32(slots), stream, 64, &trains, 128)
        for i in 0..<n { for w in 0..<words { counts[i] += Double(trains[w * 128 + i].nonzeroBitCount) } }
        for w in 0..<words { together += Double((trains[w * 128 + 20] & trains[w * 128 + 21]).nonzeroBitCount) }
        #expect(slots % 32 == 0 || trains[(words - 1) * 128 + 5] >> UInt32(slots % 32) == 0, "beyond the last slot")
      }
      let total = Double(draws * slots)
      for i in 0..<n {
        let q = Double(min(1, abs(p[i])))
        #expect(abs(counts[i] / total - q) <= 4.5 * (q * (1 - q) / total).squareRoot() + 1e-7, "\(name) \(i)")
      }
      #expect(abs(together / total - 0.09) < 4 * (0.09 * 0.91 / total).squareRoot(), "\(name)")
    }
  }

  @Test("all bodies draw the same trains and find the same coincidences")
  func bodies() {
    let x = Crossbar.gaussians(100, seed: 1)
    var found: [[UInt32]] = []
    for (_, table) in CrossbarKernelTests.bodies {
      var trains = [UInt32](repeating: 0, count: 128 * 2)
      var p = [Float](repeating: 9, count: 112)
      #expect(table.pulseLines(100, x, 12, Crossbar.gaussians(12, seed: 2), 0.02, &p) == 1)
      table.pulseTrains(112, p, 40, CrossbarKernelTests.stream, 0, &trains, 128)
      var at = [UInt32](repeating: 0, count: 160)
      var k = [Float](repeating: 0, count: 160)
      let own: [UInt32] = [0x0F0F_00FF, 0x55]
      let some = table.coincidences(100, trains, 128, own, 1, 2, x, -1, &at, &k)
      found.append(trains + at[..<some] + k[..<some].map(\.bitPattern))
      for (place, count) in zip(at[..<some], k[..<some]) {
        let expected = (0..<2).reduce(0) { $0 + (trains[$1 * 128 + Int(place)] & own[$1]).nonzeroBitCount }
        #expect(abs(count) == Float(expected) && (count < 0) == (x[Int(place)] > 0))
      }
    }
    for f in found.dropFirst() { #expect(f == found[0]) }
  }

  @Test(
    "probabilities of word and bit lines multiply to the pulses wanted, the largest alike; a vector of zeros has none")
  func lines() {
    let (x, dy) = (Crossbar.gaussians(33, seed: 1), Crossbar.gaussians(7, seed: 2))
    for (name, table) in CrossbarKernelTests.bodies {
      var p = [Float](repeating: 9, count: 40)
      #expect(table.pulseLines(33, x, 7, dy, 0.01, &p) == 1)
      for i in 0..<33 { for o in 0..<7 { #expect(abs(p[i] * p[33 + o] - 0.01 * abs(x[i] * dy[o])) < 1e-7, "\(name)") } }
      #expect(abs(p[..<33].max()! - p[33...].max()!) < 1e-6)
      #expect(table.pulseLines(33, x, 7, [Float](repeating: 0, count: 7), 0.01, &p) == 1 && p.allSatisfy { $0 == 0 })
      for bad in [Float.nan, .infinity] {
        #expect(table.pulseLines(33, x, 7, [1, 0, bad, 0, 0, 0, 0], 0.01, &p) == 0 && p.allSatisfy { $0 == 0 })
        #expect(table.pulseLines(33, [Float](repeating: 0, count: 33), 7, [1, 0, bad, 0, 0, 0, 0], 0.01, &p) == 0)
      }
    }
  }

  @Test("on average a vector moves the weights by its outer product, each device by whole pulses")
  func mean() throws {
    let (x, dy) = (Crossbar.gaussians(Crossbar.inputs, seed: 3), Crossbar.gaussians(Crossbar.outputs, seed: 4))
    let before = try Self.array().weights.values
    var sum = [Double](repeating: 0, count: before.count)
    let draws = 400
    for draw in 0..<draws {
      let array = try Self.array(seed: UInt64(draw))
      Self.update(array, x, dy)
      for (e, w) in array.weights.values.enumerated() {
        let move = Double(w - before[e])
        sum[e] += move
        // One pulse to each device of a pair is 2·S·p.
        #expect(abs(move / 2e-3 - (move / 2e-3).rounded()) < 1e-2)
      }
    }
    var (squares, expectedSquares) = (0.0, 0.0)
    for o in 0..<Crossbar.outputs {
      for i in 0..<Crossbar.inputs {
        let wanted = -0.01 * Double(dy[o]) * Double(x[i])
        let gap = sum[o * Crossbar.inputs + i] / Double(draws) - wanted
        squares += gap * gap
        // Of a binomial of that mean: at most its mean in pulses.
        expectedSquares += abs(wanted) * 2e-3 / Double(draws)
      }
    }
    #expect(squares < 1.2 * expectedSquares, "\(squares / expectedSquares)")
  }

  @Test("devices of a word line share its train: their counts go together")
  func correlation() throws {
    let ones = [Float](repeating: 1, count: Crossbar.inputs)
    var (line, apart) = (0.0, 0.0)
    for draw in 0..<200 {
      let array = try Self.array(seed: UInt64(draw))
      let before = array.weights.values
      Self.update(array, ones, [Float](repeating: 1, count: Crossbar.outputs))
      let moved = zip(array.weights.values, before).map { Double($0 - $1) / -2e-3 }
      func average(_ e: [Int]) -> Double { e.reduce(0) { $0 + moved[$1] } / Double(e.count) }
      let own = average((0..<Crossbar.outputs).map { $0 * Crossbar.inputs + 7 })
      let other = average((0..<Crossbar.outputs).map { $0 * Crossbar.inputs + $0 })
      line += (own - 5) * (own - 5)
      apart += (other - 5) * (other - 5)
    }
    #expect(line > 3 * apart, "\(line) \(apart)")
  }

  @Test("the bits depend neither on threads nor on how the vectors are handed over")
  func threads() throws {
    let x = Crossbar.gaussians(12 * Crossbar.inputs, seed: 3)
    let dy = Crossbar.gaussians(12 * Crossbar.outputs, seed: 4)
    let device = Device(pulseStep: 1e-3, updateNonlinearity: 1, updateNoise: 0.3, variation: 0.1)
    let one = try Self.array(device: device)
    let three = try Self.array(device: device)
    Self.update(one, x, dy)
    Self.update(three, x, dy, threads: 3)
    #expect(one.weights == three.weights && one.activity.pulses == three.activity.pulses && one.activity.pulses > 0)
  }

  @Test("what is not a number reaches the devices")
  func nan() throws {
    let array = try Self.array()
    var x = Crossbar.gaussians(Crossbar.inputs, seed: 3)
    x[5] = .nan
    Self.update(array, x, Crossbar.gaussians(Crossbar.outputs, seed: 4))
    #expect(array.weights.values[5].isNaN)
  }
}

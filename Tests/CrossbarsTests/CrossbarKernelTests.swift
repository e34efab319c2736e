import CKernels
import Glibc
import LinearAlgebra
import Testing

/// The converters' and the devices' kernels, both bodies, against Float64 and against each other.
struct CrossbarKernelTests {
  /// The portable bodies and those of the instruction sets that the processor has.
  static let bodies: [(name: String, table: CKernels)] =
    [("portable", ckPortable.pointee)] + (ckAVX2().map { [("avx2", $0.pointee)] } ?? [])
    + (ckAVX512().map { [("avx512", $0.pointee)] } ?? [])

  static func uniforms(_ count: Int, seed: UInt64) -> [Float] { RandomStream(seed: seed, purpose: 1).uniforms(count) }
  static func gaussians(_ count: Int, seed: UInt64) -> [Float] { RandomStream(seed: seed, purpose: 2).gaussians(count) }

  // MARK: Pulses

  struct Pulse: Sendable {
    /// Pulses per unit of weight change.
    var scale: Float
    /// p, ν, and σ of one pulse relative to p.
    var step: Float
    var nonlinearity: Float
    var noise: Float
  }

  struct Update {
    var plus: [Float]
    var minus: [Float]
    var pulses: UInt64
  }

  static let stream = RandomStream(seed: 5, purpose: RandomStream.purpose(kind: 6, owner: 2), index: 77).c
  static func device(_ number: UInt32) -> CKStream {
    var s = stream
    s.purpose += number
    return s
  }

  /// A pair's update: counts, then one device with them and one against.
  static func run(
    _ table: CKernels, _ pulse: Pulse, _ g: [Float], rate: Float, first: Int, _ plus: [Float], _ minus: [Float]
  ) -> Update {
    var result = Update(plus: plus, minus: minus, pulses: 0)
    var counts = [Float](repeating: 9, count: g.count)
    let total = table.pulseCounts(g.count, g, -rate * pulse.scale, stream, first, 0, &counts)
    result.pulses = total.isFinite ? 2 * UInt64(total) : 0
    var law = CKStepLaw()
    law.form = 1
    law.up = (0, 1, -pulse.nonlinearity)
    law.down = law.up
    (law.step, law.noise) = (pulse.step, pulse.noise)
    var alike = CKDevices()
    table.applyPulses(g.count, &law, &alike, device(1), first, counts, 1, &result.plus, nil)
    table.applyPulses(g.count, &law, &alike, device(2), first, counts, -1, &result.minus, nil)
    return result
  }

  /// The uniform numbers that round: eight bits of a shared word, and twenty-three of an own one.
  static func roundingUniforms(_ n: Int, first: Int) -> [Double] {
    var shared = [UInt32](repeating: 0, count: n + 256)
    var own = [UInt32](repeating: 0, count: n)
    var further = stream
    further.indexHigh |= 0x8000_0000
    ckPortable.pointee.randomBits(stream, first / 128 * 32, n + 256, &shared)
    ckPortable.pointee.randomBits(further, first, n, &own)
    return (0..<n).map {
      let e = first + $0
      let word = shared[(e / 128 - first / 128) * 32 + e % 32]
      return (Double(word >> UInt32(8 * (e / 32 % 4)) & 255) + Double(own[$0] >> 9) * 0x1p-23) / 256
    }
  }

  /// Design.md 4.5 in Float64, with the kernel's own uniform and Gaussian numbers: those of devices that get pulses, in
  /// their order.
  static func reference(
    _ pulse: Pulse, _ g: [Float], rate: Float, first: Int, _ plus: [Float], _ minus: [Float]
  ) -> (plus: [Double], minus: [Double], pulses: UInt64) {
    let n = g.count
    let uniforms = roundingUniforms(n, first: first)
    func normal(_ number: UInt32) -> [Float] {
      var values = [Float](repeating: 0, count: n)
      ckPortable.pointee.gaussian(device(number), first, n, &values)
      return values
    }
    let (noisePlus, noiseMinus) = (normal(1), normal(2))
    let (p, nu) = (Double(pulse.step), Double(pulse.nonlinearity))
    let sigma = Double(pulse.noise) * p
    var result = (plus: [Double](), minus: [Double](), pulses: UInt64(0))
    var order = 0
    for e in 0..<n {
      let wanted = Double(abs(g[e])) * Double(rate) * Double(pulse.scale)
      let whole = wanted.rounded(.down)
      let k = whole + (uniforms[e] < wanted - whole ? 1 : 0)
      result.pulses += 2 * UInt64(k)
      func moved(_ x: Double, up: Bool, _ noise: Float) -> Double {
        let step = up ? k * p * exp(-nu * x) : -k * p * exp(-nu * (1 - x))
        return min(1, max(0, x + step + sigma * k.squareRoot() * Double(noise)))
      }
      // A positive gradient lowers the weight x⁺ − x⁻.
      result.plus.append(moved(Double(plus[e]), up: g[e] < 0, noisePlus[order]))
      result.minus.append(moved(Double(minus[e]), up: g[e] > 0, noiseMinus[order]))
      if k > 0 { order += 1 }
    }
    return result
  }

  static let pulses: [Pulse] = [0, 1, 5, 20].flatMap { nu in
    [0, 0.3, 5].map { noise in
      Pulse(scale: 300, step: 0.002, nonlinearity: nu, noise: noise)
    }
  }

  @Test("a pulse update is the pinned law in Float64, with the same random numbers", arguments: pulses)
  func pulseLaw(pulse: Pulse) {
    let n = 1003
    let g = Self.gaussians(n, seed: 1)
    let (plus, minus) = (Self.uniforms(n, seed: 2), Self.uniforms(n, seed: 3))
    for (name, table) in Self.bodies {
      for first in [0, 4096] {
        let found = Self.run(table, pulse, g, rate: 0.02, first: first, plus, minus)
        let expected = Self.reference(pulse, g, rate: 0.02, first: first, plus, minus)
        #expect(found.pulses == expected.pulses, "\(name)")
        #expect(found.pulses > 4000)
        for e in 0..<n {
          #expect(abs(Double(found.plus[e]) - expected.plus[e]) < 5e-7, "\(name) \(e)")
          #expect(abs(Double(found.minus[e]) - expected.minus[e]) < 5e-7, "\(name) \(e)")
        }
      }
    }
  }

  @Test("pulses are rounded stochastically: mean n, variance f(1 − f)", arguments: [0.03, 0.5, 2.7, 100.25])
  func stochasticRounding(wanted: Double) {
    let n = 200_000
    let step: Float = 1e-3
    let pulse = Pulse(scale: 1, step: step, nonlinearity: 0, noise: 0)
    for (name, table) in Self.bodies {
      let half = [Float](repeating: 0.5, count: n)
      let found = Self.run(table, pulse, [Float](repeating: -Float(wanted), count: n), rate: 1, first: 0, half, half)
      let counts = found.plus.map { (Double($0) - 0.5) / Double(step) }
      let f = wanted - wanted.rounded(.down)
      #expect(abs(mean(counts) - wanted) < 4 * (f * (1 - f) / Double(n)).squareRoot() + 1e-4, "\(name)")
      #expect(abs(variance(counts) - f * (1 - f)) < 0.01 * (f + 0.1), "\(name)")
      #expect(abs(Double(found.pulses) / Double(2 * n) - mean(counts)) < 1e-3)
    }
  }

  @Test("update noise has σ = noise·p·√n, independent in the two devices of a pair", arguments: [1, 9, 50])
  func updateNoise(count: Int) {
    let n = 100_000
    let pulse = Pulse(scale: 1, step: 1e-4, nonlinearity: 0, noise: 0.7)
    for (name, table) in Self.bodies {
      let half = [Float](repeating: 0.5, count: n)
      let found = Self.run(table, pulse, [Float](repeating: Float(count), count: n), rate: 1, first: 0, half, half)
      let sigma = 0.7 * 1e-4 * Double(count).squareRoot()
      let down = found.plus.map { Double($0) - 0.5 + Double(count) * 1e-4 }
      let up = found.minus.map { Double($0) - 0.5 - Double(count) * 1e-4 }
      for noise in [down, up] {
        #expect(abs(mean(noise)) < 4 * sigma / Double(n).squareRoot() + 1e-7, "\(name)")
        #expect(abs(variance(noise).squareRoot() / sigma - 1) < 0.02, "\(name)")
      }
      #expect(abs(mean(zip(down, up).map { $0 * $1 })) < 4 * sigma * sigma / Double(n).squareRoot())
    }
  }

  @Test("states stay in 0…1; a device at its bound is not moved further and leaves it by whole steps")
  func bounds() {
    for (name, table) in Self.bodies {
      let strong = Pulse(scale: 1000, step: 0.01, nonlinearity: 2, noise: 3)
      let n = 500
      let g = Self.gaussians(n, seed: 4)
      let found = Self.run(
        table, strong, g, rate: 1, first: 0, Self.uniforms(n, seed: 5), Self.uniforms(n, seed: 6))
      #expect((found.plus + found.minus).allSatisfy { $0 >= 0 && $0 <= 1 }, "\(name)")
      #expect(found.plus.contains(0) && found.plus.contains(1))
      // Gradients beyond all measure saturate.
      let huge = Self.run(
        table, strong, [3e38, -3e38, .infinity], rate: 1e3, first: 0, [0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
      #expect(huge.plus == [0, 1, 0] && huge.minus == [1, 0, 1], "\(name)")

      let one = Pulse(scale: 1, step: 0.01, nonlinearity: 2, noise: 0)
      let stays = Self.run(table, one, [-1, 1], rate: 1, first: 0, [1, 0], [0, 1])
      #expect(stays.plus == [1, 0] && stays.minus == [0, 1], "\(name)")
      // Back from the bound: p is the step there.
      let leaves = Self.run(table, one, [1, -1], rate: 1, first: 0, [1, 0], [0, 1])
      #expect(abs(leaves.plus[0] - 0.99) < 1e-6 && abs(leaves.plus[1] - 0.01) < 1e-6)
      #expect(abs(leaves.minus[0] - 0.01) < 1e-6 && abs(leaves.minus[1] - 0.99) < 1e-6)
    }
  }

  @Test("a non-linear pair moves less away from zero than back, alike at zero, and stays centred")
  func asymmetry() {
    let nu: Float = 3
    let pulse = Pulse(scale: 1, step: 1e-3, nonlinearity: nu, noise: 0)
    for (_, table) in Self.bodies {
      for x in [Float(0.5), 0.7, 0.9] {
        let up = Self.run(table, pulse, [-1], rate: 1, first: 0, [x], [1 - x])
        let down = Self.run(table, pulse, [1], rate: 1, first: 0, [x], [1 - x])
        let rise = Double(up.plus[0] - up.minus[0] - (2 * x - 1))
        let fall = Double((2 * x - 1) - (down.plus[0] - down.minus[0]))
        #expect(abs(rise / fall - exp(Double(-nu * (2 * x - 1)))) < 2e-3)
        #expect(abs(up.plus[0] + up.minus[0] - 1) < 1e-6 && abs(down.plus[0] + down.minus[0] - 1) < 1e-6)
        if x == 0.5 { #expect(abs(rise - 2e-3 * exp(Double(-nu) / 2)) < 1e-6) }
      }
    }
  }

  @Test("no gradient, no pulse, no noise")
  func silence() {
    for (_, table) in Self.bodies {
      let (plus, minus) = (Self.uniforms(70, seed: 2), Self.uniforms(70, seed: 3))
      var g = [Float](repeating: 0, count: 70)
      g[40] = 1
      let found = Self.run(table, Self.pulses[5], g, rate: 1, first: 0, plus, minus)
      for e in 0..<70 where e != 40 { #expect(found.plus[e] == plus[e] && found.minus[e] == minus[e]) }
      #expect(found.pulses >= 600 && found.pulses <= 602)
    }
  }

  // MARK: Converters

  /// The AVX2 body fuses a product and a sum, so that the nearest of ties may differ.
  @Test(
    "both bodies convert inputs alike, but for ties", arguments: [Float(0), 1, 127, 32767],
    [(Float(0), 37), (0.7, 37), (0, 5), (0, 16)])
  func inputsAgree(levels: Float, item: (range: Float, n: Int)) throws {
    guard Self.bodies.count == 2 else { return }
    let (range, n) = item
    let (rows, stride) = (9, 41)
    var x = Self.gaussians(rows * stride, seed: 7)
    for j in 0..<n { x[3 * stride + j] = 0 }
    for j in 0..<n { x[4 * stride + j] *= 1e-40 }
    let results = Self.bodies.map { body in
      var q = [Float](repeating: 9, count: rows * n)
      var scales = [Float](repeating: 9, count: rows)
      let clips = body.table.quantizeRows(rows, n, x, stride, levels, range, &q, n, &scales)
      return (q, scales, clips)
    }
    #expect(results[0].1 == results[1].1 && results[0].2 == results[1].2)
    let gaps = zip(results[0].0, results[1].0).map { abs($0 - $1) }.filter { $0 > 1e-6 }
    #expect(gaps.count <= 2 && gaps.allSatisfy { $0 < 1.01 / max(levels, 1) })
    let (q, scales, clips) = results[0]
    #expect(q.allSatisfy { abs($0) <= 1.000_001 })
    #expect(
      clips
        == (range == 0
          ? 0
          : UInt64(
            (0..<rows).reduce(0) { sum, r in
              sum + (0..<n).filter { abs(x[r * stride + $0]) > range }.count
            })))
    for r in 0..<rows {
      let largest = x[r * stride..<r * stride + n].map { abs($0) }.max()!
      #expect(scales[r] == (range == 0 ? largest : range))
    }
  }

  @Test(
    "outputs are converted as written: round half to even, clip, count; both bodies agree", arguments: [0, 1],
    [53, 5, 8, 1])
  func outputs(first: Int32, n: Int) {
    let rows = 7
    let levels: Float = 7
    let step: Float = 0.125
    // Multiples of a quarter step: ties included, all exact.
    let partial = Self.gaussians(rows * n, seed: 8).map { ($0 * 20).rounded() * step / 4 }
    let scales: [Float] = [1, 0.5, 2, 4, 0, 0.25, 8]
    for (name, table) in Self.bodies {
      var y = [Float](repeating: 3, count: rows * n)
      let clips = table.accumulateConverted(rows, n, partial, n, scales, step, levels, 2, first, &y, n)
      var expected = UInt64(0)
      for e in 0..<(rows * n) {
        let t = partial[e] / step
        if abs(t) > levels { expected += 1 }
        let value = min(levels, max(-levels, t.rounded(.toNearestOrEven))) * step * scales[e / n] * 2
        #expect(y[e] == (first == 1 ? value : 3 + value), "\(name)")
      }
      #expect(clips == expected && (clips > 10 || n < 53))
    }
  }

  @Test("effective weights of both bodies agree with Float64", arguments: [false, true])
  func effective(distorted: Bool) {
    let n = 77
    let (plus, minus) = (Self.uniforms(n, seed: 2), Self.uniforms(n, seed: 3))
    let (a, b) = (Self.uniforms(n, seed: 4), Self.uniforms(n, seed: 5))
    for (name, table) in Self.bodies {
      var w = [Float](repeating: 0, count: n)
      if distorted {
        table.effectiveWeights(n, 3, 0.1, 0, plus, minus, a, b, &w)
      } else {
        table.effectiveWeights(n, 3, 0.1, 0, plus, minus, nil, nil, &w)
      }
      for e in 0..<n {
        let (p, m) = (Double(plus[e]), Double(minus[e]))
        let expected =
          distorted
          ? 3 * ((p + Double(Float(0.1))) * Double(a[e]) - (m + Double(Float(0.1))) * Double(b[e])) : 3 * (p - m)
        #expect(abs(Double(w[e]) - expected) < 1e-6, "\(name)")
      }
    }
  }
  @Test("a single device holds scale·(x + floor)·d + offset", arguments: [false, true])
  func effectiveSingle(distorted: Bool) {
    let n = 43
    let (x, d) = (Self.uniforms(n, seed: 2), Self.uniforms(n, seed: 4))
    for (name, table) in Self.bodies {
      var w = [Float](repeating: 0, count: n)
      if distorted {
        table.effectiveWeights(n, 3, 0.25, -2, x, nil, d, nil, &w)
      } else {
        table.effectiveWeights(n, 3, 0.25, -2, x, nil, nil, nil, &w)
      }
      for e in 0..<n {
        #expect(abs(w[e] - (3 * (x[e] + 0.25) * (distorted ? d[e] : 1) - 2)) < 1e-6, "\(name)")
      }
    }
  }

  // MARK: Trains

  @Test(
    "coincidences of pulse trains are binomial (chi-square)",
    arguments: [(31, 0.4), (31, 12.0), (31, 25.0), (7, 3.5), (1, 0.3)])
  func trains(slots: Int, wanted: Double) {
    let n = 64_000
    for (name, table) in Self.bodies {
      var k = [Float](repeating: 0, count: n)
      let total = table.pulseCounts(
        n, [Float](repeating: -1, count: n), Float(wanted), Self.stream, 0, Int32(slots), &k)
      #expect(k.allSatisfy { $0 <= 0 && $0 >= -Float(slots) && $0 == $0.rounded() }, "\(name)")
      #expect(total == -k.reduce(0.0) { $0 + Double($1) })
      var counts = [Int](repeating: 0, count: slots + 1)
      for v in k { counts[Int(-v)] += 1 }
      let p = wanted / Double(slots)
      var (statistic, bins) = (0.0, 0)
      var (seen, expected) = (0.0, 0.0)
      for t in 0...slots {
        let logBinomial = lgamma(Double(slots) + 1) - lgamma(Double(t) + 1) - lgamma(Double(slots - t) + 1)
        expected += Double(n) * exp(logBinomial + Double(t) * log(p) + Double(slots - t) * log(1 - p))
        seen += Double(counts[t])
        // Bins of fewer than ten are joined.
        if expected >= 10 || t == slots {
          statistic += (seen - expected) * (seen - expected) / max(expected, 1)
          bins += 1
          (seen, expected) = (0, 0)
        }
      }
      // Mean bins − 1, variance 2·(bins − 1): five standard deviations.
      #expect(
        statistic < Double(bins - 1) + 5 * (2 * Double(bins - 1)).squareRoot() + 3, "\(name) \(statistic) \(bins)")
    }
  }

  @Test("more than the slots saturates; what is no number stays so")
  func trainLimits() {
    for (_, table) in Self.bodies {
      var k = [Float](repeating: 0, count: 4)
      _ = table.pulseCounts(4, [100, -100, 0, .nan], 1, Self.stream, 0, 31, &k)
      #expect(k[0] == 31 && k[1] == -31 && k[2] == 0 && k[3].isNaN)
    }
  }

  // MARK: Line sums

  @Test(
    "line sums are the closed form in Float64, whole and cut tiles",
    arguments: [(64, 64), (7, 3), (8, 1), (1, 5), (65, 9)],
    [false, true])
  func lineSums(size: (m: Int, n: Int), varied: Bool) {
    let (m, n) = size
    let ld = m + 3
    let x = Self.uniforms(n * ld, seed: 1)
    let f = Self.uniforms(n * ld, seed: 2).map { 0.5 + $0 }
    let (wire, driver, sense, floor, gain) = (Float(2e-4), Float(1e-3), Float(3e-3), Float(0.11), Float(-2))
    for (name, table) in Self.bodies {
      var w = [Float](repeating: 5, count: n * ld)
      var scratch = [Float](repeating: .nan, count: (2 * (n + 15) + 3) * (m + 15) + n + 15)
      var tile = CKTile(
        wordLines: Int32(m), bitLines: Int32(n), ld: ld, floor: floor, wire: wire, driver: driver, sense: sense,
        gain: gain, accumulate: 1)
      table.lineSums(&tile, x, varied ? f : nil, &w, &scratch)
      func g(_ i: Int, _ j: Int) -> Double { Double((x[j * ld + i] + floor) * (varied ? f[j * ld + i] : 1)) }
      for j in 0..<n {
        for i in 0..<m {
          var (a, b) = (0.0, 0.0)
          for k in 0...j {
            a += Double(k == 0 ? driver + wire : wire) * (k..<n).reduce(0.0) { $0 + g(i, $1) }
          }
          for k in i..<m {
            b += Double(k == m - 1 ? sense + wire : wire) * (0...k).reduce(0.0) { $0 + g($1, j) }
          }
          let expected = 5 + Double(gain) * g(i, j) / (1 + a + b)
          #expect(abs(Double(w[j * ld + i]) - expected) < 3e-6, "\(name) \(i) \(j)")
        }
        for i in m..<ld { #expect(w[j * ld + i] == 5, "beyond the tile") }
      }
    }
  }

  // MARK: Streams and noise

  @Test("the digits of a code, by their significance, add up to it", arguments: [1, 2, 3, 7])
  func streams(bits: Int) {
    let levels: Float = 127
    let q = (-127...127).map { Float($0) / levels }
    for (name, table) in Self.bodies {
      var sum = [Float](repeating: 0, count: q.count)
      for first in stride(from: 0, to: 7, by: bits) {
        var digits = [Float](repeating: 9, count: q.count)
        table.streamDigits(q.count, q, levels, Int32(first), Int32(bits), &digits)
        #expect(digits.allSatisfy { abs($0) <= 1 }, "\(name)")
        for e in 0..<q.count { sum[e] += digits[e] * Float((1 << bits) - 1) * Float(1 << first) / levels }
      }
      for e in 0..<q.count { #expect(abs(sum[e] - q[e]) < 1e-6, "\(name) \(q[e])") }
    }
  }

  @Test("read noise has the variance asked for")
  func noise() {
    let n = 90_000
    let variance = (0..<n).map { $0 % 2 == 0 ? Float(4) : 0.25 }
    for (name, table) in Self.bodies {
      var y = [Float](repeating: 1, count: n)
      table.addNoise(n, Self.stream, 64, variance, &y)
      for (part, sigma) in [(0, 2.0), (1, 0.5)] {
        let noise = stride(from: part, to: n, by: 2).map { Double(y[$0]) - 1 }
        #expect(abs(mean(noise)) < 4 * sigma / Double(n / 2).squareRoot(), "\(name)")
        #expect(abs(CrossbarsTests.variance(noise).squareRoot() / sigma - 1) < 0.02, "\(name)")
      }
    }
  }
}

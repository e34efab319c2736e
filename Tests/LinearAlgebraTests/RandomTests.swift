import CKernels
import Foundation
import LinearAlgebra
import Testing

/// Largest distance between an empirical distribution and `cdf`, times √n (Kolmogorov and Smirnov). Exceeds 1.95 once in
/// a thousand by chance.
private func kolmogorovSmirnov(_ values: [Float], _ cdf: (Double) -> Double) -> Double {
  let sorted = values.sorted()
  let n = Double(sorted.count)
  var largest = 0.0
  for (i, x) in sorted.enumerated() {
    let f = cdf(Double(x))
    largest = max(largest, abs(f - Double(i) / n), abs(f - Double(i + 1) / n))
  }
  return largest * n.squareRoot()
}

/// Deviation of counts from what is expected, in standard deviations (χ² by Wilson and Hilferty's cube root). Cells that
/// expect fewer than ten are put together.
private func chiSquareDeviation(_ observed: [Int], _ expected: [Double]) -> Double {
  var cells: [(observed: Double, expected: Double)] = [(0, 0)]
  for (o, e) in zip(observed, expected) {
    if cells[cells.count - 1].expected >= 10 { cells.append((0, 0)) }
    cells[cells.count - 1].observed += Double(o)
    cells[cells.count - 1].expected += e
  }
  if cells.count > 1, cells[cells.count - 1].expected < 10 {
    let rest = cells.removeLast()
    cells[cells.count - 1].observed += rest.observed
    cells[cells.count - 1].expected += rest.expected
  }
  let statistic = cells.reduce(0) { $0 + ($1.observed - $1.expected) * ($1.observed - $1.expected) / $1.expected }
  let k = Double(max(1, cells.count - 1))
  return (cbrt(statistic / k) - (1 - 2 / (9 * k))) / (2 / (9 * k)).squareRoot()
}

private func normalCDF(_ x: Double) -> Double { 0.5 * erfc(-x / 2.0.squareRoot()) }

private let streams: [RandomStream] = [
  RandomStream(seed: 1, purpose: RandomStream.purpose(kind: 1)),
  RandomStream(seed: 1, purpose: RandomStream.purpose(kind: 1), index: 1),
  RandomStream(seed: 0xDEAD_BEEF_0000_0001, purpose: RandomStream.purpose(kind: 255, owner: 65_535), index: 1 << 40),
]

/// A line of Random123's kat_vectors.
struct KnownAnswer: Sendable {
  let counter: [UInt32]
  let key: [UInt32]
  let answer: [UInt32]
}

struct Binomial: Sendable, CustomTestStringConvertible {
  let trials: Int
  let probability: Double
  var testDescription: String { "\(trials) trials of \(probability)" }
  init(_ trials: Int, _ probability: Double) { (self.trials, self.probability) = (trials, probability) }
}

@Suite("Random numbers") struct RandomTests {
  @Test(
    "a Philox4x32-10 block is that of Random123's known answers",
    arguments: [
      KnownAnswer(
        counter: [0, 0, 0, 0], key: [0, 0], answer: [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
      KnownAnswer(
        counter: [0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff], key: [0xffff_ffff, 0xffff_ffff],
        answer: [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
      KnownAnswer(
        counter: [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], key: [0xa409_3822, 0x299f_31d0],
        answer: [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]),
    ])
  func knownAnswers(known: KnownAnswer) {
    var out = [UInt32](repeating: 0, count: 4)
    ckPhilox(known.counter, known.key, &out)
    #expect(out == known.answer)
  }

  @Test("element e of a stream is word (e/8) mod 4 of block 8·(e/32) + e mod 8", arguments: streams)
  func layout(stream: RandomStream) {
    var bits = [UInt32](repeating: 0, count: 1000)
    stream.fillBits(&bits, count: 1000)
    let key = [UInt32(truncatingIfNeeded: stream.seed), UInt32(truncatingIfNeeded: stream.seed >> 32)]
    for e in 0..<1000 {
      let counter = [
        UInt32(8 * (e / 32) + e % 8), UInt32(truncatingIfNeeded: stream.index),
        UInt32(truncatingIfNeeded: stream.index >> 32), stream.purpose,
      ]
      var block = [UInt32](repeating: 0, count: 4)
      ckPhilox(counter, key, &block)
      #expect(bits[e] == block[e / 8 % 4])
    }
  }

  @Test("a fill is the same however it is cut, and writes nothing past its end", arguments: [1, 31, 32, 33, 500])
  func chunks(count: Int) {
    let stream = streams[2]
    let uniform = stream.uniforms(1024)
    let gaussian = stream.gaussians(1024)
    var bits = [UInt32](repeating: 0, count: 1024)
    stream.fillBits(&bits, count: 1024)
    for first in [0, 32, 512] {
      var u = [Float](repeating: -9, count: count + 8)
      var g = u
      var b = [UInt32](repeating: 9, count: count + 8)
      stream.fillUniform(&u, count: count, first: first)
      stream.fillGaussian(&g, count: count, first: first)
      stream.fillBits(&b, count: count, first: first)
      #expect(Array(u.prefix(count)) == Array(uniform[first..<first + count]))
      #expect(Array(g.prefix(count)) == Array(gaussian[first..<first + count]))
      #expect(Array(b.prefix(count)) == Array(bits[first..<first + count]))
      #expect(u[count...].allSatisfy { $0 == -9 } && g[count...].allSatisfy { $0 == -9 })
      #expect(b[count...].allSatisfy { $0 == 9 })
    }
  }

  @Test("portable and AVX2 bodies draw the same bits and uniforms, and Gaussians to rounding", arguments: streams)
  func bodies(stream: RandomStream) {
    guard let fast = ckAVX2() else { return }
    for n in [1, 31, 32, 77, 4096] {
      for first in [0, 64] {
        var bits = [[UInt32]](repeating: [UInt32](repeating: 0, count: n), count: 2)
        var uniforms = [[Float]](repeating: [Float](repeating: 0, count: n), count: 2)
        var gaussians = uniforms
        for (i, body) in [ckPortable.pointee, fast.pointee].enumerated() {
          body.randomBits(stream.c, first, n, &bits[i])
          body.uniform(stream.c, first, n, &uniforms[i])
          body.gaussian(stream.c, first, n, &gaussians[i])
        }
        #expect(bits[0] == bits[1])
        #expect(uniforms[0] == uniforms[1])
        let difference = zip(gaussians[0], gaussians[1]).map { abs($0 - $1) }.max()!
        #expect(difference <= 3e-6)
      }
    }
  }

  @Test("uniform fills are uniform on the open interval", arguments: streams)
  func uniformLaw(stream: RandomStream) {
    let values = stream.uniforms(1 << 20)
    #expect(values.allSatisfy { $0 > 0 && $0 < 1 })
    #expect(kolmogorovSmirnov(values) { $0 } < 1.95)
  }

  @Test("Gaussian fills are standard normal, tails included", arguments: streams)
  func gaussianLaw(stream: RandomStream) {
    let n = 1 << 20
    let values = stream.gaussians(n)
    #expect(kolmogorovSmirnov(values, normalCDF) < 1.95)
    var moments = [0.0, 0.0, 0.0, 0.0]
    for x in values.map(Double.init) {
      var power = 1.0
      for k in 0..<4 {
        power *= x
        moments[k] += power / Double(n)
      }
    }
    // Standard deviations of the sample moments of a normal law: 1, √2, √15, √96 over √n.
    for (k, expected) in [0.0, 1, 0, 3].enumerated() {
      let deviation = [1.0, 2, 15, 96][k].squareRoot() / Double(n).squareRoot()
      #expect(abs(moments[k] - expected) < 4 * deviation, "moment \(k + 1)")
    }
    // P(|x| > 4) = 6.334e-5.
    let far = 6.334e-5 * Double(n)
    #expect(abs(Double(values.count { abs($0) > 4 }) - far) < 4 * far.squareRoot())
    #expect(values.allSatisfy { abs($0) < 5.8 })
  }

  @Test("elements are uncorrelated with their neighbours and with the neighbouring streams'")
  func independence() {
    let n = 1 << 18
    let base = RandomStream(seed: 7, purpose: 3 << 24, index: 5)
    let values = base.gaussians(n + 64)
    func correlation(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Double {
      var sum = 0.0
      for (x, y) in zip(a, b) { sum += Double(x) * Double(y) }
      return sum / Double(n).squareRoot()
    }
    // 67 comparisons: one beyond 4.2 standard deviations in five hundred choices of seed.
    for lag in 1...64 { #expect(abs(correlation(values[0..<n], values[lag..<lag + n])) < 4.2, "lag \(lag)") }
    for other in [
      RandomStream(seed: 8, purpose: 3 << 24, index: 5), RandomStream(seed: 7, purpose: 3 << 24, index: 6),
      RandomStream(seed: 7, purpose: 3 << 24 | 1 << 8, index: 5),
    ] {
      #expect(abs(correlation(values[0..<n], other.gaussians(n)[0..<n])) < 4.2)
    }
  }

  @Test("sequential draws follow their laws", arguments: [1, 2, 3] as [UInt64])
  func sequence(seed: UInt64) {
    var draws = RandomSequence(RandomStream(seed: seed, purpose: 0))
    let n = 200_000
    let uniforms = (0..<n).map { _ in Float(draws.uniform()) }
    #expect(kolmogorovSmirnov(uniforms) { $0 } < 1.95)
    let gaussians = (0..<n).map { _ in Float(draws.gaussian()) }
    #expect(kolmogorovSmirnov(gaussians, normalCDF) < 1.95)
    for p in [0.0, 0.001, 0.3, 0.97, 1] {
      var successes = 0
      for _ in 0..<n where draws.bernoulli(p) { successes += 1 }
      let deviation = (Double(n) * p * (1 - p)).squareRoot()
      #expect(abs(Double(successes) - Double(n) * p) <= 4 * deviation, "p = \(p)")
    }
    var dice = [Int](repeating: 0, count: 6)
    for _ in 0..<n { dice[draws.below(6)] += 1 }
    #expect(chiSquareDeviation(dice, [Double](repeating: Double(n) / 6, count: 6)) < 3.3)
  }

  @Test("a sequence is the words of consecutive blocks, two to a draw")
  func words() {
    let stream = streams[1]
    var draws = RandomSequence(stream)
    for block in 0..<4 {
      var out = [UInt32](repeating: 0, count: 4)
      ckPhilox([UInt32(block), 1, 0, stream.purpose], [1, 0], &out)
      #expect(draws.next() == UInt64(out[0]) | UInt64(out[1]) << 32)
      #expect(draws.next() == UInt64(out[2]) | UInt64(out[3]) << 32)
    }
  }

  @Test(
    "binomial draws follow the binomial law: by inversion, by rejection, and mirrored",
    arguments: [
      Binomial(1, 0.5), Binomial(20, 0.1), Binomial(100, 0.0999), Binomial(100, 0.1), Binomial(60, 0.4),
      Binomial(1000, 0.5), Binomial(1_000_000, 0.2), Binomial(100_000_000, 1e-8), Binomial(1_000_000_000, 0.03),
      Binomial(50, 0.95), Binomial(1000, 0.7),
    ])
  func binomialLaw(law: Binomial) {
    let trials = law.trials
    let p = law.probability
    var draws = RandomSequence(RandomStream(seed: 11, purpose: 1, index: UInt64(trials)))
    let n = 200_000
    var counts: [Int: Int] = [:]
    for _ in 0..<n { counts[draws.binomial(trials, p), default: 0] += 1 }
    #expect(counts.keys.allSatisfy { $0 >= 0 && $0 <= trials })
    let mean = Double(trials) * p
    let deviation = (mean * (1 - p)).squareRoot()
    let low = max(0, Int(mean - 8 * deviation))
    let high = min(trials, Int(mean + 8 * deviation) + 12)
    // Cells of at most an eighth of a standard deviation.
    let width = max(1, Int(deviation / 8))
    let cells = (high - low) / width + 1
    var observed = [Int](repeating: 0, count: cells)
    var expected = [Double](repeating: 0, count: cells)
    for (k, count) in counts where k >= low && k <= high { observed[(k - low) / width] += count }
    func probability(_ k: Int) -> Double {
      let successes = Double(k)
      let failures = Double(trials - k)
      var logarithm: Double = Elementary.lgamma(Double(trials) + 1)
      logarithm -= Elementary.lgamma(successes + 1)
      logarithm -= Elementary.lgamma(failures + 1)
      logarithm += successes * Elementary.log(p)
      logarithm += failures * Elementary.log(1 - p)
      return Elementary.exp(logarithm)
    }
    for k in low...high { expected[(k - low) / width] += probability(k) * Double(n) }
    #expect(observed.reduce(0, +) == n)
    #expect(abs(expected.reduce(0, +) - Double(n)) < 1e-3 * Double(n))
    #expect(chiSquareDeviation(observed, expected) < 3.3)
  }

  @Test("a binomial is certain where it must be")
  func certainBinomials() {
    var draws = RandomSequence(streams[0])
    for n in [0, 1, 17, 1_000_000] {
      #expect(draws.binomial(n, 0) == 0)
      #expect(draws.binomial(n, 1) == n)
    }
    #expect(draws.binomial(0, 0.5) == 0)
  }

  @Test("a permutation holds every number once", arguments: [0, 1, 2, 3, 10, 1000])
  func permutations(count: Int) {
    let order = streams[0].permutation(count)
    #expect(order.sorted() == Array(0..<count))
    #expect(order == streams[0].permutation(count))
    if count == 1000 {
      #expect(order != streams[1].permutation(count))
      #expect(order != Array(0..<count))
    }
  }

  @Test("all orders of four are equally likely")
  func fairPermutations() {
    var counts = [Int](repeating: 0, count: 256)
    let n = 48_000
    for i in 0..<n {
      let o = RandomStream(seed: 3, purpose: 2 << 24, index: UInt64(i)).permutation(4)
      counts[o[0] << 6 | o[1] << 4 | o[2] << 2 | o[3]] += 1
    }
    let seen = counts.filter { $0 > 0 }
    #expect(seen.count == 24)
    #expect(chiSquareDeviation(seen, [Double](repeating: Double(n) / 24, count: 24)) < 3.3)
  }

  @Test("purposes of different kinds and owners never meet")
  func purposes() {
    var all = Set<UInt32>()
    for kind in [0, 1, 9, 255] {
      for owner in [0, 1, 255, 256, 65_535] {
        for consecutive in 0..<4 {
          #expect(all.insert(RandomStream.purpose(kind: kind, owner: owner) + UInt32(consecutive)).inserted)
        }
      }
    }
  }
}

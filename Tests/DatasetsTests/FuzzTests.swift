import Foundation
import Testing

@testable import Datasets

/// Changed copies of valid files, by a seeded generator: each must be read or refused, never trap, never take long.
///
/// SIMENGINE_FUZZ_ITERATIONS sets the number of files for each format (default 20,000; a release runs 1,000,000).
@Suite("Fuzzing")
struct FuzzTests {
  static let iterations = ProcessInfo.processInfo.environment["SIMENGINE_FUZZ_ITERATIONS"].flatMap { Int($0) } ?? 20_000

  enum Format: String, CaseIterable {
    case idx, gzip, cifar10, cifar100, npy, safetensors, csv
  }

  @Test("changed files are read or refused, each within a second and a gigabyte", arguments: Format.allCases)
  func survives(_ format: Format) throws {
    let (seeds, parse) = try Self.target(format)
    let before = Self.peakKilobytes()
    var mutator = Mutator(seed: 0x5eed)
    var (accepted, refused) = (0, 0)
    var slowest = 0.0
    for _ in 0..<Self.iterations {
      let input = mutator.mutate(seeds[mutator.below(seeds.count)], other: seeds[mutator.below(seeds.count)])
      let start = Self.processorSeconds()
      do {
        try parse(input)
        accepted += 1
      } catch is DataError {
        refused += 1
      } catch {
        Issue.record("threw \(error), a DataError was expected")
      }
      slowest = max(slowest, Self.processorSeconds() - start)
    }
    #expect(slowest < 1, "the slowest input took \(slowest) s")
    #expect(Self.peakKilobytes() - before < 1 << 20, "more than a gigabyte was allocated")
    #expect(refused > 0 || Self.iterations < 100, "nothing was refused: the mutator is idle")
    print("fuzz \(format.rawValue): \(accepted) accepted, \(refused) refused, slowest \(slowest) s")
  }

  /// Valid files, and how they are read.
  private static func target(_ format: Format) throws -> ([[UInt8]], ([UInt8]) throws -> Void) {
    func files(_ names: [String]) throws -> [[UInt8]] { try names.map { try FileBytes.read(fixture($0)) } }
    switch format {
    case .idx:
      return (
        try files(["u1", "i1", "i2", "i4", "f4", "f8"].map { "idx-\($0).idx" }), { _ = try IDX.parse($0, name: "x") }
      )
    case .gzip:
      let names = ["idx-u1.idx.gz", "idx-u1-members.idx.gz", "idx-bomb.idx.gz", "idx-huge.idx.gz"]
      return (try files(names), { _ = try IDX.parse($0, name: "x") })
    case .cifar10: return (try files(["cifar10.bin"]), { _ = try CIFAR.parse($0, .cifar10, name: "x") })
    case .cifar100: return (try files(["cifar100.bin"]), { _ = try CIFAR.parse($0, .cifar100, name: "x") })
    case .npy:
      let names = [
        "f2-big-F", "f4-little-C", "f8-big-C", "i8-little-F", "b1-little-C", "version-2", "version-3", "empty",
        "scalar", "record",
      ]
      return (try files(names.map { "npy-\($0).npy" }), { _ = try Npy.parse($0, name: "x") })
    case .safetensors:
      let names = ["types", "reversed", "nan"].map { "\($0).safetensors" }
      return (try files(names), { _ = try Safetensors.parse($0, name: "x", finite: $0.count % 2 == 0) })
    case .csv: return (try files(["table-lf.csv", "table-crlf.csv"]), { _ = try CSV.parse($0, name: "x") })
    }
  }

  private static func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  /// The largest size the process's memory ever had, also where it was never touched.
  private static func peakKilobytes() -> Int {
    guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
      let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmPeak:") })
    else { return 0 }
    return line.split(separator: " ").compactMap { Int($0) }.first ?? 0
  }
}

/// Cuts, splices and overwrites bytes; knows no format, but likes the numbers on which readers stumble.
struct Mutator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  /// SplitMix64.
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }

  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(max(bound, 1))) }

  private static let bytes: [UInt8] = [0, 1, 2, 10, 13, 34, 39, 44, 48, 57, 91, 93, 123, 125, 127, 128, 254, 255]
  private static let words: [UInt64] = [
    0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000, 0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, .max,
    0x0100_0000, 0x3fff_ffff_ffff_ffff,
  ]
  private static let texts = [
    "9223372036854775807", "-1", "4294967296", "0", "1e308", "null", "(", ")", "'", "\"", "]]", "{\"", "\\u0000",
  ]

  mutating func mutate(_ seed: [UInt8], other: [UInt8]) -> [UInt8] {
    var bytes = seed
    for _ in 0...below(4) {
      let place = below(bytes.count + 1)
      // Most of what matters stands in front.
      let front = below(2) == 0 ? below(min(bytes.count, 160)) : below(bytes.count)
      switch below(10) {
      case 0 where !bytes.isEmpty: bytes[front] ^= 1 << UInt8(below(8))
      case 1 where !bytes.isEmpty: bytes[front] = Self.bytes[below(Self.bytes.count)]
      case 2 where !bytes.isEmpty: bytes[front] = UInt8(truncatingIfNeeded: next())
      case 3: bytes.removeSubrange(place...)
      case 4:
        let end = min(bytes.count, place + 1 + below(16))
        bytes.removeSubrange(place..<max(place, end))
      case 5:
        bytes.insert(
          contentsOf: [UInt8](repeating: Self.bytes[below(Self.bytes.count)], count: 1 + below(8)), at: place)
      case 6:
        let word = below(2) == 0 ? Self.words[below(Self.words.count)] : Self.words[below(Self.words.count)].byteSwapped
        let size = below(2) == 0 ? 4 : 8
        let part = (0..<size).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
        if front + size <= bytes.count { bytes.replaceSubrange(front..<front + size, with: part) }
      case 7: bytes.insert(contentsOf: Self.texts[below(Self.texts.count)].utf8, at: min(front, bytes.count))
      case 8 where !bytes.isEmpty:
        let end = min(bytes.count, front + 1 + below(64))
        bytes.insert(contentsOf: bytes[front..<end], at: place)
      default:
        let cut = below(other.count + 1)
        bytes = Array(bytes[..<place]) + other[cut...]
      }
    }
    return bytes
  }
}

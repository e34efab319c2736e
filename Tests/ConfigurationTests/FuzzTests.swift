import Testing

@testable import Configuration

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite("Fuzzing")
struct FuzzTests {
  /// Enough for every build; set SIMENGINE_FUZZ_ITERATIONS=1000000 for the long run.
  private static let iterations = getenv("SIMENGINE_FUZZ_ITERATIONS").flatMap { Int(String(cString: $0)) } ?? 20_000

  private static let fragments = [
    "{", "}", "[", "]", ",", ":", "\"", "'", "\\", "\\u", "\\ud800", "//", "/*", "*/", "\n", "-", "+", ".", "1e999",
    "0x",
    "NaN", "Infinity", "null", "true", "64.5", "1e20", "9223372036854775808", "-0", "\"kind\"", "\"train\":{}",
    "\"label\"",
    "\u{FEFF}", "é", "\u{2028}", "[[[[[[[[", "{\"a\":{\"a\":", "\0", "\"auto\"", "epochs", "\"preset\":\"ag-si\",",
  ].map { Array($0.utf8) }

  private func mutate(_ bytes: inout [UInt8], _ random: inout SplitMix64) {
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      let at = Int.random(in: 0...bytes.count, using: &random)
      let end = min(bytes.count, at + Int.random(in: 0...12, using: &random))
      switch Int.random(in: 0..<6, using: &random) {
      case 0: bytes.removeSubrange(at..<end)
      case 1: if at < bytes.count { bytes[at] = UInt8.random(in: 0...255, using: &random) }
      case 2: bytes.insert(contentsOf: Self.fragments.randomElement(using: &random) ?? [], at: at)
      case 3: bytes.insert(contentsOf: Array(bytes[at..<end]), at: Int.random(in: 0...bytes.count, using: &random))
      case 4: if at < bytes.count { bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random) }
      default: if Int.random(in: 0..<8, using: &random) == 0 { bytes.removeSubrange(at...) }
      }
    }
  }

  @Test("no bytes at all make the parser, the decoder, the writer or the paths trap; what is accepted round-trips")
  func mutations() throws {
    var random = SplitMix64(state: 1)
    let seeds = sampleTexts.map { Array($0.utf8) }
    var (parsed, accepted) = (0, 0)
    for iteration in 0..<Self.iterations {
      var bytes = seeds[iteration % seeds.count]
      mutate(&bytes, &random)
      let json: JSON
      do {
        json = try JSON.parse(bytes, file: "t", dialect: iteration % 8 == 0 ? .strict : .json5)
      } catch {
        if error.description.isEmpty { Issue.record("an error without a sentence") }
        continue
      }
      parsed += 1
      let decoded = Sample.decode(json)
      if let value = decoded.value {
        accepted += 1
        let resolved = value.resolved
        let again = Sample.decode(try JSON.parse(resolved.written(pretty: true), dialect: .strict))
        if again.value?.resolved.canonical != resolved.canonical { Issue.record("\(resolved.written())") }
      } else if decoded.diagnostics.description.isEmpty {
        Issue.record("a refusal without a sentence")
      }
      let option = String(decoding: bytes.prefix(40), as: UTF8.self)
      _ = try? json.setting(option: "stages.\(iteration % 5).\(option)")
      _ = try? json.setting(option: option)
    }
    #expect(parsed > Self.iterations / 20 && accepted > Self.iterations / 200)
  }
}

/// Steele, Lea and Flood's SplitMix64: the same mutations in every run.
private struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

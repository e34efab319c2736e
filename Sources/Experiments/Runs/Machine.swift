import CProcess
import Configuration
import Glibc
import LinearAlgebra

/// What a run ran on, for result.json.
enum Machine {
  static func description(threads: Int) -> JSON {
    .object([
      ("processor", .string(processor)), ("cores", .integer(cores)),
      ("threads", .integer(threads)), ("blas", .string(BLAS.description)), ("kernels", .string(kernelsDescription)),
    ])
  }

  static var cores: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }
  /// The cores that this process may use: fewer than there are under taskset or a scheduler.
  static var availableCores: Int {
    let allowed = Int(cpAvailableProcessors())
    return allowed > 0 ? min(allowed, cores) : cores
  }
  /// Bytes of physical memory.
  static var memory: Double { Double(sysconf(Int32(_SC_PHYS_PAGES))) * Double(sysconf(Int32(_SC_PAGESIZE))) }

  private static let processor: String = {
    guard let file = fopen("/proc/cpuinfo", "r") else { return "unknown" }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 512)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      guard text.hasPrefix("model name"), let colon = text.firstIndex(of: ":") else { continue }
      return String(text[text.index(after: colon)...].drop { $0 == " " }.prefix { $0 != "\n" })
    }
    return "unknown"
  }()
}

import Configuration
import Datasets
import Glibc

/// How a run ended.
enum RunStatus: String, Sendable { case done, diverged, failed }

/// One run as tables and reports see it.
struct RunRecord: Sendable {
  var folder: String
  var id: String
  var name = ""
  var status = RunStatus.done
  /// Why it diverged or failed, a sentence.
  var message = ""
  var metrics: [String: Double] = [:]
  /// Names of the metrics in the order of the file.
  var metricNames: [String] = []
  /// The label of a sweep's point that has one.
  var label: String?
  /// Whether it is a point of a sweep.
  var isPoint = false
  /// What a sweep sets, as written; where configurations are compared, their values at the paths in which they differ.
  var values: [String: JSON] = [:]
  /// Of what a sweep's point leaves as configured: what was asked for.
  var configured: [String: Configured] = [:]
  /// The resolved configuration, where configurations are compared. Points of one sweep have none, whether they were read
  /// from its index or from their own files: a value that only some of them knew would part what is alike.
  var config: JSON?
  var origin = RunOrigin()

  /// What the resolved configuration has at a path that the point does not set.
  struct Configured: Sendable {
    var value: JSON
    /// In tables, which objects and lists would tear apart; nil if there is no short form.
    var name: JSON?
  }

  /// A value of the configuration, as tables have it.
  func value(at path: String) -> JSON? {
    values[path] ?? configured[path]?.name ?? config?.resolvedValue(at: path)
  }

  /// The value with all that is inside, as conditions have it.
  func whole(at path: String) -> JSON? {
    values[path] ?? configured[path]?.value ?? config?.resolvedValue(at: path)
  }
}

extension JSON {
  /// A value of a resolved configuration.
  func resolvedValue(at path: String) -> JSON? { value(at: resolvedPath(path)) }

  /// A path in a resolved configuration, in which the one model is called main whatever the user wrote.
  func resolvedPath(_ path: String) -> String {
    guard path == "model" || path.hasPrefix("model."), value(at: path) == nil else { return path }
    return "models.main" + path.dropFirst("model".count)
  }
}

/// What a result was made by: bits are promised for one engine on one type of machine.
struct RunOrigin: Hashable, Sendable {
  var version = ""
  /// result.json's "machine", compact.
  var machine = ""

  /// Processor, BLAS and kernels: what can change bits. Not cores or threads, which do not.
  var machineType: String {
    guard let json = try? JSON.parse(machine, dialect: .strict) else { return machine }
    return ["processor", "blas", "kernels"].compactMap { json[$0]?.string }.joined(separator: ", ")
  }
}

/// Reads what tables need of result.json. Its stages, most of its bytes, are passed over.
enum ResultFile {
  /// - Throws: `RunError`, a sentence without the path, for what is no run's result or was cut short.
  static func read(_ folder: String) throws(RunError) -> RunRecord {
    let bytes: [UInt8]
    do { bytes = try FileBytes.read("\(folder)/result.json") } catch { throw RunError("\(error)") }
    let json = try members(bytes)
    guard let id = json["runID"]?.string, let config = json["config"], config.members != nil else {
      throw RunError("it is no run's result: it lacks runID or config")
    }
    let status = json["status"]?.string ?? "unknown"
    guard let known = RunStatus(rawValue: status) else { throw RunError("its status is \(status)") }
    var run = RunRecord(folder: folder, id: id)
    run.name = json["name"]?.string ?? ""
    run.status = known
    run.message = json["message"]?.string ?? ""
    run.config = config
    run.origin = RunOrigin(
      version: json["version"]?.string ?? "", machine: json["machine"].map { $0.written() } ?? "")
    for m in json["metrics"]?.members ?? [] {
      guard let value = m.value.double, run.metrics.updateValue(value, forKey: m.key) == nil else { continue }
      run.metricNames.append(m.key)
    }
    return run
  }

  static let timingsPrefix = "timings."

  /// Seconds of the run's stages and their parts; none where the file cannot be read.
  static func timings(_ folder: String) -> [(name: String, seconds: Double)] {
    guard let bytes = try? FileBytes.read("\(folder)/result.json"),
      let range = JSONScanner.members(of: bytes)?.first(where: { $0.key == "timings" })?.range,
      let timings = try? JSON.parse(Array(bytes[range]), dialect: .strict)
    else { return [] }
    var found: [(name: String, seconds: Double)] = []
    for member in timings.members ?? [] {
      guard let seconds = member.value.double else { continue }
      found.append((timingsPrefix + member.key, seconds))
    }
    return found
  }

  /// The members of the file but for its stages; what cannot be cut up is read whole, which finds the error and its line.
  private static func members(_ bytes: [UInt8]) throws(RunError) -> JSON {
    if let ranges = JSONScanner.members(of: bytes) {
      var json = JSON.object([])
      var isWhole = true
      for (key, range) in ranges where key != "stages" && key != "timings" {
        guard let value = try? JSON.parse(Array(bytes[range]), dialect: .strict) else {
          isWhole = false
          break
        }
        json.set(key, value)
      }
      if isWhole { return json }
    }
    do throws(Diagnostic) { return try JSON.parse(bytes, file: "result.json", dialect: .strict) } catch {
      throw RunError("\(error.message) (line \(error.position.line))")
    }
  }

  /// Engine and machine of a run, from the first and the last bytes of its file; nil where these do not say.
  ///
  /// - Parameter known: machines as they were written, with their compact forms; nearly all runs share one.
  static func origin(_ folder: String, known: inout [String: String]) -> RunOrigin? {
    let descriptor = open("\(folder)/result.json", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return nil }
    let size = Int(status.st_size)
    let head = block(descriptor, from: 0, count: min(size, 512))
    guard let version = text(in: head, after: "\n  \"version\": \"", to: "\"") else { return nil }
    let tail = block(descriptor, from: max(0, size - 4096), count: min(size, 4096))
    guard let written = text(in: tail, after: "\n  \"machine\": ", to: "\n  \"timings\"") else { return nil }
    if let machine = known[written] { return RunOrigin(version: version, machine: machine) }
    let value = written.hasSuffix(",") ? String(written.dropLast()) : written
    guard let machine = try? JSON.parse(value, dialect: .strict).written() else { return nil }
    known[written] = machine
    return RunOrigin(version: version, machine: machine)
  }

  private static func block(_ descriptor: Int32, from: Int, count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, got in
      got = max(0, pread(descriptor, buffer.baseAddress, count, off_t(from)))
    }
  }

  private static func text(in bytes: [UInt8], after start: StaticString, to end: StaticString) -> String? {
    bytes.withUnsafeBufferPointer { bytes -> String? in
      func find(_ word: StaticString, from: Int) -> Int? {
        let count = word.utf8CodeUnitCount
        guard from + count <= bytes.count else { return nil }
        return (from...(bytes.count - count)).first { at in
          bytes[at] == word.utf8Start[0] && memcmp(bytes.baseAddress! + at, word.utf8Start, count) == 0
        }
      }
      guard let begin = find(start, from: 0).map({ $0 + start.utf8CodeUnitCount }), let stop = find(end, from: begin)
      else { return nil }
      return String(decoding: UnsafeBufferPointer(rebasing: bytes[begin..<stop]), as: UTF8.self)
    }
  }
}

/// Finds the members of a JSON object without reading their values.
enum JSONScanner {
  /// The key and the bytes of each member's value; nil if the text is no object, or does not end as one.
  static func members(of bytes: [UInt8]) -> [(key: String, range: Range<Int>)]? {
    bytes.withUnsafeBufferPointer { b in
      var i = 0
      func skipSpace() { while i < b.count, [0x20, 0x0a, 0x0d, 0x09].contains(b[i]) { i += 1 } }
      /// Passes over a text that begins at i; false if it does not end.
      func skipText() -> Bool {
        i += 1
        while i < b.count {
          if b[i] == 0x22 {
            i += 1
            return true
          }
          i += b[i] == 0x5c ? 2 : 1
        }
        return false
      }
      /// Passes over a value that begins at i.
      func skipValue() -> Bool {
        var depth = 0
        while i < b.count {
          switch b[i] {
          case 0x22:
            if !skipText() { return false }
            continue
          case 0x7b, 0x5b: depth += 1
          case 0x7d, 0x5d:
            // The end of the object around a scalar.
            if depth == 0 { return true }
            depth -= 1
          case 0x2c where depth == 0: return true
          default: break
          }
          i += 1
        }
        return false
      }
      var found: [(String, Range<Int>)] = []
      skipSpace()
      guard i < b.count, b[i] == 0x7b else { return nil }
      i += 1
      while true {
        skipSpace()
        guard i < b.count else { return nil }
        if b[i] == 0x7d, found.isEmpty { break }
        let start = i
        guard b[i] == 0x22, skipText() else { return nil }
        let key = String(decoding: b[(start + 1)..<(i - 1)], as: UTF8.self)
        skipSpace()
        guard i < b.count, b[i] == 0x3a else { return nil }
        i += 1
        let value = i
        guard skipValue() else { return nil }
        found.append((key, value..<i))
        if b[i] == 0x7d { break }
        i += 1
      }
      i += 1
      skipSpace()
      return i == b.count ? found : nil
    }
  }
}

import Configuration
@testable import Datasets
import Foundation
import Testing

/// A process of the engine, alone or under strace.
final class EngineProcess {
  struct Ended {
    /// nil when a signal ended it.
    var status: Int32?
    var signal: Int32
    var output: String
    var errors: String
    /// Largest resident memory, bytes.
    var memory: Int
  }

  /// The binary that is tested: SIMENGINE_BINARY, or the one that was built together with these tests.
  static let binary: String = {
    if let named = ProcessInfo.processInfo.environment["SIMENGINE_BINARY"] { return named }
    var folder = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    while folder.path != "/" {
      let candidate = folder.appendingPathComponent("simengine").path
      if FileManager.default.isExecutableFile(atPath: candidate), !DurableFile.isFolder(candidate) { return candidate }
      folder.deleteLastPathComponent()
    }
    for build in [".build-tests/release", ".build/release"] {
      let candidate = package + "/\(build)/simengine"
      if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
    }
    return "simengine"
  }()
  static let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  let pid: pid_t
  private let logs: String
  private var ended: Ended?

  /// - Parameters:
  ///   - tracer: strace and its options.
  ///   - logs: where standard output and errors go: `<logs>.out`, `<logs>.err`.
  init(
    _ arguments: [String], tracer: [String] = [], logs: String, environment: [String: String] = [:]
  ) throws {
    self.logs = logs
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(
      &actions, 1, environment["STDOUT"] ?? logs + ".out", O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    posix_spawn_file_actions_addopen(&actions, 2, logs + ".err", O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    // The threads of a test run have signals blocked; the engine must not inherit that.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    let words = tracer + [Self.binary] + arguments
    let argv = words.map { strdup($0) } + [nil]
    let variables = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
    let envp = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for p in argv + envp { free(p) } }
    var pid: pid_t = 0
    let failure = posix_spawnp(&pid, words[0], &actions, &attributes, argv, envp)
    try #require(failure == 0, "\(words[0]): \(String(cString: strerror(failure)))")
    self.pid = pid
  }

  func send(_ signal: Int32) { kill(pid, signal) }

  var isRunning: Bool {
    if ended != nil { return false }
    var information = siginfo_t()
    return waitid(P_PID, id_t(pid), &information, WEXITED | WNOHANG | WNOWAIT) == 0 && information.si_signo == 0
  }

  @discardableResult
  func wait() -> Ended {
    if let ended { return ended }
    var status: Int32 = 0
    var usage = rusage()
    while wait4(pid, &status, 0, &usage) < 0 && errno == EINTR {}
    func text(_ name: String) -> String { String(decoding: (try? FileBytes.read(logs + name)) ?? [], as: UTF8.self) }
    let result = Ended(
      status: status & 0x7F == 0 ? status >> 8 & 0xFF : nil, signal: status & 0x7F, output: text(".out"),
      errors: text(".err"),
      memory: usage.ru_maxrss * 1024)
    ended = result
    return result
  }

  /// Runs to the end.
  static func run(
    _ arguments: [String], tracer: [String] = [], logs: String, environment: [String: String] = [:]
  ) throws -> Ended {
    try EngineProcess(arguments, tracer: tracer, logs: logs, environment: environment).wait()
  }
}

/// A temporary folder with a small but complete experiment: two models, every kind of stage, two epochs.
final class CrashLaboratory: Sendable {
  let folder: String
  /// The configuration.
  var config: String { folder + "/tiny.json" }

  /// - Parameters:
  ///   - text: another experiment over the same data.
  ///   - onDisk: where fsync costs something; otherwise in memory, if there is such a place.
  init(_ text: String? = nil, onDisk: Bool = false) throws {
    let place = !onDisk && access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NSTemporaryDirectory()
    var template = Array((place.hasSuffix("/") ? place + "simengine-XXXXXX" : place + "/simengine-XXXXXX").utf8CString)
    let made = try #require(mkdtemp(&template))
    folder = try #require(realpath(made, nil).map { String(cString: $0) })
    for (part, count) in [("train", 96), ("test", 48)] {
      try Self.writeImages(folder + "/\(part)", count: count, shape: [8, 8, 1], classes: 4)
    }
    try DurableFile.write(text ?? Self.tiny, to: config)
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  /// Arbitrary but fixed pixels and labels, <path>-x.npy and <path>-y.npy.
  static func writeImages(_ path: String, count: Int, shape: [Int], classes: UInt8) throws {
    var state: UInt64 = 88_172_645_463_325_252
    func next() -> UInt8 {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return UInt8(truncatingIfNeeded: state >> 32)
    }
    let pixels = (0..<count * shape.reduce(1, *)).map { _ in next() }
    try Npy.write(NumericArray(shape: [count] + shape, elements: .uint8(pixels)), to: path + "-x.npy")
    try Npy.write(
      NumericArray(shape: [count], elements: .uint8((0..<count).map { _ in next() % classes })), to: path + "-y.npy")
  }

  /// Ends with a training stage, the case in which nothing but the last checkpoint follows the last epoch.
  private static let tiny = """
    { "name": "tiny", "seed": 3, "figures": false,
      "data": { "format": "npy", "train": { "images": "train-x.npy", "labels": "train-y.npy" },
        "test": { "images": "test-x.npy", "labels": "test-y.npy" },
        "augment": { "padding": 1, "flip": true }, "validation": 16 },
      "models": {
        "ideal": { "layers": [ { "kind": "conv2d", "outputs": 3, "kernel": 3 }, "batch-norm", "relu", "max-pool", "flatten",
          "dropout", { "kind": "linear", "outputs": 4 } ],
          "hardware": { "kind": "digital", "weightNoise": 0.05, "weightClip": 3 } },
        "crossbar": { "layers": [ { "kind": "conv2d", "outputs": 3, "kernel": 3 }, "relu", "max-pool", "flatten",
            { "kind": "linear", "outputs": 4 } ],
          "hardware": { "kind": "crossbar", "rows": 16, "columns": 16,
            "device": { "onResistance": 1e5, "offResistance": 1e6, "pulseStep": 1e-2, "updateNonlinearity": 1,
              "updateNoise": 0.3, "programmingNoise": 0.01 },
            "circuit": { "method": "exact", "refreshInterval": 3, "wireResistance": 2.5, "driverResistance": 100,
              "senseResistance": 100 },
            "converters": { "dacBits": 8, "adcBits": 8 } } } },
      "stages": [
        { "train": { "epochs": 2, "batchSize": 16, "optimizer": { "learningRate": 0.05 }, "schedule": "cosine" } },
        { "evaluate": {}, "label": "test" },
        { "map": { "hardware": { "kind": "crossbar", "rows": 16, "columns": 16, "update": "programmed",
            "device": { "onResistance": 1e5, "offResistance": 1e6, "programmingNoise": 0.02 } } },
          "models": ["ideal"], "as": "mapped" },
        { "evaluate": { "chips": 2, "yieldAbove": 0.25 }, "label": "after", "models": ["mapped"] },
        { "predict": {}, "models": ["ideal", "mapped"] },
        { "export": { "output": "deep/er/weights.safetensors" }, "models": ["crossbar"] },
        { "train": { "epochs": 2, "batchSize": 32, "optimizer": { "momentum": 0.9, "learningRate": 0.02 } },
          "label": "finetune", "models": ["ideal", "mapped"] } ] }
    """

  func arguments(_ output: String, _ more: [String] = [], threads: Int = 1) -> [String] {
    ["run", config, "--threads", "\(threads)", "--output", output] + more
  }

  /// Runs the experiment in `<folder>/<name>`.
  func run(_ name: String, _ more: [String] = [], tracer: [String] = [], threads: Int = 1) throws -> EngineProcess.Ended
  {
    try EngineProcess.run(
      arguments("\(folder)/\(name)", more, threads: threads), tracer: tracer, logs: "\(folder)/\(name)")
  }

  /// An untouched run's files. - Throws: when it does not end with status 0.
  func reference(_ name: String, _ more: [String] = [], threads: Int = 1) throws -> RunFiles {
    let ended = try run(name, more, threads: threads)
    try #require(ended.status == 0, "\(ended.errors)")
    return try RunFiles("\(folder)/\(name)")
  }
}

/// What is compared of a run's folder: everything but wall-clock times and the machine.
struct RunFiles: Equatable {
  /// Bytes by path; folders end in "/".
  var files: [String: [UInt8]] = [:]

  init(_ folder: String) throws {
    for case let name as String in try #require(FileManager.default.enumerator(atPath: folder)) {
      let path = folder + "/" + name
      if DurableFile.isFolder(path) { files[name + "/"] = [] } else { files[name] = try FileBytes.read(path) }
    }
    if let bytes = files["result.json"] { files["result.json"] = try Self.withoutTimes(bytes) }
    files["timings.csv"] = files["timings.csv"].map { _ in [] }
    let checkpoint = "state/checkpoint.safetensors"
    if let bytes = files[checkpoint] {
      files[checkpoint] = try Self.withoutTimes(checkpoint: bytes, folder + "/" + checkpoint)
    }
  }

  /// A checkpoint (a run that diverged keeps its last): progress without times, and the tensors' data.
  private static func withoutTimes(checkpoint bytes: [UInt8], _ path: String) throws -> [UInt8] {
    let progress = Array(try #require(try Safetensors.read(path).metadata["progress"]).utf8)
    let headerLength = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    return try withoutTimes(progress) + bytes[(8 + headerLength)...]
  }

  private static func withoutTimes(_ bytes: [UInt8]) throws -> [UInt8] {
    let json = try JSON.parse(bytes, file: "result.json", dialect: .strict)
    let kept = (json.members ?? []).filter { $0.key != "timings" && $0.key != "machine" }
    return Array(JSON.object(kept.map { ($0.key, $0.value) }).written().utf8)
  }

  /// Where two runs differ; empty when they do not.
  func differences(from other: RunFiles) -> [String] {
    Set(files.keys).union(other.files.keys).sorted().compactMap { name in
      if files[name] == other.files[name] { return nil }
      if files[name] == nil { return "\(name) is missing" }
      return other.files[name] == nil ? "\(name) should not be there" : "\(name) differs"
    }
  }

  /// Files of a run under way that have their final name but not what belongs under it.
  static func wrong(in folder: String, reference: RunFiles, allowsPartial: Bool) -> [String] {
    guard let names = FileManager.default.enumerator(atPath: folder) else { return [] }
    return names.compactMap { $0 as? String }.filter { name in
      let path = folder + "/" + name
      if DurableFile.isFolder(path) || name == "state/lock" { return false }
      if name.hasSuffix(DurableFile.temporarySuffix) { return !allowsPartial }
      guard let bytes = try? FileBytes.read(path) else { return true }
      switch name {
      case "state/checkpoint.safetensors": return (try? Safetensors.read(path)) == nil
      case "timings.csv": return !bytes.starts(with: Array("what,seconds\n".utf8)) || bytes.last != 10
      case "epochs.csv": return !(reference.files[name] ?? []).starts(with: bytes) || bytes.last != 10
      case "result.json": return (try? withoutTimes(bytes)) != reference.files[name]
      default: return bytes != reference.files[name]
      }
    }
  }
}

enum Conditions {
  /// Everything, however long it takes: SIMENGINE_TEST_FULL=1.
  static let full = ProcessInfo.processInfo.environment["SIMENGINE_TEST_FULL"] == "1"

  /// Whether strace is here and may trace.
  static let strace: Bool = {
    let p = Process()
    p.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    p.arguments = ["strace", "-o", "/dev/null", "-e", "trace=write", "-e", "inject=write:error=EIO:when=1000", "true"]
    p.standardError = FileHandle.nullDevice
    guard (try? p.run()) != nil else { return false }
    p.waitUntilExit()
    return p.terminationStatus == 0
  }()

  static let gnuplot: Bool = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    .contains { access("\($0)/gnuplot", X_OK) == 0 }

  /// Whether small file systems can be mounted.
  static let mounts: Bool = {
    guard geteuid() == 0 else { return false }
    var template = Array("/tmp/simengine-mount-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { return false }
    defer { rmdir(made) }
    guard mount("tmpfs", made, "tmpfs", 0, "size=64k") == 0 else { return false }
    return umount2(made, Int32(MNT_DETACH)) == 0
  }()
}

/// Numbers that are the same whenever the seed is (SplitMix64).
struct SeededNumbers: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}

import Configuration
@testable import Datasets
import Foundation
import Testing

/// One system call of a run that changes something outside the process.
struct StateChange: Sendable, CustomStringConvertible {
  var name: String
  /// Which call of this name it is, from 1: strace's `when`.
  var ordinal: Int
  /// What it changes: a path (for a temporary file the one it will have), or "stdout".
  var target: String
  var description: String { "\(name) #\(ordinal) \(target)" }

  static let names = [
    "open", "openat", "creat", "write", "pwrite64", "writev", "fsync", "fdatasync", "rename", "renameat", "renameat2",
    "link", "linkat", "symlink", "mkdir", "mkdirat", "unlink", "unlinkat", "rmdir", "ftruncate", "truncate",
    "fallocate",
    "flock", "chmod", "fchmod",
  ]

  /// The calls of an untouched run, from strace's log. - Returns: those of the main thread, and how many others made.
  static func census(_ log: String) -> (calls: [StateChange], elsewhere: Int) {
    var calls: [StateChange] = []
    var counts: [String: Int] = [:]
    var elsewhere = 0
    let lines = log.split(separator: "\n")
    let main = lines.first?.prefix { $0 != " " } ?? ""
    for line in lines {
      let isMain = line.hasPrefix(main + " ")
      let text = line.drop { $0 != " " }.drop { $0 == " " }
      guard let open = text.firstIndex(of: "("), names.contains(String(text[..<open])) else { continue }
      let name = String(text[..<open])
      // What the system refuses in an untouched run (a folder that is there already) changes nothing.
      let changes =
        !text.contains(" = -1 E")
        && (!name.hasPrefix("open") || ["O_CREAT", "O_WRONLY", "O_RDWR", "O_TRUNC"].contains(where: text.contains))
      if !isMain {
        elsewhere += changes ? 1 : 0
        continue
      }
      counts[name, default: 0] += 1
      if changes { calls.append(StateChange(name: name, ordinal: counts[name] ?? 0, target: target(of: String(text)))) }
    }
    return (calls, elsewhere)
  }

  private static func target(of call: String) -> String {
    if call.hasPrefix("write(1<") { return "stdout" }
    var path = ""
    let quoted = call.split(separator: "\"", omittingEmptySubsequences: false)
    // The last path in quotes is the new name of a rename; otherwise the descriptor's path stands in <>.
    if call.hasPrefix("rename"), quoted.count >= 4 {
      path = String(quoted[quoted.count - 2])
    } else if !call.hasPrefix("write"), quoted.count >= 2 {
      path = String(quoted[1])
    } else if let from = call.firstIndex(of: "<"), let to = call.firstIndex(of: ">") {
      path = String(call[call.index(after: from)..<to])
    }
    if path.hasSuffix(DurableFile.temporarySuffix), let slash = path.lastIndex(of: "/") {
      let name = path[path.index(slash, offsetBy: 2)...].dropLast(DurableFile.temporarySuffix.count)
      if let dot = name.lastIndex(of: ".") { path = String(path[...slash] + name[..<dot]) }
    }
    return path
  }
}

/// What happens at a system call.
enum Fault: Sendable, CustomStringConvertible {
  case kill
  case error(String)

  var injected: String {
    switch self {
    case .kill: "signal=KILL"
    case .error(let name): "error=\(name)"
    }
  }
  var description: String { injected }

  /// The errors that the system could give at this call.
  static func errors(at call: StateChange) -> [Fault] {
    let names: [String]
    switch call.name {
    case "openat", "open", "mkdir": names = ["ENOSPC", "EIO", "EROFS"]
    case "rename", "renameat2": names = ["ENOSPC", "EIO", "EROFS"]
    case "write", "fsync": names = ["ENOSPC", "EIO"]
    case "unlink", "rmdir": names = ["EIO", "EROFS"]
    default: names = ["EIO"]
    }
    return names.map { .error($0) }
  }
}

@Suite(
  "Every system call of a run, killed or failing",
  .enabled(
    if: Conditions.strace, "strace is missing or may not trace here: CRASH TESTS ARE NOT RUN (apt-get install strace)"))
struct CrashInjectionTests {
  let laboratory: CrashLaboratory
  let reference: RunFiles
  let calls: [StateChange]

  init() throws {
    laboratory = try CrashLaboratory()
    reference = try laboratory.reference("reference")
    calls = try Self.census(laboratory, "census", [])
  }

  static func census(_ laboratory: CrashLaboratory, _ name: String, _ more: [String], allowsOthers: Bool = false) throws
    -> [StateChange]
  {
    let log = "\(laboratory.folder)/\(name).log"
    let ended = try laboratory.run(
      name, more,
      tracer: ["strace", "-f", "-y", "-s", "400", "-o", log, "-e", "trace=" + StateChange.names.joined(separator: ",")])
    try #require(ended.status == 0, "\(ended.errors)")
    let (calls, elsewhere) = StateChange.census(String(decoding: try FileBytes.read(log), as: UTF8.self))
    if !allowsOthers { #expect(elsewhere == 0, "state is changed by one thread only") }
    return calls.map { call in
      var call = call
      call.target = call.target.replacingOccurrences(of: "\(laboratory.folder)/\(name)", with: "@")
      return call
    }
  }

  /// Runs trials, two at a time, each in a folder of its own.
  /// - Returns: what went wrong.
  static func trials(_ count: Int, _ laboratory: CrashLaboratory, _ body: @Sendable (Int, String) throws -> [String])
    -> [String]
  {
    let complaints = Complaints()
    DispatchQueue.concurrentPerform(iterations: 2) { worker in
      for i in stride(from: worker, to: count, by: 2) {
        let name = "trial-\(i)"
        do { complaints.add(try body(i, name)) } catch { complaints.add(["\(name): \(error)"]) }
        for suffix in ["", ".out", ".err"] {
          try? FileManager.default.removeItem(atPath: "\(laboratory.folder)/\(name)\(suffix)")
        }
      }
    }
    return complaints.all
  }

  private final class Complaints: @unchecked Sendable {
    private let lock = NSLock()
    private var list: [String] = []
    func add(_ more: [String]) { lock.withLock { list += more } }
    var all: [String] { lock.withLock { list } }
  }

  static func tracer(_ call: StateChange, _ fault: Fault) -> [String] {
    [
      "strace", "-o", "/dev/null", "-e", "trace=\(call.name)", "-e",
      "inject=\(call.name):\(fault.injected):when=\(call.ordinal)",
    ]
  }

  /// One fault at one call, then --resume: the rules that every run keeps.
  static func trial(
    _ laboratory: CrashLaboratory, _ name: String, _ call: StateChange, _ fault: Fault, reference: RunFiles,
    more: [String] = []
  ) throws -> [String] {
    var wrong: [String] = []
    let folder = "\(laboratory.folder)/\(name)"
    let ended = try laboratory.run(name, more, tracer: tracer(call, fault))
    switch fault {
    case .kill:
      if ended.signal != SIGKILL { wrong.append("was not killed (status \(ended.status ?? -1)): \(ended.errors)") }
      wrong += RunFiles.wrong(in: folder, reference: reference, allowsPartial: true).map {
        "\($0) is wrong after the kill"
      }
    case .error:
      if ended.status != 1 { wrong.append("ended with status \(ended.status ?? -1): \(ended.errors)") }
      let place = call.target == "stdout" ? "standard output" : call.target.replacingOccurrences(of: "@", with: folder)
      if !ended.errors.contains(place) { wrong.append("the sentence does not name \(place): \(ended.errors)") }
      wrong += RunFiles.wrong(in: folder, reference: reference, allowsPartial: call.name.hasPrefix("unlink"))
        .map { "\($0) is wrong after the error" }
    }
    let resumed = try laboratory.run(name, more + ["--resume"])
    if resumed.status != 0 { wrong.append("--resume ended with \(resumed.status ?? -1): \(resumed.errors)") }
    wrong += try RunFiles(folder).differences(from: reference).map { "after --resume \($0)" }
    return wrong.map { "\(call), \(fault): \($0)" }
  }

  @Test("killed at any state-changing call, a run ends after --resume in the bytes of an untouched one")
  func kills() throws {
    #expect(calls.count > 100)
    let kinds = Dictionary(grouping: calls, by: \.name).map { "\($0.key) \($0.value.count)" }.sorted()
    print("crash tests: state-changing calls of a run: \(kinds.joined(separator: ", "))")
    let (calls, laboratory, reference) = (calls, laboratory, reference)
    let started = Date()
    let wrong = Self.trials(calls.count, laboratory) { i, name in
      try Self.trial(laboratory, name, calls[i], .kill, reference: reference)
    }
    print(
      "crash tests: \(calls.count) calls killed, \(wrong.count) complaints, \(Int(Date().timeIntervalSince(started))) s"
    )
    #expect(wrong == [])
  }

  @Test("a call that fails ends a run with a sentence and status 1, leaves nothing wrong, and --resume finishes it")
  func errors() throws {
    let list = calls.flatMap { call in Fault.errors(at: call).map { (call, $0) } }
    let (laboratory, reference) = (laboratory, reference)
    let started = Date()
    let wrong = Self.trials(list.count, laboratory) { i, name in
      try Self.trial(laboratory, name, list[i].0, list[i].1, reference: reference)
    }
    print(
      "crash tests: \(list.count) failing calls, \(wrong.count) complaints, \(Int(Date().timeIntervalSince(started))) s"
    )
    #expect(wrong == [])
  }

  @Test("a signal that interrupts a call (EINTR) changes nothing")
  func interrupted() throws {
    let picked = calls.filter {
      ["openat", "write", "fsync", "rename", "flock"].contains($0.name) && $0.target != "stdout"
    }
    let (laboratory, reference) = (laboratory, reference)
    let wrong = Self.trials(picked.count, laboratory) { i, name in
      let ended = try laboratory.run(name, tracer: Self.tracer(picked[i], .error("EINTR")))
      let differences = try RunFiles("\(laboratory.folder)/\(name)").differences(from: reference)
      return (ended.status == 0 ? [] : ["\(picked[i]): status \(ended.status ?? -1): \(ended.errors)"])
        + differences.map { "\(picked[i]): \($0)" }
    }
    #expect(wrong == [])
  }

  @Test(
    "killed while it draws figures, a run has them all after --resume", .enabled(if: Conditions.gnuplot, "no gnuplot"))
  func figures() throws {
    let more = ["--set", "figures=true"]
    let reference = try laboratory.reference("reference-figures", more)
    #expect(reference.files.keys.filter { $0.hasSuffix(".svg") }.count == 3)
    let calls = try Self.census(laboratory, "census-figures", more, allowsOthers: true)
    let first = try #require(calls.firstIndex { $0.target.hasPrefix("@/figures") })
    let list = calls[first...].filter { $0.name != "write" || $0.target == "stdout" || $0.target.hasPrefix("@") }
    let laboratory = laboratory
    let wrong = Self.trials(list.count, laboratory) { i, name in
      try Self.trial(laboratory, name, list[list.startIndex + i], .kill, reference: reference, more: more)
    }
    #expect(wrong == [])
  }

  @Test("--force over another run, killed at any call that removes, then --resume: nothing of the old run is left")
  func force() throws {
    let laboratory = laboratory
    // The old run has other models, stages and files.
    let other = "\(laboratory.folder)/other.json"
    let text = String(decoding: try FileBytes.read(laboratory.config), as: UTF8.self)
      .replacingOccurrences(of: "\"ideal\"", with: "\"older\"").replacingOccurrences(
        of: "\"mapped\"", with: "\"moved\""
      )
      .replacingOccurrences(of: "deep/er/weights", with: "deep/er/others")
      .replacingOccurrences(of: "\"figures\": false", with: "\"figures\": true")
    try DurableFile.write(text, to: other)
    @Sendable func prepare(_ name: String) throws {
      let folder = "\(laboratory.folder)/\(name)"
      let ended = try EngineProcess.run(["run", other, "--threads", "1", "--output", folder], logs: folder)
      try #require(ended.status == 0, "\(ended.errors)")
    }
    try prepare("census-force")
    let calls = try Self.census(laboratory, "census-force", ["--force"])
    let begun = try #require(calls.firstIndex { $0.name == "rename" && $0.target.hasSuffix("checkpoint.safetensors") })
    let list = Array(calls[...begun])
    #expect(list.filter { $0.name == "unlink" }.count > 8)
    let reference = reference
    let wrong = Self.trials(list.count, laboratory) { i, name in
      try prepare(name)
      var wrong: [String] = []
      let ended = try laboratory.run(name, ["--force"], tracer: Self.tracer(list[i], .kill))
      if ended.signal != SIGKILL { wrong.append("was not killed") }
      var resumed = try laboratory.run(name, ["--resume"])
      // Before the first removal the old run is whole, and is not touched without --force.
      if resumed.status == 2 {
        wrong += resumed.errors.contains("another experiment's results") ? [] : ["refused: \(resumed.errors)"]
        resumed = try laboratory.run(name, ["--force"])
      }
      if resumed.status != 0 { wrong.append("--resume: \(resumed.errors)") }
      wrong += try RunFiles("\(laboratory.folder)/\(name)").differences(from: reference)
      return wrong.map { "\(list[i]): \($0)" }
    }
    #expect(wrong == [])
  }

  @Test("a run that diverges, killed at any rename, tells the same story after --resume, and tells it again when asked")
  func divergence() throws {
    let more = [
      "stages.6.train.optimizer.learningRate=10", "stages.6.train.loss=mean-squared-error", "stages.6.train.epochs=9",
    ].flatMap { ["--set", $0] }
    let laboratory = laboratory
    let ended = try laboratory.run("diverged", more)
    #expect(ended.status == 1)
    #expect(ended.errors.contains("diverged"))
    let reference = try RunFiles("\(laboratory.folder)/diverged")
    #expect(reference.files["result.json"] != nil)
    // Before that, an epoch with a loss that is not finite: written like a missing one, now and after --resume.
    let epochs = String(decoding: reference.files["epochs.csv"] ?? [], as: UTF8.self)
    #expect(epochs.contains("ideal,finetune,1,") && !epochs.contains("inf"), "\(epochs)")
    let again = try laboratory.run("diverged", more + ["--resume"])
    #expect(again.status == 1)
    #expect(again.errors.contains("--force runs it again"))
    let wrong = Self.trials(calls.filter { $0.name == "rename" }.count, laboratory) { i, name in
      let call = StateChange(name: "rename", ordinal: i + 1, target: "")
      let killed = try laboratory.run(name, more, tracer: Self.tracer(call, .kill))
      if killed.signal != SIGKILL { return [] }
      let resumed = try laboratory.run(name, more + ["--resume"])
      return (resumed.status == 1 ? [] : ["\(call): status \(resumed.status ?? -1) \(resumed.errors)"])
        + (try RunFiles("\(laboratory.folder)/\(name)").differences(from: reference)).map { "\(call): \($0)" }
    }
    #expect(wrong == [])
  }

  @Test("a file system without locks is worked on, with a warning")
  func noLocks() throws {
    let call = try #require(calls.first { $0.name == "flock" })
    let ended = try laboratory.run("no-locks", tracer: Self.tracer(call, .error("ENOLCK")))
    #expect(ended.status == 0)
    #expect(ended.errors.contains("no locks"))
    #expect(try RunFiles("\(laboratory.folder)/no-locks").differences(from: reference) == [])
  }
}

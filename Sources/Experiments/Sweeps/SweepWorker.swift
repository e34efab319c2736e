import CProcess
import Configuration
import Glibc

/// What a worker process does: takes points from standard input, a line of JSON each, runs them one after the other, and
/// says on standard output, a line each, how they ended. Data sets stay in memory from one point to the next.
///
///     in    { "document": {…}, "folder": "where input paths start", "output": "the run's folder", "id": "…" }
///     out   { "status": "done" | "diverged" | "failed" | "interrupted" | "busy", "metrics": {…}, "message": "…",
///             "seconds": 1.2, "memory": 123456789 }
///
/// busy: another process is at this very run. memory: the most that was resident, in bytes; nothing where that is not
/// known.
public enum SweepWorker {
  /// - Parameters:
  ///   - parent: the process that started this one; when it ends, so does this.
  ///   - options: `output` is each point's own.
  public static func serve(parent: Int32, options: RunOptions) {
    _ = cpDieWithParent(SIGKILL)
    // It may have ended before that.
    guard getppid() == parent else { return }
    // Ctrl-C in a terminal reaches the workers too; the parent passes it on as SIGTERM, once.
    // A scheduler signals all of a job's processes, and then the parent does so as well.
    InterruptionFlag.install(endsAtSecond: false)
    signal(SIGINT, SIG_IGN)
    let shelf = DataShelf()
    var options = options
    options.quiet = true
    options.resume = true
    while let line = readLine(strippingNewline: true) {
      let reply = answer(line, options, shelf)
      var bytes = Array((reply.written() + "\n").utf8)
      var sent = 0
      while sent < bytes.count {
        let count = bytes.withUnsafeMutableBytes { write(1, $0.baseAddress! + sent, $0.count - sent) }
        if count < 0 && errno == EINTR { continue }
        // Nobody listens any more.
        if count <= 0 { return }
        sent += count
      }
      if InterruptionFlag.isSet { return }
    }
  }

  private static func answer(_ line: String, _ options: RunOptions, _ shelf: DataShelf) -> JSON {
    let start = Progress.now()
    let memory = PeakMemory()
    func reply(_ status: String, _ more: [(String, JSON)]) -> JSON {
      .object(
        [("status", .string(status))] + more
          + [("seconds", .number(Progress.now() - start)), ("memory", memory.bytes.map { .integer($0) } ?? nil)])
    }
    do {
      let task = try JSON.parse(line, dialect: .strict)
      guard var document = task["document"], let folder = task["folder"]?.string, let output = task["output"]?.string,
        let id = task["id"]?.string
      else { throw RunError("a worker was given no point") }
      // Places in this line mean nothing to the user.
      document.place(at: .none)
      var options = options
      options.output = output
      let experiment = try LoadedExperiment(document: document, folder: folder, shelf: shelf)
      try experiment.preflight(forRun: true)
      let run = Run(experiment, options: options)
      guard run.id == id else {
        throw RunError("the point's run is \(run.id), not \(id): do all processes have the same version?")
      }
      switch try run.run() {
      case .done(let result, _): return reply("done", [("metrics", result["metrics"] ?? [:])])
      case .diverged(_, let result):
        return reply("diverged", [("metrics", result["metrics"] ?? [:]), ("message", result["message"] ?? "")])
      }
    } catch is Interruption {
      return reply("interrupted", [])
    } catch let refusal as Refusal where refusal.isBusy {
      return reply("busy", [])
    } catch let found as Diagnostics {
      let sentences = found.errors.map { $0.hint.isEmpty ? $0.headline : "\($0.headline); \($0.hint)" }
      return reply("failed", [("message", .string(sentences.joined(separator: " · ")))])
    } catch { return reply("failed", [("message", .string("\(error)"))]) }
  }
}

/// The most memory that was resident at a time since this was made.
private struct PeakMemory {
  /// Whether the system began to count anew; otherwise the peak may be that of a run before.
  private let isOwn: Bool

  init() {
    // proc(5): 5 sets the peak back to what is resident now.
    let file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC)
    isOwn = file >= 0 && write(file, "5", 1) == 1
    if file >= 0 { close(file) }
  }

  /// nil where it is not known.
  var bytes: Int? {
    guard isOwn, let file = fopen("/proc/self/status", "re") else { return nil }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
      let words = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        .split { $0 == " " || $0 == "\t" || $0 == "\n" }
      // VmHWM:     12345 kB
      if words.first == "VmHWM:", words.count > 1, let kilobytes = Int(words[1]) { return kilobytes << 10 }
    }
    return nil
  }
}

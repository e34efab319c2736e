import CProcess
import Configuration
import Glibc

/// What a worker process does: takes points from standard input, a line of JSON each, runs them one after the other, and
/// says on standard output, a line each, how they ended. Data sets stay in memory from one point to the next.
///
///     in    { "document": {…}, "folder": "where input paths start", "output": "the run's folder", "id": "…" }
///     out   { "status": "done" | "diverged" | "failed" | "interrupted", "metrics": {…}, "message": "…", "seconds": 1.2 }
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
    func reply(_ status: String, _ more: [(String, JSON)]) -> JSON {
      .object([("status", .string(status))] + more + [("seconds", .number(Progress.now() - start))])
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

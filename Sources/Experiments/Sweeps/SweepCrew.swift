import Configuration
import Glibc

/// The worker processes of a sweep: hands out points, watches limits, replaces those that die.
final class SweepCrew {
  enum Ending {
    case finished
    case interrupted
    case stopped(String)
  }

  private let plan: SweepPlan
  private let folder: SweepFolder
  private let options: SweepOptions
  private let jobs: Int
  private let arguments: [String]
  private let locks: [Int32]
  private var workers: [SweepProcess] = []
  /// Points to hand out, the next one last.
  private var waiting: [Int] = []
  /// Points that another process is at, to be tried again when nothing else is left: it may die.
  private var busy: [Int] = []
  /// Seconds to wait before they are tried again, and since when.
  private var pause = SweepCrew.firstPause
  private var pausedAt: Double?
  private static let firstPause = 0.5
  /// After a pause longer than this they are left to whoever has them: some eight seconds in all.
  private static let longestPause = 4.0
  /// Points that a worker which had run others before exceeded the memory limit at: they get one of their own.
  private var suspects: Set<Int> = []

  init(plan: SweepPlan, folder: SweepFolder, options: SweepOptions, threads: Int, jobs: Int, locks: [Int32]) {
    (self.plan, self.folder, self.options, self.jobs, self.locks) = (plan, folder, options, jobs, locks)
    arguments =
      ["--parent", "\(getpid())", "--threads", "\(threads)"] + (options.shard == nil ? [] : ["--shared"])
      + options.keeps.map(\.rawValue).sorted().flatMap { ["--keep", $0] }
  }

  deinit {
    // Only when an error ended the sweep: what they did counts, what they are at is lost to its last checkpoint.
    for worker in workers {
      kill(worker.pid, SIGKILL)
      _ = worker.death()
    }
  }

  /// - Parameter ended: takes what each point ended in, as it does; a sentence stops the sweep.
  /// - Throws: what `ended` throws; `RunError` when no worker can be started.
  func run(
    _ points: [Int], progress: Progress, ended: (Int, SweepResult) throws -> String?
  ) throws -> Ending {
    waiting = points.reversed()
    var ending = Ending.finished
    var isStopping = false
    while true {
      if InterruptionFlag.isSet && !isStopping {
        ending = .interrupted
        isStopping = true
        stop()
      }
      if !isStopping { try handOut() }
      let isAtWork = workers.contains { $0.point != nil }
      if !isAtWork && (isStopping || (waiting.isEmpty && !triesAgain())) { break }
      for (point, result) in try collect() {
        pause = Self.firstPause
        if let reason = try ended(point, result), !isStopping {
          ending = .stopped(reason)
          isStopping = true
          stop()
        }
      }
      enforceLimits()
      progress.advance(by: 0)
    }
    dismiss()
    return ending
  }

  // MARK: Points

  private func handOut() throws {
    while !waiting.isEmpty {
      // One of its own: a worker that has run nothing yet.
      let isSuspect = waiting.last.map(suspects.contains) ?? false
      let idle = workers.first { $0.point == nil && $0.input >= 0 && (!isSuspect || $0.count == 0) }
      if idle == nil && workers.count >= jobs {
        guard isSuspect, let tired = workers.first(where: { $0.point == nil && $0.input >= 0 }) else { return }
        tired.closeInput()
        return
      }
      let worker = try idle ?? hire()
      let point = waiting.removeLast()
      let task = JSON.object([
        ("document", try plan.document(of: plan.points[point])), ("folder", .string(plan.folder)),
        ("output", .string(folder.run(point))), ("id", .string(plan.points[point].id)),
      ])
      if worker.send(task, point: point) {
        if options.isIsolated { worker.closeInput() }
      } else {
        // It died while it had nothing to do.
        waiting.append(point)
        worker.closeInput()
      }
    }
  }

  /// When nothing else is left: waits, and then queues the points again that another process was at.
  /// - Returns: false when there are none, or they have been tried often enough.
  private func triesAgain() -> Bool {
    guard !busy.isEmpty, pause <= Self.longestPause else { return false }
    let now = Progress.now()
    let start = pausedAt ?? now
    pausedAt = start
    if now - start < pause { return true }
    (waiting, busy) = (busy.reversed(), [])
    pausedAt = nil
    pause *= 2
    return true
  }

  private func hire() throws -> SweepProcess {
    let worker = try SweepProcess(executable: options.executable, arguments: arguments, locks: locks)
    workers.append(worker)
    return worker
  }

  /// Waits a moment for what workers say. - Returns: the points that ended.
  private func collect() throws -> [(Int, SweepResult)] {
    var polled = workers.flatMap { worker in
      [worker.output, worker.errors].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    }
    _ = poll(&polled, nfds_t(polled.count), 100)
    var results: [(Int, SweepResult)] = []
    for (i, worker) in workers.enumerated() where polled[2 * i].revents != 0 || polled[2 * i + 1].revents != 0 {
      let (replies, hasEnded) = worker.receive()
      for reply in replies {
        guard let point = worker.point else { continue }
        worker.point = nil
        worker.count += 1
        guard let result = Self.result(reply) else {
          if reply["status"]?.string == "busy" {
            busy.append(point)
          } else {
            // Interrupted, alone or with this process: it ends now. What it was at goes on in another, or is left.
            worker.closeInput()
            waiting.append(point)
          }
          continue
        }
        guard result.status != .failed, let (sentence, isMemory) = exceeded(reply) else {
          results.append((point, result))
          continue
        }
        // It ended before anybody looked, and is no better for that.
        try folder.removeResult(point)
        if isMemory && worker.count > 1 {
          suspects.insert(point)
          waiting.append(point)
        } else {
          results.append((point, SweepResult(.failed, message: sentence, seconds: result.seconds)))
        }
      }
      guard hasEnded else { continue }
      let sentence = worker.death()
      if let point = worker.point {
        worker.point = nil
        // It may have been killed just after it had put its result there.
        if worker.sentence != nil { try folder.removeResult(point) }
        if worker.sentence != nil && worker.count > 0 && worker.exceededMemory {
          suspects.insert(point)
          waiting.append(point)
        } else if worker.sentence == nil && InterruptionFlag.isSet {
          // Ended by the signal that ends the sweep: not done, and no failure of its own.
        } else if worker.sentence == nil && (worker.isTerminated || (worker.hasLeft && worker.count > 0)) {
          // A signal to end came before it took notice of them, or between two points.
          waiting.append(point)
        } else {
          results.append((point, SweepResult(.failed, message: sentence, seconds: Progress.now() - worker.startedAt)))
        }
      }
      worker.hasDied = true
    }
    workers.removeAll(where: \.hasDied)
    return results
  }

  /// nil for a point that was interrupted, or is another process's.
  private static func result(_ reply: JSON) -> SweepResult? {
    let seconds = reply["seconds"]?.double
    if reply["status"]?.string == "failed" {
      return SweepResult(.failed, message: reply["message"]?.string ?? "", seconds: seconds)
    }
    var result = SweepResult(reply)
    result?.seconds = seconds
    return result
  }

  // MARK: Ends

  /// Ten times a second; what a run was between is seen when it has ended.
  private func enforceLimits() {
    let now = Progress.now()
    for worker in workers where worker.point != nil && worker.sentence == nil {
      guard let (sentence, isMemory) = exceeded(now - worker.startedAt, options.memoryLimit.map { _ in worker.memory })
      else { continue }
      worker.sentence = sentence
      worker.exceededMemory = isMemory
      kill(worker.pid, SIGKILL)
    }
  }

  /// Which limit a run is beyond, in a sentence; nil for none.
  private func exceeded(_ seconds: Double, _ memory: Int?) -> (sentence: String, isMemory: Bool)? {
    if let limit = options.timeLimit, seconds > limit {
      return ("took longer than the time limit of \(inWords(limit)) s", false)
    }
    if let limit = options.memoryLimit, let memory, memory > limit {
      return ("used \(memory >> 20) MB of memory, more than the limit of \(limit >> 20) MB", true)
    }
    return nil
  }

  /// The same, of a run that has ended.
  private func exceeded(_ reply: JSON) -> (sentence: String, isMemory: Bool)? {
    exceeded(reply["seconds"]?.double ?? 0, reply["memory"]?.int)
  }

  /// Lets workers checkpoint and end.
  private func stop() {
    for worker in workers {
      kill(worker.pid, SIGTERM)
      worker.closeInput()
    }
  }

  /// Lets idle workers go.
  private func dismiss() {
    for worker in workers { worker.closeInput() }
    for worker in workers { _ = worker.death() }
    workers = []
  }
}

import Configuration
import Glibc

/// How a sweep on a cluster ended, or was left to itself.
public struct SlurmOutcome {
  public var sweep: SweepOutcome
  /// What the user should know besides: why points are missing, how to go on.
  public var note: String?
}

/// Watches a sweep's tasks: what is done from the runs' folders, whether anything may still come from the queue.
final class SlurmFollower {
  private let sweep: SlurmSweep
  private var submissions: [SlurmSubmission]
  private var states: [SweepPointState]
  private let summary: SweepSummary
  /// Points that have not ended.
  private var open: [Int]
  /// What the queue last said of each task, by `array_index`.
  private var lastStates: [String: String] = [:]
  private var failures = 0

  private var progress: Progress { sweep.progress }
  private var runner: SweepRunner { sweep.runner }

  init(_ sweep: SlurmSweep, _ submissions: [SlurmSubmission], _ states: [SweepPointState]) {
    (self.sweep, self.submissions, self.states) = (sweep, submissions, states)
    summary = SweepSummary(folder: sweep.folder, plan: sweep.plan)
    open = sweep.runner.chosen.filter { if case .ended = states[$0] { false } else { true } }
  }

  /// The jobs go on without anybody watching.
  func left() -> SlurmOutcome {
    var outcome = SlurmOutcome(sweep: runner.outcome(states, among: runner.chosen))
    let jobs = SlurmSweep.jobs(of: submissions)
    var note = jobs.isEmpty ? "no job yet" : "job\(jobs.count == 1 ? "" : "s") \(jobs.joined(separator: " "))"
    note +=
      ": follow with --slurm --resume" + (jobs.isEmpty ? "" : ", cancel with scancel \(jobs.joined(separator: " "))")
    let late = submissions.flatMap(\.arrays).count { $0.job == nil }
    if late > 0 {
      note +=
        ". The queue takes no more of your jobs now: \(late) array\(late == 1 ? " is" : "s are") left to submit, "
        + "which --slurm --resume does"
    }
    outcome.note = note
    return outcome
  }

  /// Follows until every point has ended or no task can do anything about it any more.
  func run() throws -> SlurmOutcome {
    try summary.write(SweepRunner.results(states))
    progress.begin(sweep.plan.name, total: runner.chosen.count, done: runner.chosen.count - open.count, unit: "runs")
    var tasks = "waiting for the queue"
    var askedAt = -Double.infinity
    var empty = 0
    var graceUntil: Double?
    while !open.isEmpty {
      let start = sweep.commands.now()
      try look { tasks }
      if open.isEmpty { break }
      if start - askedAt >= Self.queueInterval {
        askedAt = start
        if let alive = try ask(&tasks) { empty = alive == 0 ? empty + 1 : 0 }
        progress.advance(by: 0, note: tasks)
        // Twice: a task that is being requeued may be in nobody's list for a moment.
        if empty >= 2 {
          // The results of tasks that went well are there, though a network file system may be slow to show them.
          let limit = graceUntil ?? sweep.commands.now() + (completedWithout() ? Self.grace : 0)
          graceUntil = limit
          if sweep.commands.now() >= limit { break }
        } else {
          graceUntil = nil
        }
      }
      // Looking takes a tenth of the time at most.
      guard sweep.commands.wait(max(Self.interval, 10 * (sweep.commands.now() - start))) else {
        return try interrupted()
      }
    }
    return try finish()
  }

  /// Seconds between looks at the folders, between questions to the controller, and for a file system to show what was
  /// written on another machine (NFS: acdirmax).
  private static let interval = 1.0
  private static let queueInterval = 5.0
  private static let grace = 60.0

  /// Takes in what has ended since.
  private func look(note: () -> String) throws {
    var left: [Int] = []
    for point in open {
      let state = SweepPointState(folder: runner.folder.run(point), id: sweep.plan.points[point].id)
      guard case .ended(let result) = state else {
        left.append(point)
        continue
      }
      states[point] = state
      if result.status == .failed {
        failures += 1
        if failures == 1 {
          progress.say(
            "failed: \(sweep.plan.points[point].description) (\(sweep.plan.points[point].id)): \(result.message)")
        }
      }
      try summary.add(result, at: point)
      progress.advance(by: 1, note: failures > 0 ? "\(failures) failed, \(note())" : note())
    }
    open = left
  }

  /// Asks the queue, and hands over arrays that it had no room for.
  /// - Returns: how many tasks are alive or still to be submitted; nil when there was no answer.
  private func ask(_ tasks: inout String) throws -> Int? {
    let queue: SlurmQueue
    do { queue = try SlurmQueue(named: sweep.name, sweep.commands) } catch {
      tasks = "\(error)"
      return nil
    }
    var (running, pending) = (0, 0)
    var reason = ""
    for i in submissions.indices {
      for j in submissions[i].arrays.indices {
        for task in queue.tasks(of: submissions[i].arrays[j]) {
          if submissions[i].arrays[j].job == nil { submissions[i].arrays[j].job = task.job }
          if let index = task.index { lastStates["\(task.job)_\(index)"] = task.state }
          if task.isPending {
            pending += 1
            if reason.isEmpty && task.reason != "None" { reason = " (\(task.reason))" }
          } else if task.isAlive {
            running += 1
          }
        }
      }
      if submissions[i].arrays.contains(where: { $0.job == nil }) {
        try sweep.submit(&submissions[i])
        pending += submissions[i].arrays.filter { $0.job == nil }.reduce(0) { $0 + $1.tasks.count }
      }
    }
    tasks = "\(grouped(running)) task\(running == 1 ? "" : "s") running, \(grouped(pending)) waiting\(reason)"
    return running + pending
  }

  /// Whether a task says that it completed, though a point of it is not to be seen.
  private func completedWithout() -> Bool {
    let ids = Set(open.map { sweep.plan.points[$0].id })
    return tasks(of: ids).contains { lastStates[$0] == "COMPLETED" }
  }

  /// The tasks, as `array_index`, that have some of these points.
  private func tasks(of ids: Set<String>) -> [String] {
    submissions.flatMap { submission in
      submission.arrays.flatMap { array in
        array.tasks.filter { task in submission.points(of: task).contains { ids.contains($0) } }
          .map { "\(array.job ?? "?")_\($0 - array.tasks.lowerBound + 1)" }
      }
    }
  }

  private func interrupted() throws -> SlurmOutcome {
    progress.end()
    try summary.finish()
    var outcome = left()
    outcome.sweep.isInterrupted = true
    return outcome
  }

  private func finish() throws -> SlurmOutcome {
    progress.end()
    // A task that was started again may have mended what had failed.
    states = runner.folder.states()
    try summary.write(SweepRunner.results(states))
    try summary.finish()
    var outcome = SlurmOutcome(sweep: runner.outcome(states, among: runner.chosen))
    if outcome.sweep.left > 0 { outcome.note = missing(outcome.sweep.left) }
    return outcome
  }

  /// Why points are missing, as far as anybody knows.
  private func missing(_ count: Int) -> String {
    let ids = Set(open.map { sweep.plan.points[$0].id })
    let tasks = tasks(of: ids)
    let said = SlurmAccounting.states(of: submissions.flatMap { $0.arrays.compactMap(\.job) }, sweep.commands)
    var reasons: [(state: String, tasks: [String])] = []
    for task in tasks {
      let state = said[task] ?? lastStates[task] ?? "not in the queue any more"
      if let i = reasons.firstIndex(where: { $0.state == state }) {
        reasons[i].tasks.append(task)
      } else {
        reasons.append((state, [task]))
      }
    }
    let words = reasons.map { state, tasks in
      "\(tasks.prefix(4).joined(separator: ", "))\(tasks.count > 4 ? " and \(grouped(tasks.count - 4)) more" : ""): \(state)"
    }
    return "\(grouped(count)) point\(count == 1 ? " is" : "s are") missing, and no task is left to run "
      + "\(count == 1 ? "it" : "them") (\(words.joined(separator: "; "))); logs are in \(sweep.folder)/slurm"
  }
}

import Configuration
import Datasets
import Glibc

/// How a sweep ended.
public struct SweepOutcome {
  public var points = 0
  public var done = 0
  public var diverged = 0
  public var failed = 0
  /// Points of this call that are neither.
  public var left = 0
  /// Why it stopped before the end, if it did.
  public var reason: String?
  public var isInterrupted = false
  /// Whether another process is still at those that are left.
  public var areLeftToOthers = false
  public var folder = ""

  /// `12 points: 10 done, 1 diverged, 1 failed`.
  public var description: String {
    let parts = [(done, "done"), (diverged, "diverged"), (failed, "failed"), (left, "left")]
    return "\(grouped(points)) point\(points == 1 ? "" : "s"): "
      + parts.filter { $0.0 > 0 || $0.1 == "done" }.map { "\(grouped($0.0)) \($0.1)" }.joined(separator: ", ")
  }
}

/// Runs the points of a sweep on worker processes.
public final class SweepRunner {
  let plan: SweepPlan
  let options: SweepOptions
  let folder: SweepFolder
  let progress: Progress
  /// Points of this call, in order.
  let chosen: [Int]
  /// The ids of those that a shard is a slice of; nil for all.
  private let picked: [String]?

  /// - Throws: `Refusal` when the options pick no point.
  public init(_ plan: SweepPlan, options: SweepOptions) throws {
    self.plan = plan
    self.options = options
    folder = SweepFolder(options.output ?? "Results/\(plan.name)", plan: plan)
    progress = Progress(quiet: options.quiet)
    let selection = try SweepSelection(options.only, plan: plan)
    let selected = plan.points.indices.filter { selection.contains(plan.points[$0]) }
    picked = selected.count == plan.points.count ? nil : selected.map { plan.points[$0].id }
    chosen = selected.indices.filter { options.shard?.contains($0) ?? true }.map { selected[$0] }
  }

  /// What lies in the folder, for those who ask before anything runs.
  func surveyed() throws -> (earlier: SweepFolder.Earlier, states: [SweepPointState]) {
    // Of thousands of tasks on a cluster each would read the results of all.
    (try folder.earlier(), folder.states(of: options.shard == nil ? nil : chosen))
  }

  /// Rebuilds summary.csv and timings.csv from the runs' folders, and runs nothing.
  /// - Throws: `Refusal` when no such sweep lies there, or a whole sweep is writing the tables itself.
  public func collect() throws -> SweepOutcome {
    guard case .same = try folder.earlier() else {
      throw Refusal("\(folder.path): no sweep.json of these points lies here; there is nothing to collect")
    }
    let lock = try SweepLock(follower: folder.path)
    defer { lock.release() }
    let states = folder.states()
    complain(states)
    try SweepSummary(folder: folder.path, plan: plan).write(Self.results(states))
    return outcome(states, among: Array(plan.points.indices))
  }

  /// - Throws: `Refusal` when the command line must not do this; anything else whose description is a sentence when the
  ///   sweep cannot go on.
  public func run() throws -> SweepOutcome {
    var (earlier, states) = try surveyed()
    try requireAllowed(earlier, states)
    var waiting = chosen.filter { !Self.hasEnded(states[$0]) }
    if waiting.isEmpty, case .same = earlier {
      // Nothing to do; but a process may have been killed before it put the tables in order.
      let outcome = try options.shard == nil ? collected(states) : outcome(states, among: chosen)
      noteKept()
      return outcome
    }
    let (jobs, threads) = try options.processes(points: max(1, waiting.count))
    for warning in try plan.preflight(waiting).warnings { progress.say(warning.description) }
    try DurableFile.makeFolders(folder.path)
    let lock = try SweepLock(folder: folder.path, shard: options.shard, of: picked)
    defer { lock.release() }
    if let warning = lock.warning { progress.say("warning: \(warning)") }
    // What another shard is writing just now looks the same as what a killed process left.
    if options.shard == nil { try DurableFile.removeStale(in: folder.path) }
    // Somebody else may have worked here in the meantime.
    (earlier, states) = try surveyed()
    try requireAllowed(earlier, states)
    waiting = chosen.filter { !Self.hasEnded(states[$0]) }
    if case .same = earlier {} else { try folder.writeDocument() }
    complain(states)
    for point in waiting {
      try folder.clear(point, states[point])
      states[point] = .missing
    }
    // Shards leave the tables to whoever collects.
    let summary = options.shard == nil ? SweepSummary(folder: folder.path, plan: plan) : nil
    var results = Self.results(states)
    for point in waiting { results[point] = nil }
    if !results.isEmpty || access("\(folder.path)/summary.csv", F_OK) == 0 { try summary?.write(results) }
    progress.begin(plan.name, total: chosen.count, done: chosen.count - waiting.count, unit: "runs")
    let crew = SweepCrew(
      plan: plan, folder: folder, options: options, threads: threads, jobs: jobs, locks: lock.descriptors)
    var failures = SweepFailures(failsFast: options.failsFast)
    let ending = try crew.run(waiting, progress: progress) { point, result in
      if result.status == .failed {
        try folder.writeFailure(point, result.message)
        if failures.isFirst {
          progress.say("failed: \(plan.points[point].description) (\(plan.points[point].id)): \(result.message)")
        }
      }
      states[point] = .ended(result)
      try summary?.add(result, at: point)
      progress.advance(by: 1, note: failures.count > 0 ? "\(failures.count) failed" : "")
      return failures.reason(after: result)
    }
    progress.end()
    // What another process was at, it may have ended by now.
    for point in waiting {
      guard case .finished = ending, case .missing = states[point] else { continue }
      if case .ended(let result) = SweepPointState(folder: folder.run(point), id: plan.points[point].id) {
        states[point] = .ended(result)
        try summary?.add(result, at: point)
      }
    }
    try summary?.finish()
    var outcome = outcome(states, among: chosen)
    switch ending {
    case .finished where outcome.left > 0: outcome.areLeftToOthers = true
    case .finished: break
    case .interrupted: outcome.isInterrupted = true
    case .stopped(let reason): outcome.reason = reason
    }
    return outcome
  }

  private func collected(_ states: [SweepPointState]) throws -> SweepOutcome {
    let lock = try SweepLock(folder: folder.path, shard: nil)
    defer { lock.release() }
    try SweepSummary(folder: folder.path, plan: plan).write(Self.results(states))
    return outcome(states, among: chosen)
  }

  func requireAllowed(_ earlier: SweepFolder.Earlier, _ states: [SweepPointState]) throws {
    if case .smaller = earlier, !options.extends {
      throw Refusal(
        "\(folder.path): holds a sweep of fewer points, all of which are among these \(grouped(plan.points.count)); "
          + "--resume --extend adds the others")
    }
    guard !options.resume, !options.extends else { return }
    if case .none = earlier { return }
    // A shard that others started before is not started itself.
    let own = chosen.filter { if case .missing = states[$0] { false } else { true } }
    if own.isEmpty && options.shard != nil { return }
    let left = chosen.count { !Self.hasEnded(states[$0]) }
    let failed = chosen.count { if case .ended(let r) = states[$0] { r.status == .failed } else { false } }
    if left == 0 { return }
    throw Refusal(
      "\(folder.path): this sweep was started before: \(grouped(chosen.count - left)) of \(grouped(chosen.count)) points "
        + "are done\(failed > 0 ? ", \(failed) failed" : ""); --resume runs the others, --output names another folder")
  }

  /// Says which files are to be kept of runs that have all ended without. No refusal: these runs may have none (a network
  /// has no currents), and the same command twice is no mistake.
  func noteKept() {
    // A task on a cluster is told this of all its points, of which others may be left.
    guard options.shard == nil else { return }
    let lost = options.keeps.map(\.rawValue).sorted().filter { name in
      !chosen.contains { access("\(folder.run($0))/\(KeptFiles(rawValue: name)?.name ?? name)", F_OK) == 0 }
    }
    if lost.isEmpty { return }
    progress.say(
      "\(folder.path): every point is done, without \(lost.joined(separator: " and ")); where runs are to leave them, "
        + "remove the runs' folders, and they are made again")
  }

  /// Says which results are not usable.
  func complain(_ states: [SweepPointState]) {
    let sentences = states.compactMap { if case .corrupt(let sentence) = $0 { sentence } else { nil } }
    for sentence in sentences.prefix(5) { progress.say("warning: \(sentence); the point counts as not done") }
    if sentences.count > 5 { progress.say("warning: … and \(sentences.count - 5) more") }
  }

  /// Done or diverged: a failure is tried again.
  static func hasEnded(_ state: SweepPointState) -> Bool {
    if case .ended(let result) = state { return result.status != .failed }
    return false
  }

  static func results(_ states: [SweepPointState]) -> [Int: SweepResult] {
    var results: [Int: SweepResult] = [:]
    for (point, state) in states.enumerated() { if case .ended(let result) = state { results[point] = result } }
    return results
  }

  func outcome(_ states: [SweepPointState], among points: [Int]) -> SweepOutcome {
    var outcome = SweepOutcome()
    outcome.folder = folder.path
    outcome.points = points.count
    for point in points {
      guard case .ended(let result) = states[point] else {
        outcome.left += 1
        continue
      }
      switch result.status {
      case .done: outcome.done += 1
      case .diverged: outcome.diverged += 1
      case .failed: outcome.failed += 1
      }
    }
    return outcome
  }
}

/// Decides when failures end a sweep.
private struct SweepFailures {
  let failsFast: Bool
  private(set) var count = 0
  private var ended = 0
  private var message = ""
  private var areAlike = true

  init(failsFast: Bool) { self.failsFast = failsFast }

  var isFirst: Bool { count == 0 }

  /// Why the sweep should stop after this result, if it should.
  mutating func reason(after result: SweepResult) -> String? {
    ended += 1
    guard result.status == .failed else { return nil }
    count += 1
    if failsFast { return "a point failed, and --fail-fast was given" }
    // Numbers differ from point to point.
    let words = result.message.filter { !$0.isNumber }
    if count == 1 { message = words }
    areAlike = areAlike && words == message
    return ended == 10 && count == 10 && areAlike ? "the first 10 points all failed alike" : nil
  }
}

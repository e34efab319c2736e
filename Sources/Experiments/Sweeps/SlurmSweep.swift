import Configuration
import Datasets
import Glibc

/// A sweep whose points run as tasks of Slurm's job arrays.
///
///     sweep.json                        written here, as by a sweep on this machine
///     slurm/<n>.points, <n>-<k>.sh      what is submitted (SlurmScript)
///     slurm/<n>.json                    what was submitted (SlurmSubmission)
///     <run-id>/                         written by tasks, each in its own runs' folders alone
///     summary.csv, timings.csv          written by the one process that follows
public final class SlurmSweep {
  let runner: SweepRunner
  let options: SlurmOptions
  let commands: SlurmCommands
  /// From the root.
  let folder: String
  let cpusPerTask: Int
  /// Of each run.
  let threads: Int
  /// Runs at a time in a task.
  var jobs: Int { cpusPerTask / threads }
  var plan: SweepPlan { runner.plan }
  var progress: Progress { runner.progress }
  /// The jobs' name: without what a command line or a name's pattern would trip over.
  var name: String {
    String(plan.name.map { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) ? $0 : "-" })
  }

  /// - Throws: `Refusal` when options contradict each other.
  public convenience init(_ runner: SweepRunner, options: SlurmOptions) throws {
    try self.init(runner, options: options, commands: SlurmCommands())
  }

  init(_ runner: SweepRunner, options: SlurmOptions, commands: SlurmCommands) throws {
    self.runner = runner
    self.options = options
    self.commands = commands
    threads = runner.options.threads ?? 1
    cpusPerTask = options.cpusPerTask ?? (runner.options.jobs ?? 1) * threads
    folder = Self.absolute(runner.folder.path)
    guard threads <= cpusPerTask else {
      throw Refusal("--threads \(threads) of each run are more than --cpus-per-task \(cpusPerTask)")
    }
    if let wanted = runner.options.jobs, wanted != jobs {
      throw Refusal(
        "--jobs \(wanted) × --threads \(threads) are not the --cpus-per-task \(cpusPerTask); leave --jobs out: a task "
          + "runs as many points at a time as fill its cores")
    }
    guard jobs <= SweepOptions.mostJobs else {
      throw Refusal(
        "--cpus-per-task \(cpusPerTask): \(jobs) runs at a time in one task are more than \(SweepOptions.mostJobs); take fewer "
          + "cores, or give each run more of them: --threads")
    }
    if runner.options.failsFast {
      throw Refusal(
        "--fail-fast: a task knows nothing of the others, which would go on; leave it out, and scancel the jobs instead"
      )
    }
    if let time = options.time, SlurmOptions.seconds(time) == nil,
      !["0", "infinite", "unlimited"].contains(time.lowercased())
    {
      throw Refusal("--time \(time): expected minutes, or a time such as 2:00:00 or 1-12 (days-hours)")
    }
    if folder.contains(where: { $0.isNewline || $0 == "\\" }) {
      throw Refusal("\(folder): Slurm's scripts cannot hold such a name; give --output another folder")
    }
  }

  /// - Parameter path: need not be there yet.
  static func absolute(_ path: String) -> String {
    if let found = realpath(path, nil) {
      defer { free(found) }
      return String(cString: found)
    }
    if path.hasPrefix("/") { return path }
    let here = getcwd(nil, 0)
    defer { free(here) }
    return "\(here.map { String(cString: $0) } ?? "")/\(path)"
  }

  // MARK: What to submit

  func packing(of waiting: [Int], _ states: [SweepPointState], _ limits: SlurmLimits) throws -> (
    packing: SlurmPacking, basis: String
  ) {
    let (seconds, _, _, basis) = try runner.estimate(states, waiting, threads: threads)
    return (
      SlurmPacking(
        points: waiting.count, secondsPerPoint: seconds, jobs: jobs, taskTime: options.taskTime,
        timeLimit: options.time.flatMap(SlurmOptions.seconds),
        arraySize: min(options.arraySize ?? .max, limits.largestArray)), basis
    )
  }

  func scripts(_ packing: SlurmPacking, number: Int) -> [SlurmScript] {
    packing.arrays.map { array in
      SlurmScript(
        folder: folder, number: number, array: array, tasks: packing.tasks, name: name, options: options,
        executable: Self.absolute("/proc/self/exe"), cpusPerTask: cpusPerTask, threads: threads,
        arguments: runner.options.passedOn)
    }
  }

  /// The packing and the scripts; nothing is submitted or written, and Slurm need not be here.
  /// - Throws: `Refusal` when another sweep lies in the folder.
  public func preview() throws -> String {
    let (_, states) = try runner.surveyed()
    let waiting = runner.chosen.filter { !SweepRunner.hasEnded(states[$0]) }
    guard !waiting.isEmpty else { return "\(plan.name): nothing is left to run." }
    var limits = SlurmLimits()
    var source = "MaxArraySize \(limits.largestArray + 1), Slurm's default: no controller answers here"
    if let found = try? SlurmLimits(commands) {
      limits = found
      source = "as scontrol and sacctmgr say"
    }
    let (packing, basis) = try packing(of: waiting, states, limits)
    let scripts = scripts(packing, number: (SlurmSubmission.numbers(in: folder).last ?? 0) + 1)
    var text = """
      \(plan.name): \(packing.description) (\(basis))
      \(cpusPerTask) core\(cpusPerTask == 1 ? "" : "s") a task, \(jobs) run\(jobs == 1 ? "" : "s") at a time with \
      \(threads) thread\(threads == 1 ? "" : "s") each; at most \(grouped(limits.largestArray)) tasks an array (\(source))
      """
    // Arrays differ in their numbers alone.
    for (i, script) in scripts.enumerated() where i == 0 || i == scripts.count - 1 {
      if i > 1 { text += "\n\n… \(i - 1) more like it" }
      text += "\n\n# \(script.path)\n\(script.text)"
    }
    return text
  }

  // MARK: Submitting

  /// Submits what no task of an earlier submission is about to do, and follows everything to its end.
  ///
  /// - Throws: `Refusal` when the command line must not do this, Slurm is not here or does not want the jobs; `Diagnostics`
  ///   when points cannot be run; `RunError` when Slurm does not answer; `Interruption`.
  public func run() throws -> SlurmOutcome {
    do { return try submitAndFollow() } catch let refusal as SlurmRefusal {
      if refusal.isPassing { throw RunError(refusal.description) }
      throw Refusal(refusal.description)
    }
  }

  private func submitAndFollow() throws -> SlurmOutcome {
    var (earlier, states) = try runner.surveyed()
    try runner.requireAllowed(earlier, states)
    let limits = try SlurmLimits(commands)
    try DurableFile.makeFolders("\(folder)/slurm")
    // Tasks at work share the folder with it, a sweep on this machine does not.
    let lock = try SweepLock(follower: folder)
    defer { lock.release() }
    (earlier, states) = try runner.surveyed()
    try runner.requireAllowed(earlier, states)
    if case .same = earlier {} else { try runner.folder.writeDocument() }
    runner.complain(states)
    var submissions = SlurmSubmission.numbers(in: folder).compactMap { SlurmSubmission(folder: folder, number: $0) }
    let queue = try SlurmQueue(named: name, commands)
    submissions.removeAll { queue.aliveTasks(of: $0).isEmpty }
    // Arrays that the queue had no room for are packed anew.
    for i in submissions.indices {
      submissions[i].arrays.removeAll { $0.job == nil && queue.tasks(of: $0).isEmpty }
    }
    let taken = Set(submissions.flatMap { s in queue.aliveTasks(of: s).flatMap { s.points(of: $0) } })
    if !taken.isEmpty {
      progress.say(
        "\(grouped(taken.count)) points are with tasks in the queue already (job "
          + "\(Self.jobs(of: submissions).joined(separator: " ")))")
    }
    let waiting = runner.chosen.filter { !SweepRunner.hasEnded(states[$0]) && !taken.contains(plan.points[$0].id) }
    if !waiting.isEmpty {
      for warning in try plan.preflight(waiting).warnings { progress.say(warning.description) }
      let (packing, basis) = try packing(of: waiting, states, limits)
      progress.say("\(packing.description) (\(basis))")
      for point in waiting {
        try runner.folder.clear(point, states[point])
        states[point] = .missing
      }
      do { submissions.append(try submit(waiting, packing)) } catch {
        // Nothing was begun: once the command line is mended, it needs no --resume.
        if case .none = earlier, SlurmSubmission.numbers(in: folder).isEmpty {
          try? DurableFile.remove("\(folder)/sweep.json")
          rmdir("\(folder)/slurm")
        }
        throw error
      }
    }
    let isDone = runner.chosen.allSatisfy { SweepRunner.hasEnded(states[$0]) }
    let follower = SlurmFollower(self, submissions, states)
    let outcome = options.detaches ? follower.left() : try follower.run()
    if isDone { runner.noteKept() }
    return outcome
  }

  static func jobs(of submissions: [SlurmSubmission]) -> [String] {
    submissions.flatMap { $0.arrays.compactMap(\.job) }
  }

  private func submit(_ points: [Int], _ packing: SlurmPacking) throws -> SlurmSubmission {
    let number = (SlurmSubmission.numbers(in: folder).last ?? 0) + 1
    let scripts = scripts(packing, number: number)
    var submission = SlurmSubmission(
      number: number, name: name, tasks: packing.tasks, points: points.map { plan.points[$0].id },
      arrays: scripts.map { SlurmSubmission.Array(tasks: $0.array, comment: $0.comment, job: nil) })
    try submission.writePoints(to: folder)
    for script in scripts { try DurableFile.write(script.text, to: script.path) }
    try submission.write(to: folder)
    do { try submit(&submission) } catch {
      if submission.arrays.allSatisfy({ $0.job == nil }) && error is SlurmRefusal {
        for script in scripts { try? DurableFile.remove(script.path) }
        try? DurableFile.remove(SlurmScript.list(folder, number))
        try? DurableFile.remove(SlurmSubmission.path(folder, number))
      }
      throw error
    }
    return submission
  }

  /// Hands over the arrays that Slurm does not have yet, until one is too many for the queue.
  /// - Returns: whether all are there.
  @discardableResult
  func submit(_ submission: inout SlurmSubmission) throws -> Bool {
    for i in submission.arrays.indices where submission.arrays[i].job == nil {
      do { submission.arrays[i].job = try submit(submission.arrays[i]) } catch let refusal as SlurmRefusal
        where refusal.isFullQueue && (i > 0 || submission.arrays.count > 1)
      {
        return false
      }
      try submission.write(to: folder)
    }
    return true
  }

  /// Calls sbatch, again and again while the controller is too busy; each time only after the queue has answered that
  /// the call before has not come through after all.
  /// - Returns: the job's number.
  private func submit(_ array: SlurmSubmission.Array) throws -> String {
    let path = String(array.comment.dropFirst("simengine ".count))
    var pause = 1.0
    while true {
      do {
        let text = try commands.output("sbatch", ["--parsable", path])
        // With several clusters: number;cluster.
        let job = text.prefix { $0.isNumber }
        guard !job.isEmpty else { throw RunError("sbatch: answered \(text), where a job's number was expected") }
        return String(job)
      } catch let refusal as SlurmRefusal where refusal.isPassing && pause <= Self.longestPause {
        progress.say("\(refusal); trying again")
      }
      while true {
        guard commands.wait(pause) else { throw Interruption() }
        pause *= 2
        do {
          let queue = try SlurmQueue(named: name, commands)
          if let found = queue.tasks.first(where: { $0.comment == array.comment }) { return found.job }
          break
        } catch let refusal as SlurmRefusal where refusal.isPassing && pause <= Self.longestPause {}
      }
    }
  }

  /// Pauses double from a second to this: some four minutes in all.
  private static let longestPause = 128.0
}

extension SlurmQueue {
  /// The tasks of a submission that run or may still run, numbered over its arrays.
  func aliveTasks(of submission: SlurmSubmission) -> [Int] {
    submission.arrays.flatMap { array in
      let alive = tasks(of: array).filter(\.isAlive)
      if alive.contains(where: { $0.index == nil }) { return Array(array.tasks) }
      return alive.compactMap { $0.index.map { $0 + array.tasks.lowerBound - 1 } }
    }
  }
}

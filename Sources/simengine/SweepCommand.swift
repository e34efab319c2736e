import ArgumentParser
import Configuration
import Experiments

struct SweepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep", abstract: "Runs every point of a configuration's sweep, as separate runs.",
    discussion: """
      Results go to Results/<name>/ below the working directory, or to --output: a folder for each run, and a line of \
      summary.csv. Exit status: 0 done (diverged points are results), 1 a point failed, 2 wrong configuration or use, \
      130 interrupted; --resume goes on.
      """)

  @Argument(
    help: "A configuration with a sweep, or the folder of a sweep that was begun.",
    completion: .file(extensions: ["json"]))
  var config: String
  @Option(
    name: .long, parsing: .singleValue,
    help: ArgumentHelp("Changes a key that is not swept, or the sweep itself.", valueName: "path=value"))
  var set: [String] = []
  @Option(parsing: .unconditional, help: "Replaces the configuration's seed.")
  var seed: Int?
  @Option(parsing: .unconditional, help: "Runs at a time; as many as fit the cores if left out.")
  var jobs: Int?
  @Option(parsing: .unconditional, help: "Threads of each run. Results do not depend on it.")
  var threads: Int?
  @Flag(help: "Does not refuse more threads than there are cores.")
  var oversubscribe = false
  @Flag(help: "A process for each run, instead of one for many.")
  var isolated = false
  @Option(help: ArgumentHelp("What a run may take: 90, 10m, 2h.", valueName: "time"))
  var timeLimit: String?
  @Option(help: ArgumentHelp("What a run may use: 500M, 2G.", valueName: "memory"))
  var memoryLimit: String?
  @Flag(help: "Stops at the first failure.")
  var failFast = false
  @Flag(help: "Runs what is missing, unfinished or failed.")
  var resume = false
  @Flag(help: "With --resume: runs points that were added to the sweep.")
  var extend = false
  @Option(help: ArgumentHelp("Runs a slice: 3/8, or auto in an array job.", valueName: "i/n"))
  var shard: String?
  @Option(
    name: .long, parsing: .singleValue,
    help: ArgumentHelp(
      "Runs these points alone: a label, a run id, a glob, path=value, or @FILE of run ids.", valueName: "point"))
  var only: [String] = []
  @Option(
    name: .long, parsing: .singleValue,
    help: ArgumentHelp("Files to keep of each run: models, figures, currents, timings.", valueName: "files"))
  var keep: [String] = []
  @Option(help: "The sweep's folder itself.")
  var output: String?
  @Flag(help: "Rebuilds summary.csv from the runs' folders; runs nothing.")
  var collect = false
  @Flag(help: "Says what would be done, and how long it would take (runs a point to see, but with --quiet).")
  var dryRun = false
  @Flag(help: "With --dry-run: prints a command for each point that is to be run, for any scheduler.")
  var commands = false
  @Flag(help: "No progress, no table.")
  var quiet = false
  @OptionGroup(title: "Slurm")
  var cluster: SlurmFlags

  func validate() throws {
    if let seed, seed < 0 { throw ValidationError("--seed: \(seed) is negative, expected a whole number from 0") }
    if let threads, !(1...64).contains(threads) { throw ValidationError("--threads: \(threads) is not within 1 … 64") }
    if let jobs, !(1...SweepOptions.mostJobs).contains(jobs) {
      throw ValidationError("--jobs: \(jobs) is not within 1 … \(SweepOptions.mostJobs)")
    }
    if commands && !dryRun { throw ValidationError("--commands prints what --dry-run would run: give both") }
    if collect && (dryRun || resume || extend || shard != nil || !only.isEmpty) {
      throw ValidationError("--collect runs nothing, so it stands alone")
    }
    let running: [(name: String, isGiven: Bool)] = [
      ("--jobs", jobs != nil), ("--threads", threads != nil), ("--isolated", isolated),
      ("--time-limit", timeLimit != nil), ("--memory-limit", memoryLimit != nil), ("--fail-fast", failFast),
      ("--keep", !keep.isEmpty),
    ]
    if collect, let stray = running.first(where: \.isGiven) {
      throw ValidationError("--collect runs nothing, so \(stray.name) would do nothing: leave it out")
    }
    if cluster.slurm && (collect || shard != nil || commands) {
      throw ValidationError(
        "--slurm submits all points and collects them itself; \(collect ? "--collect" : shard != nil ? "--shard" : "--commands") "
          + "does without it")
    }
    if extend && !resume { throw ValidationError("--extend goes on with a sweep: give --resume as well") }
  }

  private func options() throws -> SweepOptions {
    var options = SweepOptions()
    options.jobs = jobs
    options.threads = threads
    options.oversubscribes = oversubscribe
    options.isIsolated = isolated
    if let timeLimit {
      guard let seconds = SweepOptions.seconds(timeLimit) else {
        throw Failure(status: 2, message: "--time-limit \(timeLimit): expected a time, such as 90, 10m or 2h")
      }
      options.timeLimit = seconds
    }
    if let memoryLimit {
      guard let bytes = SweepOptions.bytes(memoryLimit) else {
        throw Failure(status: 2, message: "--memory-limit \(memoryLimit): expected an amount, such as 500M or 2G")
      }
      options.memoryLimit = bytes
    }
    options.failsFast = failFast
    options.resume = resume
    options.extends = extend
    if let shard {
      do { options.shard = try SweepShard(shard) } catch { throw Failure(status: 2, message: "\(error)") }
    }
    options.only = only
    for name in keep.flatMap({ $0.split(separator: ",").map(String.init) }) {
      guard let kept = KeptFiles(rawValue: name) else {
        throw Failure(
          status: 2,
          message: "--keep \(name): expected \(KeptFiles.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      options.keeps.insert(kept)
    }
    options.output = output
    options.quiet = quiet
    return options
  }

  private func plan(_ options: inout SweepOptions) throws -> SweepPlan {
    guard SweepPlan.lies(in: config) else {
      return try SweepPlan(path: config, options: set, seed: seed.map { UInt64($0) })
    }
    if !set.isEmpty || seed != nil || output != nil || commands {
      throw Refusal(
        "\(config): the sweep that lies here is run as it is; --set, --seed, --output and --commands want its configuration"
      )
    }
    options.output = config
    return try SweepPlan(folder: config)
  }

  func run() throws {
    var options = try options()
    let slurm = try cluster.options()
    InterruptionFlag.install()
    let sweep: SweepRunner
    do {
      let plan = try plan(&options)
      if !quiet { Main.warn(plan.warnings) }
      sweep = try SweepRunner(plan, options: options)
    } catch { throw Failure(status: 2, message: "\(error)") }
    do {
      if let slurm { return try submit(try SlurmSweep(sweep, options: slurm)) }
      if dryRun {
        print(commands ? try sweep.commands(config: config, set: set, seed: seed) : try sweep.preview())
        return
      }
      let outcome = try collect ? sweep.collect() : sweep.run()
      if !quiet { print("\(outcome.description)\nResults: \(outcome.folder)") }
      if outcome.isInterrupted {
        if let sentence = SlurmTask.requeueWhenOutOfTime() { Main.complain(sentence) }
        throw Failure(
          status: 130, message: "\ninterrupted; what was done is kept in \(outcome.folder). Go on with: --resume")
      }
      if let reason = outcome.reason {
        throw Failure(status: 1, message: "stopped: \(reason). When that is mended, go on with: --resume")
      }
      if outcome.areLeftToOthers {
        throw Failure(
          status: 1,
          message:
            "\(outcome.left) point\(outcome.left == 1 ? " is" : "s are") still being run by another process; when that has "
            + "ended, --resume runs what it leaves")
      }
      if outcome.failed > 0 && !collect {
        throw Failure(
          status: 1,
          message:
            "\(outcome.failed) failed: see failure.json of each, or message in summary.csv; --resume runs them again")
      }
    } catch let failure as Failure {
      throw failure
    } catch let refusal as Refusal {
      throw Failure(status: 2, message: "\(refusal)")
    } catch let wrong as Diagnostics {
      throw Failure(status: 2, message: "\(wrong)")
    } catch { throw Failure(status: 1, message: "\(error). What was done is kept; go on with: --resume") }
  }

  private func submit(_ sweep: SlurmSweep) throws {
    if dryRun { return print(try sweep.preview()) }
    let outcome: SlurmOutcome
    do { outcome = try sweep.run() } catch is Interruption {
      throw Failure(status: 130, message: "\ninterrupted; what was submitted goes on. Follow it with: --slurm --resume")
    }
    if !quiet { print("\(outcome.sweep.description)\nResults: \(outcome.sweep.folder)") }
    if outcome.sweep.isInterrupted {
      throw Failure(status: 130, message: "\nthe jobs go on without this process. \(outcome.note ?? "")")
    }
    if cluster.detach {
      if !quiet, let note = outcome.note { print(note) }
      return
    }
    if let note = outcome.note {
      throw Failure(status: 1, message: "\(note). --slurm --resume submits what is missing")
    }
    if outcome.sweep.failed > 0 {
      throw Failure(
        status: 1,
        message: "\(outcome.sweep.failed) failed: see message in summary.csv; --slurm --resume submits them again")
    }
  }
}

/// A worker of a sweep; started by it alone.
struct WorkerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker", abstract: "Runs points of a sweep that it is handed on standard input.", shouldDisplay: false
  )

  @Option var parent: Int
  @Option var threads: Int
  @Flag var shared = false
  @Option(name: .long, parsing: .singleValue) var keep: [String] = []

  func run() {
    var options = RunOptions(threads: threads)
    options.keeps = Set(keep.compactMap { KeptFiles(rawValue: $0) })
    options.checkpointInterval = 1
    options.isShared = shared
    SweepWorker.serve(parent: Int32(parent), options: options)
  }
}

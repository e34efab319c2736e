import ArgumentParser
import Experiments

/// The part of `sweep`'s command line that is about a cluster.
struct SlurmFlags: ParsableArguments {
  @Flag(help: "Runs the points as tasks of Slurm job arrays, and follows them. With --dry-run: prints the scripts.")
  var slurm = false
  @Option(help: "Where the tasks go; the site's default if left out.")
  var partition: String?
  @Option(help: ArgumentHelp("What a task may take, in Slurm's words: 90 (minutes), 2:00:00, 1-12.", valueName: "time"))
  var time: String?
  @Option(parsing: .unconditional, help: "Cores of a task.")
  var cpusPerTask: Int?
  @Option(parsing: .unconditional, help: "Most tasks of an array; the site's limit if left out.")
  var arraySize: Int?
  @Option(parsing: .unconditional, help: "Most tasks of an array at a time.")
  var maxRunning: Int?
  @Option(help: ArgumentHelp("What a task should take; points are packed for it (15m if left out).", valueName: "time"))
  var taskTime: String?
  @Option(
    name: .long, parsing: .singleValue,
    help: ArgumentHelp("Any other option of sbatch: account=physics, mem=4G, exclusive.", valueName: "key=value"))
  var sbatchOption: [String] = []
  @Flag(help: "Submits and ends; --slurm --resume follows later.")
  var detach = false

  /// nil without --slurm.
  /// - Throws: `Failure` for what makes no sense.
  func options() throws -> SlurmOptions? {
    let given: [(name: String, isGiven: Bool)] = [
      ("--partition", partition != nil), ("--time", time != nil), ("--cpus-per-task", cpusPerTask != nil),
      ("--array-size", arraySize != nil), ("--max-running", maxRunning != nil), ("--task-time", taskTime != nil),
      ("--sbatch-option", !sbatchOption.isEmpty), ("--detach", detach),
    ]
    guard slurm else {
      if let stray = given.first(where: \.isGiven) {
        throw Failure(status: 2, message: "\(stray.name) is about a cluster: give --slurm as well")
      }
      return nil
    }
    var options = SlurmOptions()
    for (name, value, range) in [
      ("--cpus-per-task", cpusPerTask, 1...4096), ("--array-size", arraySize, 1...4_000_000),
      ("--max-running", maxRunning, 1...4_000_000),
    ] {
      guard let value, !range.contains(value) else { continue }
      throw Failure(status: 2, message: "\(name): \(value) is not within \(range.lowerBound) … \(range.upperBound)")
    }
    (options.partition, options.time, options.cpusPerTask) = (partition, time, cpusPerTask)
    (options.arraySize, options.maxRunning, options.detaches) = (arraySize, maxRunning, detach)
    if let taskTime {
      guard let seconds = SweepOptions.seconds(taskTime) else {
        throw Failure(status: 2, message: "--task-time \(taskTime): expected a time, such as 90, 10m or 2h")
      }
      options.taskTime = seconds
    }
    do { for option in sbatchOption { try options.add(option) } } catch {
      throw Failure(status: 2, message: "\(error)")
    }
    return options
  }
}

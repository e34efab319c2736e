import ArgumentParser
import Experiments
import Glibc

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Runs an experiment and prints its table.",
    discussion: """
      Results go to Results/<name>/<run id>/ below the working directory, or to --output. A run that is already \
      finished is reported, not repeated. Exit status: 0 done, 1 the run failed or diverged, 2 wrong configuration or use, \
      130 interrupted.
      """)

  @Argument(help: "Configuration files, run one after the other.", completion: .file(extensions: ["json"]))
  var configs: [String]
  @Option(
    name: .long, parsing: .singleValue,
    help: ArgumentHelp("Changes a key: stages.train.epochs=5.", valueName: "path=value"))
  var set: [String] = []
  @Option(parsing: .unconditional, help: "Replaces the configuration's seed.")
  var seed: Int?
  @Option(parsing: .unconditional, help: "Threads; all cores if left out. Results do not depend on it.")
  var threads: Int?
  @Option(help: "The run's folder itself.")
  var output: String?
  @Flag(help: "Goes on with an unfinished run; starts it if there is none.")
  var resume = false
  @Flag(help: "Runs again, and replaces what is there.")
  var force = false
  @Flag(help: "No progress, no table.")
  var quiet = false
  @Flag(help: "Prints result.json alone on standard output.")
  var json = false

  func validate() throws {
    if let seed, seed < 0 { throw ValidationError("--seed: \(seed) is negative, expected a whole number from 0") }
    if let threads, !(1...64).contains(threads) { throw ValidationError("--threads: \(threads) is not within 1 … 64") }
    if output != nil && configs.count > 1 {
      throw ValidationError("--output is one run's folder, but \(configs.count) configurations were given")
    }
    if resume && force {
      throw ValidationError("--resume goes on with a run, --force starts it over: give one of the two")
    }
  }

  func run() throws {
    var options = RunOptions(threads: threads)
    options.output = output
    options.resume = resume
    options.force = force
    options.quiet = quiet || json
    InterruptionFlag.install()
    for path in configs { try runOne(path, options) }
  }

  private func runOne(_ path: String, _ options: RunOptions) throws {
    let experiment: LoadedExperiment
    do {
      experiment = try LoadedExperiment(path: path, options: set, seed: seed.map { UInt64($0) }, refusesSweep: true)
      let found = try experiment.preflight(forRun: true)
      if !options.quiet { Main.warn(experiment.warnings, found) }
    } catch { throw Failure(status: 2, message: "\(error)") }
    let run = Run(experiment, options: options)
    do {
      switch try run.run() {
      case .done(let result, let already):
        if json {
          print(result.written(pretty: true))
        } else if !quiet {
          if already { Main.complain("\(run.folder.path): already finished; --force runs it again") }
          print(ResultTable.text(result, folder: run.folder.path, width: terminalWidth))
        }
      case .diverged(let sentence, let result):
        if json { print(result.written(pretty: true)) }
        throw Failure(status: 1, message: sentence)
      }
    } catch is Interruption {
      throw Failure(
        status: 130, message: "\ninterrupted; what was done is kept in \(run.folder.path). Go on with: --resume")
    } catch let failure as Failure {
      throw failure
    } catch let refusal as Refusal {
      throw Failure(status: 2, message: "\(refusal)")
    } catch { throw Failure(status: 1, message: "\(error)") }
  }
}

struct ValidateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "validate", abstract: "Checks configurations without running them; lists every error.")

  @Argument(help: "Configuration files.", completion: .file(extensions: ["json"]))
  var configs: [String]
  @Option(
    name: .long, parsing: .singleValue, help: ArgumentHelp("Changes a key before checking.", valueName: "path=value"))
  var set: [String] = []
  @Flag(help: "Prints the configuration with every default written out.")
  var resolved = false

  func run() throws {
    var failed = false
    for path in configs {
      do {
        let loaded = try LoadedExperiment(path: path, options: set)
        Main.warn(loaded.warnings, try loaded.preflight(forRun: false))
        if resolved { print(loaded.experiment.resolved.written(pretty: true)) } else { print("\(path): valid") }
      } catch {
        failed = true
        Main.complain("\(error)")
      }
    }
    if failed { throw Failure(status: 2, message: "") }
  }
}

struct SchemaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schema", abstract: "Prints the JSON Schema of configurations, for editors.", shouldDisplay: false)
  func run() throws { print(experimentSchema()) }
}

/// Columns of the terminal that is written to; 120 where there is none.
private var terminalWidth: Int {
  var size = winsize()
  return ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 120
}

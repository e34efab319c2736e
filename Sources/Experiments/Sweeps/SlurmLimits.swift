import Glibc

/// What a cluster allows, as far as it says so.
struct SlurmLimits: Equatable {
  /// `MaxArraySize`: every index of an array must be below it.
  var arrayIndexBound: Int?
  /// The most tasks of one array: `max_array_tasks` among the `SchedulerParameters`.
  var arrayTasks: Int?
  /// The most jobs that the user may have in the queue; each task of an array counts.
  var submittedJobs: Int?
  /// Seconds between the signal that announces a job's end and its end.
  var killWait: Double?
  var version: String?

  /// The most tasks that one array may have here, numbered from 1.
  var largestArray: Int {
    // Slurm's own default, should the site not say.
    max(1, min((arrayIndexBound ?? 1001) - 1, arrayTasks ?? .max, submittedJobs ?? .max))
  }

  /// Asks scontrol and, for the user's own limits, sacctmgr; a cluster without accounting has none.
  /// - Throws: `Refusal` when Slurm is not installed, `SlurmRefusal` when its controller does not answer.
  init(_ commands: SlurmCommands) throws {
    try self.init(configuration: commands.output("scontrol", ["show", "config"]))
    let user = getpwuid(getuid()).map { String(cString: $0.pointee.pw_name) } ?? "\(getuid())"
    let answer = try? commands.output(
      "sacctmgr",
      ["--noheader", "--parsable2", "show", "associations", "user=\(user)", "format=MaxSubmitJobs,GrpSubmitJobs"])
    if let answer { readAssociations(answer) }
  }

  init() {}

  /// - Parameter configuration: of `scontrol show config`: lines such as `MaxArraySize            = 1001`.
  init(configuration: String) {
    for line in configuration.split(separator: "\n") {
      guard let equals = line.firstIndex(of: "=") else { continue }
      let key = Self.trimmed(line[..<equals])
      let value = Self.trimmed(line[line.index(after: equals)...])
      switch key {
      case "MaxArraySize": arrayIndexBound = Int(value)
      case "KillWait": killWait = value.split(separator: " ").first.flatMap { Double($0) }
      case "SLURM_VERSION": version = value
      case "SchedulerParameters":
        for parameter in value.split(separator: ",") where parameter.hasPrefix("max_array_tasks=") {
          arrayTasks = Int(parameter.dropFirst("max_array_tasks=".count))
        }
      default: break
      }
    }
  }

  /// - Parameter text: a line for each association, numbers and nothing else between the bars. The user may submit by
  ///   any of them, so the widest counts; an empty field is no limit.
  mutating func readAssociations(_ text: String) {
    let limits = text.split(separator: "\n").map { line in
      line.split(separator: "|", omittingEmptySubsequences: false).compactMap { Int($0) }.min()
    }
    guard !limits.isEmpty, !limits.contains(nil) else { return }
    submittedJobs = limits.compactMap { $0 }.max()
  }

  private static func trimmed(_ text: Substring) -> String {
    String(text.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
  }
}

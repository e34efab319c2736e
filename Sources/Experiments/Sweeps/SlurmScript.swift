/// The text that sbatch is given for one array of tasks.
///
///     #SBATCH lines                   what the command line asked for
///     exec simengine sweep FOLDER …   the points of this task
///
/// The engine is the batch process itself (`exec`), so that Slurm's signals reach it: a shell would look at them only
/// between commands. Everything stands in full, so that the script can be submitted by hand as well.
struct SlurmScript {
  /// The sweep's folder, from the root.
  let folder: String
  /// Of the submission.
  let number: Int
  let array: ClosedRange<Int>
  /// Of all arrays of the submission.
  let tasks: Int
  let name: String
  let options: SlurmOptions
  /// The engine's binary, from the root.
  let executable: String
  let cpusPerTask: Int
  /// Of each run.
  let threads: Int
  /// What is passed on to the tasks' own `sweep`.
  let arguments: [String]

  /// `1-201.sh` starts with the submission's 201st task.
  var path: String { "\(folder)/slurm/\(number)-\(array.lowerBound).sh" }
  static func list(_ folder: String, _ number: Int) -> String { "\(folder)/slurm/\(number).points" }

  /// By this a job is found again, whatever its number.
  var comment: String { "simengine \(path)" }

  /// Where a task writes what it has to say; attempts follow each other.
  var log: String { "\(folder)/slurm/\(number)-\(array.lowerBound).%a.log" }

  var text: String {
    var directives: [(String, String?)] = [
      ("job-name", name), ("comment", comment),
      ("array", "1-\(array.count)" + (options.maxRunning.map { "%\($0)" } ?? "")),
    ]
    if let partition = options.partition { directives.append(("partition", partition)) }
    if let time = options.time { directives.append(("time", time)) }
    directives += [
      ("cpus-per-task", "\(cpusPerTask)"), ("requeue", nil), ("open-mode", "append"), ("signal", "B:USR1@\(warning)"),
      // A file's name may hold patterns such as %a.
      ("output", "\(folder.replacing("%", with: "%%"))\(log.dropFirst(folder.count))"), ("chdir", folder),
    ]
    directives += options.more.map { ($0.key, $0.value) }
    let lines = directives.map { key, value in "#SBATCH --\(key)" + (value.map { "=\(Self.quoted($0))" } ?? "") }
    return """
      #!/bin/sh
      # Tasks \(array.lowerBound) to \(array.upperBound) of \(tasks), made by simengine sweep --slurm. sbatch submits them by hand as well.
      \(lines.joined(separator: "\n"))
      exec \(command)

      """
  }

  /// Seconds before a task's end at which it is told; Slurm may do so up to a minute earlier.
  private var warning: Int { min(120, options.time.flatMap(SlurmOptions.seconds).map { max(1, Int($0 / 5)) } ?? 120) }

  private var command: String {
    // Arrays count from 1 each: a site limits the numbers themselves.
    let task = array.lowerBound == 1 ? "$SLURM_ARRAY_TASK_ID" : "$((SLURM_ARRAY_TASK_ID + \(array.lowerBound - 1)))"
    let jobs = threads == 1 ? "$SLURM_CPUS_PER_TASK" : "$((SLURM_CPUS_PER_TASK / \(threads)))"
    let fixed = [executable, "sweep", folder, "--only", "@\(Self.list(folder, number))"].map(shellQuoted)
    let words =
      fixed + ["--shard", "\"\(task)/\(tasks)\"", "--jobs", "\"\(jobs)\"", "--threads", "\(threads)"]
      + arguments.map(shellQuoted) + ["--resume"]
    return words.joined(separator: " ")
  }

  /// As sbatch reads its lines: it knows double quotes and backslashes, and takes # for a comment.
  private static func quoted(_ value: String) -> String {
    let isPlain = value.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_./:,=+@%".contains($0)) }
    if isPlain && !value.isEmpty { return value }
    return "\"" + value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
  }
}

/// A word for a POSIX shell.
func shellQuoted(_ word: String) -> String {
  let isPlain = word.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_./=,:+@".contains($0)) }
  return isPlain && !word.isEmpty ? word : "'" + word.replacing("'", with: "'\\''") + "'"
}

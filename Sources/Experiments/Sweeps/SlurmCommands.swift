import Glibc

/// Slurm's own commands (sbatch, squeue, scontrol, sacct, sacctmgr), run and waited for.
struct SlurmCommands {
  /// Runs a command; tests put one here that answers from what a real cluster once said.
  var run: (_ name: String, _ arguments: [String]) -> ChildProcess.Result = ChildProcess.run
  /// Waits so many seconds; false when the process was asked to stop meanwhile.
  var wait: (_ seconds: Double) -> Bool = Self.sleep
  /// Seconds on a clock that only goes forward.
  var now: () -> Double = Progress.now

  /// - Returns: what the command printed.
  /// - Throws: `SlurmRefusal` with the command's last words, `Refusal` with the package that it comes with.
  func output(_ name: String, _ arguments: [String]) throws -> String {
    let result = run(name, arguments)
    if result.isMissing { throw Self.missing(name) }
    guard result.status == 0 else { throw SlurmRefusal(command: name, complaint: result.complaint ?? "") }
    return String(decoding: result.output, as: UTF8.self)
  }

  static func missing(_ name: String) -> Refusal {
    Refusal(
      "\(name): not found; --slurm needs sbatch and Slurm's other commands on the PATH (Debian package slurm-client), on a "
        + "machine from which jobs can be submitted. --slurm --dry-run prints the scripts without them")
  }

  /// A pause that a signal cuts short.
  private static func sleep(_ seconds: Double) -> Bool {
    let end = Progress.now() + seconds
    while !InterruptionFlag.isSet {
      let left = end - Progress.now()
      if left <= 0 { return true }
      usleep(UInt32(min(left, 0.1) * 1e6))
    }
    return false
  }
}

/// A command of Slurm's that ended with an error.
struct SlurmRefusal: Error, CustomStringConvertible {
  let command: String
  /// The last line on its standard error.
  let complaint: String

  var description: String {
    complaint.isEmpty ? "\(command) failed without a word" : "\(command) failed: \(Self.bare(complaint, of: command))"
  }

  /// Whether it may go well a little later: the controller is busy, restarting or not to be reached.
  ///
  /// The texts are those of slurm_strerror (src/common/slurm_errno.c).
  var isPassing: Bool {
    [
      "timed out", "Unable to contact slurm controller", "Connection refused", "Connection reset", "Zero Bytes",
      "temporarily", "backup controller", "standby mode", "try again", "Unexpected message received",
      "Unable to establish",
    ].contains { complaint.holds($0) }
  }

  /// Whether the user has too many jobs in the queue already.
  var isFullQueue: Bool {
    ["job submit limit", "QOSMaxSubmit", "AssocMaxSubmit", "AssocGrpSubmit", "QOSGrpSubmit", "too many jobs"]
      .contains { complaint.holds($0) }
  }

  /// Without the `sbatch: error: ` that every line begins with.
  private static func bare(_ text: String, of command: String) -> String {
    var text = Substring(text)
    for prefix in ["\(command): ", "error: "] where text.hasPrefix(prefix) { text = text.dropFirst(prefix.count) }
    return String(text)
  }
}

extension String {
  /// Whether it holds a text, in whatever case.
  fileprivate func holds(_ text: String) -> Bool { lowercased().contains(text.lowercased()) }
}

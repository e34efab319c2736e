import Glibc

/// What squeue says of a user's tasks: which of them live. What they have done stands in the runs' folders alone.
struct SlurmQueue: Equatable {
  /// A task of an array, or what is left of an array that has not been taken apart yet.
  struct Task: Equatable {
    /// The array's number, by which it is cancelled.
    let job: String
    /// Its index in the array; nil for a job that is no array, or for several tasks in one.
    let index: Int?
    /// `PENDING`, `RUNNING`, `CANCELLED`, …
    let state: String
    let reason: String
    let comment: String

    /// Whether it has run or may still do so. An unknown state is taken for life: nothing is submitted twice then.
    var isAlive: Bool { !Self.ends.contains(state) }
    var isPending: Bool { state == "PENDING" || state.hasPrefix("REQUEUE") || state == "SPECIAL_EXIT" }

    private static let ends: Set = [
      "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",
      "TIMEOUT",
    ]
  }

  let tasks: [Task]

  /// Fields in an order that leaves what may hold bars to the end. JSON differs from one version to the next, this does
  /// not.
  private static let format = "%F|%K|%T|%r|%k"

  /// Asks for the user's jobs of a name. Ended ones are among them for as long as the controller remembers (MinJobAge).
  /// - Throws: `Refusal` when there is no squeue, `SlurmRefusal` when it has no answer.
  init(named name: String, _ commands: SlurmCommands) throws {
    try self.init(
      commands.output(
        "squeue",
        ["--noheader", "--array", "--user=\(getuid())", "--name=\(name)", "--states=all", "--format=\(Self.format)"]))
  }

  /// - Parameter text: of squeue, a line for each task; lines that are none are passed over.
  init(_ text: String) {
    tasks = text.split(separator: "\n").compactMap { line in
      let fields = line.split(separator: "|", maxSplits: 4, omittingEmptySubsequences: false).map(String.init)
      guard fields.count == 5, Int(fields[0]) != nil, !fields[2].isEmpty else { return nil }
      return Task(job: fields[0], index: Int(fields[1]), state: fields[2], reason: fields[3], comment: fields[4])
    }
  }

  /// The tasks of one array, by its number or, where that is not known, its comment.
  func tasks(of array: SlurmSubmission.Array) -> [Task] {
    tasks.filter { $0.job == array.job || (array.job == nil && $0.comment == array.comment) }
  }
}

/// Why tasks ended, for sentences: sacct's word where there is accounting. It is believed in nothing else.
enum SlurmAccounting {
  /// - Returns: states by `array_index`; empty without accounting.
  static func states(of jobs: [String], _ commands: SlurmCommands) -> [String: String] {
    guard !jobs.isEmpty,
      let text = try? commands.output(
        "sacct",
        [
          "--noheader", "--parsable2", "--allocations", "--format=JobID,State",
          "--jobs=\(jobs.joined(separator: ","))",
        ])
    else { return [:] }
    return states(text)
  }

  /// - Parameter text: lines such as `12_3|OUT_OF_MEMORY` and `12_4|CANCELLED by 1000`.
  static func states(_ text: String) -> [String: String] {
    var states: [String: String] = [:]
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: "|")
      guard fields.count == 2, let word = fields[1].split(separator: " ").first else { continue }
      states[String(fields[0])] = String(word)
    }
    return states
  }
}

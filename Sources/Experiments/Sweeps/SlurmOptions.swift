/// What the command line says of how a sweep goes to Slurm; none of it changes a result.
public struct SlurmOptions: Sendable {
  public var partition: String?
  /// A limit in Slurm's own words: `2:00:00`, `90` (minutes), `1-12`.
  public var time: String?
  /// Cores of a task; as many as its runs have threads if left out.
  public var cpusPerTask: Int?
  /// Most tasks of one array.
  public var arraySize: Int?
  /// Most tasks of an array that run at a time.
  public var maxRunning: Int?
  /// Seconds that a task should take.
  public var taskTime = 900.0
  /// Further options of sbatch, without their dashes.
  public private(set) var more: [(key: String, value: String?)] = []
  /// Submits and does not follow.
  public var detaches = false

  public init() {}

  /// Adds `account=physics`, or `exclusive`.
  /// - Throws: `Refusal` for one that is set already, in another way, or that is no option.
  public mutating func add(_ text: String) throws {
    let key = String(text.prefix { $0 != "=" })
    let value = key.count < text.count ? String(text.dropFirst(key.count + 1)) : nil
    guard let first = key.first, first.isLowercase,
      key.allSatisfy({ $0.isASCII && ($0.isLetter || $0 == "-" || $0.isNumber) })
    else {
      throw Refusal("--sbatch-option \(text): expected KEY=VALUE or KEY, such as account=physics; see sbatch --help")
    }
    if value?.contains(where: \.isNewline) == true {
      throw Refusal("--sbatch-option \(key): has more than one line, which a script cannot hold")
    }
    if let own = Self.own[key] { throw Refusal("--sbatch-option \(key): \(own)") }
    if more.contains(where: { $0.key == key }) {
      throw Refusal("--sbatch-option \(key): is given twice, and sbatch would take the last alone; give it once")
    }
    more.append((key, value))
  }

  /// Options that have flags of their own, or that the sweep needs as they are.
  private static let own: [String: String] = {
    var own = [
      "partition": "give --partition", "time": "give --time", "cpus-per-task": "give --cpus-per-task",
      "array": "--array-size and --max-running say how points are split",
      "ntasks": "a task of the array is one process; --cpus-per-task gives it cores",
    ]
    for key in [
      "job-name", "comment", "output", "error", "open-mode", "chdir", "signal", "requeue", "no-requeue", "wrap",
    ] {
      own[key] = "the sweep sets it itself, to find, follow and resume its tasks"
    }
    for key in ["parsable", "test-only", "wait", "quiet", "help"] {
      own[key] = "belongs on sbatch's command line, not into a script"
    }
    return own
  }()

  /// Minutes `90`, `90:00`, `1:30:00`, `1-12`, `1-12:30` or `1-12:30:00` in seconds; nil for anything else, and for
  /// no limit (`0`, `infinite`).
  static func seconds(_ text: String) -> Double? {
    let halves = text.split(separator: "-", omittingEmptySubsequences: false)
    let fields = halves.last?.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) } ?? []
    guard (1...2).contains(halves.count), (1...3).contains(fields.count) else { return nil }
    let numbers = fields.compactMap { $0 }
    guard numbers.count == fields.count, numbers.allSatisfy({ (0..<1_000_000).contains($0) }) else { return nil }
    let weights: [Int]
    var seconds = 0
    if halves.count == 2 {
      guard let days = Int(halves[0]), (0..<100_000).contains(days) else { return nil }
      seconds = days * 86400
      weights = [3600, 60, 1]
    } else {
      weights = numbers.count == 3 ? [3600, 60, 1] : [60, 1]
    }
    seconds += zip(numbers, weights).reduce(0) { $0 + $1.0 * $1.1 }
    return seconds > 0 ? Double(seconds) : nil
  }
}

import Configuration
import Glibc
import NeuralNetworks

/// What the command line says of how a sweep is run; none of it changes a result.
public struct SweepOptions {
  /// Most runs at a time.
  public static let mostJobs = 256

  /// Runs at a time.
  public var jobs: Int?
  /// Threads of each run.
  public var threads: Int?
  /// More threads than cores are not refused.
  public var oversubscribes = false
  /// A process for each run, instead of one for many.
  public var isIsolated = false
  /// Seconds that a run may take.
  public var timeLimit: Double?
  /// Bytes of memory that a run may use.
  public var memoryLimit: Int?
  /// Stops at the first failure.
  public var failsFast = false
  public var resume = false
  /// With `resume`: points may have been added.
  public var extends = false
  public var shard: SweepShard?
  /// Labels, run ids (globs), `path=value`.
  public var only: [String] = []
  public var keeps: Set<KeptFiles> = []
  /// The sweep's folder.
  public var output: String?
  public var quiet = false
  /// What is started as `<executable> worker …`.
  public var executable = "/proc/self/exe"

  public init() {}

  /// What a task of a cluster is told of them: all but what says which points, where, and how many at a time.
  var passedOn: [String] {
    var words = keeps.map(\.rawValue).sorted().flatMap { ["--keep", $0] }
    // Digits, as `seconds` reads them: a float writes whole seconds with a fraction, or large ones with an exponent.
    if let timeLimit { words += ["--time-limit", Int(exactly: timeLimit).map(String.init) ?? "\(timeLimit)"] }
    if let memoryLimit { words += ["--memory-limit", "\(memoryLimit)"] }
    for (flag, isGiven) in [
      ("--oversubscribe", oversubscribes), ("--isolated", isIsolated),
    ] where isGiven { words.append(flag) }
    return words
  }

  /// Runs at a time and threads of each.
  /// - Parameter points: how many there are to run.
  /// - Throws: `Refusal` when together they are more than the cores there are.
  func processes(points: Int) throws -> (jobs: Int, threads: Int) {
    let cores = Machine.availableCores
    let jobs = self.jobs ?? max(1, min(cores / (self.threads ?? 1), points))
    let threads = self.threads ?? max(1, cores / jobs)
    if jobs * threads > cores && !oversubscribes {
      throw Refusal(
        "--jobs \(jobs) × --threads \(threads) are \(jobs * threads) threads on \(cores) core\(cores == 1 ? "" : "s"), "
          + "which slows all of them down; take fewer, or give --oversubscribe")
    }
    // What has nothing to do need not be started.
    return (max(1, min(jobs, points)), threads)
  }

  /// `90`, `90s`, `10m`, `2h`, `1d` in seconds; nil for anything else.
  public static func seconds(_ text: String) -> Double? {
    quantity(text, units: ["": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400])
  }

  /// `500M`, `2G`, `1.5GB` in bytes (powers of 1024); nil for anything else.
  public static func bytes(_ text: String) -> Int? {
    var units: [String: Double] = ["": 1]
    for (power, letter) in ["K", "M", "G", "T"].enumerated() {
      for unit in [letter, "\(letter)B", "\(letter)iB"] { units[unit] = Elementary1024.power(power + 1) }
    }
    return quantity(text, units: units).flatMap { $0 < 1e18 ? Int($0) : nil }
  }

  private enum Elementary1024 {
    static func power(_ n: Int) -> Double { (0..<n).reduce(1) { x, _ in 1024 * x } }
  }

  private static func quantity(_ text: String, units: [String: Double]) -> Double? {
    let digits = text.prefix { $0.isNumber || $0 == "." }
    let unit = text.dropFirst(digits.count).filter { $0 != " " }
    guard let number = Double(digits), number > 0, number.isFinite,
      let factor = units[unit] ?? units[unit.uppercased()] ?? units[unit.lowercased()]
    else { return nil }
    return number * factor
  }
}

/// Which points `--only` picks.
struct SweepSelection {
  private var names: [String] = []
  /// Run ids from files.
  private var listed: Set<String> = []
  private var conditions: [(path: String, values: [JSON])] = []
  /// For points that leave a swept path as configured.
  private let defaults: SweepDefaults

  /// - Throws: `Refusal` for something that fits no point.
  init(_ only: [String], plan: SweepPlan) throws {
    defaults = SweepDefaults(base: plan.base)
    for text in only {
      if text.hasPrefix("@") {
        listed.formUnion(try SweepList.read(String(text.dropFirst()), plan: plan))
        continue
      }
      // A label may hold an equals sign itself.
      guard let equals = text.firstIndex(of: "="), equals != text.startIndex,
        !plan.points.contains(where: { Self.fits($0, text) })
      else {
        names.append(text)
        guard plan.points.contains(where: { Self.fits($0, text) }) else {
          let labels = plan.points.compactMap(\.label)
          throw Refusal(
            "--only \(text): no point has this label or id"
              + (labels.isEmpty ? "; path=value picks by value" : "; \(didYouMean(text, among: labels))"))
        }
        continue
      }
      let path = String(text[..<equals])
      var word = String(text[text.index(after: equals)...])
      if word.hasPrefix("=") { word.removeFirst() }
      let value = (try? JSON.parse(word)) ?? .string(word)
      let paths = plan.axes.flatMap(\.paths)
      let fits = paths.contains(path) ? [path] : Array(Set(paths.filter { $0.hasSuffix("." + path) }))
      guard fits.count == 1, let full = fits.first else {
        throw Refusal(
          "--only \(text): \(path) is \(fits.isEmpty ? "not swept" : "not one path alone"); "
            + didYouMean(path, among: fits.isEmpty ? paths : fits))
      }
      if let i = conditions.firstIndex(where: { $0.path == full }) {
        conditions[i].values.append(value)
      } else {
        conditions.append((full, [value]))
      }
      guard plan.points.contains(where: { has($0, full, [value]) }) else {
        let all = plan.points.compactMap { defaults.value(at: full, of: $0.values) }
        throw Refusal("--only \(text): no point has this value; there are \(Condition.listed(all))")
      }
    }
    if !plan.points.contains(where: contains) {
      throw Refusal("--only \(only.joined(separator: " --only ")): no point fits all of these")
    }
  }

  /// Names are alternatives, and so are values of one path; different paths must all fit.
  func contains(_ point: SweepPoint) -> Bool {
    ((names.isEmpty && listed.isEmpty) || listed.contains(point.id) || names.contains { Self.fits(point, $0) })
      && conditions.allSatisfy { has(point, $0.path, $0.values) }
  }

  private static func fits(_ point: SweepPoint, _ name: String) -> Bool {
    globMatches(name, point.id) || (name.count >= 4 && point.id.hasPrefix(name))
      || point.label.map { globMatches(name, $0) } == true
  }

  private func has(_ point: SweepPoint, _ path: String, _ values: [JSON]) -> Bool {
    guard let found = defaults.value(at: path, of: point.values) else { return false }
    return values.contains { Condition.isSame(found, $0) }
  }
}

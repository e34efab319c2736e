import Configuration
import Datasets
import Glibc

/// What a sweep would do, before it does it.
extension SweepRunner {
  /// Points, how many are done, how long the rest takes, what it writes.
  ///
  /// Time is told from the sweep's own timings.csv, or from one point that is run in a temporary folder.
  /// - Throws: `Refusal` when another sweep lies in the folder.
  public func preview() throws -> String {
    let (_, states) = try surveyed()
    let waiting = chosen.filter { !Self.hasEnded(states[$0]) }
    var lines = ["\(plan.name): \(counts(waiting: waiting.count))"]
    for axis in plan.axes {
      lines.append(
        "  \(axis.label == nil ? axis.paths.joined(separator: " with ") : "points"): \(values(of: axis))")
    }
    lines.append("")
    lines.append(table)
    guard !waiting.isEmpty else { return (lines + ["", "Nothing is left to run."]).joined(separator: "\n") }
    let (jobs, threads) = try options.processes(points: waiting.count)
    lines.append("")
    lines.append("Runs at a time: \(jobs), \(threads) thread\(threads == 1 ? "" : "s") each.")
    let (seconds, bytes, files, basis) = try estimate(states, waiting, threads: threads)
    if let seconds {
      let wall = seconds * Double(waiting.count) / Double(jobs)
      let coreHours = seconds * Double(waiting.count) * Double(threads) / 3600
      lines.append(
        "Time: about \(Progress.duration(wall)), \(coreHours < 0.05 ? "less than 0.1" : decimals(coreHours, 1)) core-hours (\(basis))."
      )
    } else {
      lines.append("Time: not known (\(basis)).")
    }
    if let bytes {
      let count = waiting.count * files
      lines.append(
        "Files: about \(grouped(count)) in \(grouped(waiting.count)) folders, "
          + "\(decimals(max(0.1, Double(bytes * waiting.count) / 1e6), 1)) MB, below \(folder.path).")
    }
    return lines.joined(separator: "\n")
  }

  /// `simengine run` for each point that is to be run, a line each, for a scheduler or GNU parallel.
  public func commands(config: String, set: [String], seed: Int?) throws -> String {
    let (_, states) = try surveyed()
    let words =
      set.filter { !$0.hasPrefix("sweep") }.flatMap { ["--set", $0] } + (seed.map { ["--seed", "\($0)"] } ?? [])
    return chosen.filter { !Self.hasEnded(states[$0]) }.map { point in
      let p = plan.points[point]
      let values = p.values.flatMap { ["--set", "\($0.path)=\($0.value.written())"] }
      return
        (["simengine", "run", config, "--set", "sweep={}"] + words + values
        + ["--output", folder.run(point), "--resume", "--threads", "\(options.threads ?? 1)"])
        .map(shellQuoted).joined(separator: " ")
    }.joined(separator: "\n")
  }

  private func counts(waiting: Int) -> String {
    var text = "\(grouped(plan.points.count)) point\(plan.points.count == 1 ? "" : "s")"
    if plan.excluded > 0 { text += " (\(grouped(plan.excluded)) excluded by \"where\")" }
    if plan.repeated > 0 { text += " (\(grouped(plan.repeated)) are the same run as another)" }
    if chosen.count < plan.points.count { text += ", \(grouped(chosen.count)) of them chosen" }
    let done = chosen.count - waiting
    return text + (done == 0 ? ", none done yet" : ", \(grouped(done)) done, \(grouped(waiting)) to run")
  }

  /// The different values of an axis, in order; shortened.
  private func values(of axis: SweepPlan.Axis) -> String {
    var seen: [String] = []
    var known: Set<String> = []
    for point in plan.points {
      let text =
        axis.label != nil
        ? point.label ?? ""
        : point.values.filter { axis.paths.contains($0.path) }.map { $0.value.string ?? $0.value.written() }
          .joined(separator: "/")
      if known.insert(text).inserted { seen.append(text) }
    }
    guard seen.count > 10 else { return seen.joined(separator: ", ") }
    return "\(seen.prefix(5).joined(separator: ", ")), … \(seen.last ?? "") (\(grouped(seen.count)))"
  }

  /// The first and last five points.
  private var table: String {
    let paths = plan.axes.flatMap(\.paths).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
    let hasLabels = plan.axes.contains { $0.label != nil }
    var table = TextTable(header: ["run"] + (hasLabels ? ["point"] : []) + paths.map(SweepPlan.shortened))
    if hasLabels { table.leftColumns = [0, 1] }
    let shown = chosen.count <= 10 ? chosen : Array(chosen.prefix(5)) + [-1] + chosen.suffix(5)
    for point in shown {
      guard point >= 0 else {
        table.rows.append(["…"] + [String](repeating: "", count: table.header.count - 1))
        continue
      }
      let p = plan.points[point]
      table.rows.append(
        [p.id] + (hasLabels ? [p.label ?? ""] : [])
          + paths.map { path in
            p.values.last { $0.path == path }.map { $0.value.string ?? $0.value.written() } ?? ""
          })
    }
    return table.text(indent: "  ")
  }

  // MARK: Estimates

  /// Longest that a point is run for, only to see how long it takes.
  private static let calibrationLimit = 60.0

  /// Seconds and bytes of one run, its files, and where that is known from.
  func estimate(
    _ states: [SweepPointState], _ waiting: [Int], threads: Int
  ) throws -> (seconds: Double?, bytes: Int?, files: Int, basis: String) {
    var times: [Double] = []
    var sample: Int?
    for point in plan.points.indices {
      guard case .ended(let result) = states[point], result.status == .done, let seconds = result.seconds else {
        continue
      }
      times.append(seconds)
      sample = point
    }
    if let sample {
      let (bytes, files) = Self.size(folder.run(sample))
      return (
        times.reduce(0, +) / Double(times.count), bytes, files,
        "mean of \(grouped(times.count)) run\(times.count == 1 ? "" : "s") already done"
      )
    }
    if options.quiet { return (nil, nil, 0, "no run is done yet, and with --quiet none is made to see") }
    return try calibrate(waiting[waiting.count / 2], threads: threads)
  }

  /// Runs one point in a temporary folder.
  private func calibrate(
    _ point: Int, threads: Int
  ) throws -> (seconds: Double?, bytes: Int?, files: Int, basis: String) {
    let place = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(place)/simengine-dry-run-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else {
      return (nil, nil, 0, "no point was done yet, and \(place) cannot be written to for a trial")
    }
    let trial = SweepFolder(String(cString: made), plan: plan)
    defer { Self.remove(trial.path) }
    var options = options
    options.timeLimit = Self.calibrationLimit
    let crew = SweepCrew(plan: plan, folder: trial, options: options, threads: threads, jobs: 1, locks: [])
    var found: SweepResult?
    let quiet = Progress(quiet: true)
    let ending = try crew.run([point], progress: quiet) { _, result in
      found = result
      return nil
    }
    let name = plan.points[point].description
    if case .interrupted = ending { throw RunError("interrupted") }
    guard let found, found.status != .failed, let seconds = found.seconds else {
      let reason = found.map { $0.message.hasPrefix("took longer") ? "more than a minute" : $0.message } ?? "no answer"
      return (nil, nil, 0, "the trial of \(name): \(reason)")
    }
    let (bytes, files) = Self.size(trial.run(point))
    return (seconds, bytes, files, "trial of \(name): \(seconds < 1 ? decimals(seconds, 3) : decimals(seconds, 1)) s")
  }

  /// Bytes and files below a folder.
  private static func size(_ folder: String) -> (bytes: Int, files: Int) {
    var (bytes, files) = (0, 0)
    walk(folder) { path, isFolder in
      guard !isFolder else { return }
      var status = stat()
      if stat(path, &status) == 0 {
        bytes += Int(status.st_size)
        files += 1
      }
    }
    return (bytes, files)
  }

  private static func remove(_ folder: String) {
    walk(folder) { path, isFolder in _ = isFolder ? rmdir(path) : unlink(path) }
    rmdir(folder)
  }

  /// Everything below a folder, what is inside before what holds it; links are not followed.
  private static func walk(_ folder: String, _ body: (_ path: String, _ isFolder: Bool) -> Void) {
    guard let stream = opendir(folder) else { return }
    defer { closedir(stream) }
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      guard name != ".", name != ".." else { continue }
      let path = "\(folder)/\(name)"
      var status = stat()
      guard lstat(path, &status) == 0 else { continue }
      let isFolder = status.st_mode & S_IFMT == S_IFDIR
      if isFolder { walk(path, body) }
      body(path, isFolder)
    }
  }
}

import Configuration
import Datasets
import Glibc
import NeuralNetworks

/// Runs side by side: those that differ in their seed alone are one row, mean ± standard deviation.
public struct Comparison {
  public enum Format: String, CaseIterable, Sendable { case table, markdown, csv, json }

  private struct Loaded {
    var name: String
    var id: String
    var config: JSON
    var metrics: [String: Double]
    var order: [String]
    var status: String
  }

  private struct Row {
    var name: String
    var differences: [String: String]
    var runs: [Loaded]
    func values(_ metric: String) -> [Double] { runs.compactMap { $0.metrics[metric] } }
  }

  private var rows: [Row] = []
  private var metrics: [String] = []
  /// Paths of configuration values in which the rows differ.
  private var paths: [String] = []
  /// What was found and left out, a sentence each.
  public private(set) var notes: [String] = []

  /// - Parameters:
  ///   - folders: runs, or folders that hold runs at any depth.
  ///   - metrics: globs over metric names; empty: all accuracies, or everything when there are none.
  ///   - conditions: `path=value` that a run's configuration must have.
  /// - Throws: `RunError` when there is nothing to compare.
  public init(folders: [String], metrics wanted: [String], conditions: [String], sort: String?) throws {
    var runs: [Loaded] = []
    for folder in folders {
      guard access(folder, R_OK) == 0 else {
        let code = errno
        throw RunError(
          "\(folder): \(code == ENOENT ? "no such folder" : String(cString: strerror(code))); name a run, or a folder that holds "
            + "runs (`simengine run` makes Results)")
      }
      for path in Self.results(below: folder) {
        switch Self.load(path) {
        case .success(let run) where run.status == "done": runs.append(run)
        case .success(let run): notes.append("\(path): left out, its status is \(run.status)")
        case .failure(let problem): notes.append("\(path): left out: \(problem)")
        }
      }
    }
    guard !runs.isEmpty else {
      throw RunError(
        (notes + ["\(folders.joined(separator: ", ")): no finished runs here; `simengine run` makes them"]).joined(
          separator: "\n"))
    }
    for condition in conditions {
      let all = runs
      runs = try runs.filter { try Self.fulfils($0, condition) }
      if runs.isEmpty { throw Self.refusal(condition, all) }
    }
    var names: [String] = []
    for r in runs { for n in r.order where !names.contains(n) { names.append(n) } }
    if wanted.isEmpty {
      let accuracies = names.filter { $0.hasSuffix(".accuracy") }
      let others = names.filter { $0.hasSuffix("Accuracy") }
      self.metrics = !accuracies.isEmpty ? accuracies : others.isEmpty ? names : others
    } else {
      self.metrics = names.filter { n in wanted.contains { globMatches($0, n) } }
      guard !self.metrics.isEmpty else {
        throw RunError("no metric fits \(wanted.joined(separator: ", ")); there are: \(names.joined(separator: ", "))")
      }
    }
    // A run that measured none of this is no row.
    let shown = metrics
    group(runs.filter { run in shown.contains { run.metrics[$0] != nil } })
    try sortRows(by: sort)
  }

  private mutating func group(_ runs: [Loaded]) {
    var groups: [(key: String, runs: [Loaded])] = []
    for r in runs {
      var config = r.config
      config.set("seed", nil)
      let key = config.canonical
      if let i = groups.firstIndex(where: { $0.key == key }) {
        // The same run found twice counts once.
        if !groups[i].runs.contains(where: { $0.id == r.id }) { groups[i].runs.append(r) }
      } else {
        groups.append((key, [r]))
      }
    }
    let leaves = groups.map { Self.leaves($0.runs[0].config) }
    var all: [String] = []
    for l in leaves { for (path, _) in l where !all.contains(path) { all.append(path) } }
    let tables = leaves.map { Dictionary($0, uniquingKeysWith: { a, _ in a }) }
    paths = all.filter { p in p != "seed" && p != "name" && Set(tables.map { $0[p] ?? "" }).count > 1 }
    rows = zip(groups, tables).map { g, t in
      Row(name: g.runs[0].name, differences: t.filter { paths.contains($0.key) }, runs: g.runs)
    }
  }

  private mutating func sortRows(by metric: String?) throws {
    guard let metric else { return }
    guard let exact = metrics.first(where: { globMatches(metric, $0) }) else {
      throw RunError("--sort \(metric): not among the metrics shown: \(metrics.joined(separator: ", "))")
    }
    rows.sort { (Self.mean($0.values(exact)) ?? -.infinity) > (Self.mean($1.values(exact)) ?? -.infinity) }
  }

  // MARK: Output

  public func text(_ format: Format) -> String {
    switch format {
    case .table, .markdown:
      let showsName = Set(rows.map(\.name)).count > 1 || paths.isEmpty
      // Many differences do not fit a page: then the run's id stands for them.
      let shown = paths.count <= 6 ? paths : []
      var table = TextTable(header: (showsName ? ["experiment"] : []) + shown + ["run", "seeds"] + metrics)
      table.leftColumns = Set(0..<((showsName ? 1 : 0) + shown.count + 1))
      for r in rows {
        table.rows.append(
          (showsName ? [r.name] : []) + shown.map { r.differences[$0] ?? "–" }
            + [r.runs.count == 1 ? r.runs[0].id : "\(r.runs[0].id)…", "\(r.runs.count)"]
            + metrics.map { m in Self.spread(m, r.values(m)) })
      }
      return format == .table ? table.text() : table.markdown
    case .csv:
      var lines: [[String]] = []
      for r in rows {
        var cells =
          [r.name, r.runs.map(\.id).joined(separator: " "), "\(r.runs.count)"] + paths.map { r.differences[$0] ?? "" }
        for m in metrics {
          cells += [Self.mean(r.values(m)).map(CSV.number) ?? "", Self.deviation(r.values(m)).map(CSV.number) ?? ""]
        }
        lines.append(cells)
      }
      let header = ["experiment", "runs", "seeds"] + paths + metrics.flatMap { [$0, "\($0) sd"] }
      return String(decoding: CSV.encode(CSVTable(header: header, rows: lines)).dropLast(), as: UTF8.self)
    case .json:
      return JSON.array(
        rows.map { r in
          .object([
            ("experiment", .string(r.name)), ("runs", .array(r.runs.map { .string($0.id) })),
            ("differences", .object(paths.compactMap { p in r.differences[p].map { (p, .string($0)) } })),
            (
              "metrics",
              .object(
                metrics.compactMap { m in
                  Self.mean(r.values(m)).map { mean in
                    (
                      m,
                      .object([
                        ("mean", .number(mean)), ("sd", Self.deviation(r.values(m)).map { .number($0) } ?? nil),
                        ("n", .integer(r.values(m).count)),
                      ])
                    )
                  }
                })
            ),
          ])
        }
      ).written(pretty: true)
    }
  }

  private static func spread(_ name: String, _ values: [Double]) -> String {
    guard let mean = mean(values) else { return "" }
    guard let sd = deviation(values) else { return readable(name, mean) }
    if isShare(name) { return "\(decimals(100 * mean, 2)) ± \(decimals(100 * sd, 2)) %" }
    return "\(readable(name, mean)) ± \(readable(name, sd))"
  }

  private static func mean(_ v: [Double]) -> Double? { v.isEmpty ? nil : v.reduce(0, +) / Double(v.count) }

  /// The sample standard deviation; nil below two values.
  private static func deviation(_ v: [Double]) -> Double? {
    guard v.count > 1, let m = mean(v) else { return nil }
    return (v.reduce(0) { $0 + ($1 - m) * ($1 - m) } / Double(v.count - 1)).squareRoot()
  }

  // MARK: Reading

  private static func results(below folder: String, depth: Int = 0) -> [String] {
    if access("\(folder)/result.json", F_OK) == 0 { return ["\(folder)/result.json"] }
    guard depth < 6, let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if !name.hasPrefix("."), entry.pointee.d_type != UInt8(DT_REG) { names.append(name) }
    }
    return names.sorted().flatMap { results(below: "\(folder)/\($0)", depth: depth + 1) }
  }

  private static func load(_ path: String) -> Result<Loaded, RunError> {
    let bytes: [UInt8]
    do { bytes = try FileBytes.read(path) } catch { return .failure(RunError("\(error)")) }
    let json: JSON
    do { json = try JSON.parse(bytes, file: path, dialect: .strict) } catch {
      return .failure(RunError("\(error.message) (line \(error.position.line))"))
    }
    guard let id = json["runID"]?.string, let config = json["config"], config.members != nil else {
      return .failure(RunError("it is no run's result: it lacks runID or config"))
    }
    var metrics: [(String, Double)] = []
    for m in json["metrics"]?.members ?? [] {
      if let value = m.value.double { metrics.append((m.key, value)) }
    }
    let loaded = Loaded(
      name: json["name"]?.string ?? "", id: id, config: config,
      metrics: Dictionary(metrics, uniquingKeysWith: { a, _ in a }), order: metrics.map(\.0),
      status: json["status"]?.string ?? "unknown")
    return .success(loaded)
  }

  private static func fulfils(_ run: Loaded, _ condition: String) throws -> Bool {
    guard let equals = condition.firstIndex(of: "="), equals != condition.startIndex else {
      throw RunError("--where \(condition): expected path=value, such as seed=1")
    }
    let text = String(condition[condition.index(after: equals)...])
    let wanted = (try? JSON.parse(text)) ?? .string(text)
    guard let found = value(run, String(condition[..<equals])) else { return false }
    // What a shorthand stands for: data=mnist-5k, models.main=lenet5.
    return found == wanted
      || ["dataset", "architecture", "kind", "preset"].contains { key in found[key] == wanted && wanted.string != nil }
  }

  /// A value of the resolved configuration, in which the one model is called main.
  private static func value(_ run: Loaded, _ path: String) -> JSON? {
    if let found = run.config.value(at: path) { return found }
    guard path == "model" || path.hasPrefix("model.") else { return nil }
    return run.config.value(at: "models.main" + path.dropFirst("model".count))
  }

  /// Says whether it is the key or the value that no run has.
  private static func refusal(_ condition: String, _ runs: [Loaded]) -> RunError {
    let path = String(condition.prefix { $0 != "=" })
    let values = runs.compactMap { value($0, path) }.map { $0.string ?? $0.written() }
    if values.isEmpty { return RunError("--where \(condition): no run's configuration has a value at \(path)") }
    var different: [String] = []
    for v in values where !different.contains(v) { different.append(v) }
    let shown = different.prefix(8).joined(separator: ", ") + (different.count > 8 ? ", …" : "")
    return RunError("--where \(condition): no run has this value; there are: \(shown)")
  }

  /// Every scalar of a configuration with its path.
  private static func leaves(_ json: JSON, _ path: String = "") -> [(String, String)] {
    func join(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
    if let members = json.members { return members.flatMap { leaves($0.value, join($0.key)) } }
    if let items = json.array, items.contains(where: { $0.members != nil || $0.array != nil }) {
      return items.enumerated().flatMap { leaves($0.element, join("\($0.offset)")) }
    }
    return [(path, json.string ?? json.written())]
  }
}

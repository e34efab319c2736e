import Configuration
import Datasets
import Foundation

/// Everything that the page's template names.
struct PageContent {
  struct Section { var id, name: String }
  struct State { var count: String, name: String, kind: String }
  struct AxisRow { var name, unit, values, path: String }
  struct Axes { var isShown: Bool, rows: [AxisRow] }
  struct Document { var name, text: String }
  struct Figure { var svg, title, caption: String }
  struct Figures { var isShown: Bool, entries: [Figure] }
  struct Head { var name: String, isNumber: Bool }
  struct Row { var cells: [Cell] }
  struct Cell {
    var text: String
    /// Of the tag, with the space before them.
    var attributes: String

    static func number(_ text: String, _ value: Double?) -> Cell {
      // The number itself only where the text is not just that.
      let key = value.map { $0.isFinite ? CSV.number($0) : "" } ?? ""
      return Cell(text: text, attributes: " class=\"n\" data-v=\"\(key)\"")
    }
    static func text(_ text: String, kind: String = "") -> Cell {
      Cell(text: text, attributes: kind.isEmpty ? "" : " class=\"\(kind)\"")
    }
  }
  struct Table {
    var heads: [Head] = []
    var rows: [Row] = []
    var caption = ""
    var notes: [String] = []
  }
  struct LostRow { var id, status, point, message: String }
  struct Lost { var isShown: Bool, rows: [LostRow], note: [String] }
  struct MachineRow { var processor, cores, threads, blas, kernels, version, runs: String }

  var title: String
  var subtitle = ""
  var source: String
  var engine = engineVersion
  var css = PageStyle.css
  var script = "\n" + PageStyle.script + "\n"
  var scriptHash = ""
  var sections: [Section] = []
  var states: [State] = []
  var best: [String] = []
  var warnings: [String] = []
  var axes = Axes(isShown: false, rows: [])
  var asked: [String] = []
  var written: [Document] = []
  var figures = Figures(isShown: false, entries: [])
  var figureNotes: [String] = []
  var table = Table()
  var lost = Lost(isShown: false, rows: [], note: [])
  var configurationNote: [String] = []
  var configurations: [Document] = []
  var machines: [MachineRow] = []
  var time: [String] = []

  private static let lostLimit = 200
  private static let configurationLimit = 20

  init(_ report: ReportPage, title: String, source: String) {
    self.title = title
    self.source = source
    addStates(report)
    addAsked(report)
    addBest(report)
    addLost(report)
    addConfigurations(report)
    addMachines(report)
  }

  /// What depends on the rest.
  mutating func finish() {
    let hash = Data(SHA256.digest(of: Array(script.utf8))).base64EncodedString()
    scriptHash = "sha256-\(hash)"
    sections =
      [Section(id: "asked", name: "What was asked")]
      + (figures.isShown ? [Section(id: "figures", name: "Figures")] : []) + [Section(id: "table", name: "Table")]
      + (lost.isShown ? [Section(id: "lost", name: "Diverged and failed")] : [])
      + [Section(id: "configurations", name: "Configurations"), Section(id: "machine", name: "Machine")]
  }

  // MARK: Head

  private mutating func addStates(_ report: ReportPage) {
    let runs = report.collection.runs
    let counts = Dictionary(grouping: runs, by: \.status).mapValues(\.count)
    states = [State(count: grouped(counts[.done] ?? 0), name: "done", kind: "good")]
    for (status, name) in [(RunStatus.diverged, "diverged"), (.failed, "failed")] {
      if let count = counts[status] { states.append(State(count: grouped(count), name: name, kind: "bad")) }
    }
    let pending = report.collection.pending
    if pending > 0 { states.append(State(count: grouped(pending), name: "not run yet", kind: "")) }
    let seeds = Set(runs.compactMap { $0.value(at: "seed")?.cell })
    let total = runs.count + pending
    var parts = [
      report.collection.sweeps.isEmpty ? counted(total, "run") : "a sweep of \(counted(total, "point"))"
    ]
    if report.groups.count > 1 { parts.append(counted(report.groups.count, "setting")) }
    if !seeds.isEmpty {
      let list = seeds.sorted { (Double($0) ?? 0, $0) < (Double($1) ?? 0, $1) }
      parts.append(
        list.count <= 12
          ? "\(list.count == 1 ? "seed" : "seeds") \(list.joined(separator: ", "))" : counted(list.count, "seed"))
    }
    subtitle = parts.joined(separator: " · ")
  }

  private func counted(_ n: Int, _ what: String) -> String { "\(grouped(n)) \(what)\(n == 1 ? "" : "s")" }

  private mutating func addBest(_ report: ReportPage) {
    guard report.groups.count > 1, let metric = report.drawn.first(where: isShare) else { return }
    let means = report.groups.map { $0.spread(metric)?.mean ?? -.infinity }
    guard let place = means.indices.max(by: { means[$0] < means[$1] }), means[place].isFinite,
      let spread = report.groups[place].spread(metric)
    else { return }
    let name = report.name(of: report.groups[place])
    best = ["Highest \(metric): \(spread.text(metric))\(name.isEmpty ? "" : ", at \(name)")."]
  }

  // MARK: What was asked

  private mutating func addAsked(_ report: ReportPage) {
    let rows = report.axes.map { axis -> AxisRow in
      guard case .path(let path) = axis.selector else {
        return AxisRow(name: axis.title, unit: "", values: axis.summary, path: "")
      }
      return AxisRow(name: axis.name, unit: axis.unit, values: axis.summary, path: path)
    }
    axes = Axes(isShown: !rows.isEmpty, rows: rows)
    for sweep in report.collection.sweeps.prefix(4) {
      if report.collection.sweeps.count > 1 {
        asked.append("Sweep \(sweep.name): \(counted(sweep.points.count, "point")).")
      }
      written.append(
        Document(name: "The configuration as written: \(sweep.name)", text: sweep.config.written(pretty: true)))
      written.append(Document(name: "The sweep as written", text: sweep.sweep.written(pretty: true)))
    }
  }

  // MARK: Losses

  private mutating func addLost(_ report: ReportPage) {
    let runs = report.collection.runs.filter { $0.status != .done }
    guard !runs.isEmpty else { return }
    let rows = runs.prefix(Self.lostLimit).map { run in
      let place = report.axes.compactMap { axis in axis.selector.value(run).map(axis.phrase) }
      let seed = run.value(at: "seed").map { ["seed \($0.cell)"] } ?? []
      return LostRow(
        id: run.id, status: run.status.rawValue, point: (place + seed).joined(separator: ", "),
        message: clipped(run.message, 400))
    }
    let more = runs.count - rows.count
    lost = Lost(isShown: true, rows: Array(rows), note: more > 0 ? ["And \(grouped(more)) more."] : [])
  }

  // MARK: Configurations and machines

  private mutating func addConfigurations(_ report: ReportPage) {
    if report.collection.isOneSweep, let run = report.collection.runs.first {
      configurationNote = [
        "Resolved, with every default written out, for the first run. All others differ from it in what was swept alone."
      ]
      let text = (try? FileBytes.read("\(run.folder)/config.json")).map { String(decoding: $0, as: UTF8.self) }
      let config =
        text ?? run.config?.written(pretty: true) ?? (try? ResultFile.read(run.folder))?.config?.written(pretty: true)
      if let config { configurations = [Document(name: "config.json of run \(run.id)", text: config)] }
      return
    }
    let shown = report.groups.prefix(Self.configurationLimit)
    configurations = shown.compactMap { group in
      guard let run = group.example, let config = run.config else { return nil }
      let name = report.name(of: group)
      return Document(
        name: "\(run.name)\(name.isEmpty ? "" : ": \(name)") (run \(run.id))", text: config.written(pretty: true))
    }
    if shown.count < report.groups.count {
      configurationNote = [
        "The first \(shown.count) of \(report.groups.count); each run's folder has its own config.json."
      ]
    }
  }

  private mutating func addMachines(_ report: ReportPage) {
    var order: [RunOrigin] = []
    var counts: [RunOrigin: Int] = [:]
    for run in report.collection.runs where run.status != .failed {
      if counts[run.origin] == nil { order.append(run.origin) }
      counts[run.origin, default: 0] += 1
    }
    machines = order.prefix(20).map { origin in
      let json = (try? JSON.parse(origin.machine, dialect: .strict)) ?? JSON(.null)
      func text(_ key: String) -> String { json[key].map { $0.string ?? $0.written() } ?? "?" }
      return MachineRow(
        processor: text("processor"), cores: text("cores"), threads: text("threads"), blas: text("blas"),
        kernels: text("kernels"), version: origin.version, runs: grouped(counts[origin] ?? 0))
    }
    var seconds = 0.0
    for sweep in report.collection.sweeps {
      guard let table = try? CSV.read("\(sweep.folder)/timings.csv"), let column = table.column("seconds") else {
        continue
      }
      // What no run can have taken is damage: it must not end in an integer.
      seconds += column.compactMap(Double.init).filter { $0 >= 0 && $0 < 1e12 }.reduce(0, +)
    }
    if seconds > 0 { time = ["The runs took \(Self.duration(seconds)) in all, one after the other."] }
  }

  static func duration(_ seconds: Double) -> String {
    if seconds < 120 { return "\(decimals(seconds, 1)) s" }
    let minutes = Int((seconds / 60).rounded())
    return minutes < 120 ? "\(minutes) min" : "\(minutes / 60) h \(minutes % 60) min"
  }
}

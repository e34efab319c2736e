import Configuration
import Datasets

/// Accuracy and loss against the epoch, from the runs' epochs.csv: mean over seeds, and the band of its uncertainty.
struct TrainingCurves {
  /// One model's training stage in one group.
  private struct Curve {
    var group: Int
    var model: String
    var stage: String
    /// By column and epoch, the values of the runs.
    var values: [String: [[Double]]] = [:]
  }

  /// Lines of a figure: as many as there are colours that stand out from white.
  private static let limit = 7

  private var curves: [Curve] = []
  private var columns: [String] = []
  private let groups: [RunGroup]
  private let names: [String]
  private let keyTitle: String
  private let uncertainty: Uncertainty
  /// Files that could not be read, a sentence each.
  private(set) var notes: [String] = []

  /// - Parameters:
  ///   - names: what a legend calls each group; empty for the only one.
  ///   - keyTitle: what the names are values of.
  init(_ groups: [RunGroup], names: [String], keyTitle: String, uncertainty: Uncertainty) {
    self.groups = groups
    self.names = names
    self.keyTitle = keyTitle
    self.uncertainty = uncertainty
    for (g, group) in groups.enumerated() {
      var own: [Curve] = []
      for run in group.runs {
        guard let bytes = try? FileBytes.read("\(run.folder)/epochs.csv") else { continue }
        do {
          let table = try CSV.parse(bytes, name: "\(run.folder)/epochs.csv")
          add(table, group: g, to: &own)
        } catch { notes.append("\(error); its curves are left out") }
      }
      curves += own
    }
  }

  private mutating func add(_ table: CSVTable, group: Int, to curves: inout [Curve]) {
    guard let models = table.column("model"), let stages = table.column("stage"), let epochs = table.column("epoch")
    else {
      return
    }
    let series = table.header.enumerated().filter { $0.element.hasSuffix("Accuracy") || $0.element.hasSuffix("Loss") }
    for (_, name) in series where !columns.contains(name) { columns.append(name) }
    for (r, row) in table.rows.enumerated() {
      guard let epoch = Int(epochs[r]), (1...1_000_000).contains(epoch) else { continue }
      let found = curves.firstIndex { $0.model == models[r] && $0.stage == stages[r] }
      let place = found ?? curves.count
      if found == nil { curves.append(Curve(group: group, model: models[r], stage: stages[r])) }
      for (column, name) in series {
        guard let value = Double(row[column]), value.isFinite else { continue }
        Self.put(value, at: epoch - 1, in: &curves[place].values[name, default: []])
      }
    }
  }

  /// In place: a copy for each of a thousand epochs would cost their square.
  private static func put(_ value: Double, at epoch: Int, in values: inout [[Double]]) {
    while values.count <= epoch { values.append([]) }
    values[epoch].append(value)
  }

  /// A figure for accuracies and one for losses, with so many lines at most.
  var entries: [ReportFigures.Entry] {
    [("Accuracy", "accuracy", 100.0), ("Loss", "loss", 1)].compactMap { suffix, what, scale in
      entry(suffix, what, scale)
    }
  }

  private func entry(_ suffix: String, _ what: String, _ scale: Double) -> ReportFigures.Entry? {
    var series = columns.filter { $0.hasSuffix(suffix) }
    let longest = curves.flatMap { c in series.compactMap { c.values[$0]?.count } }.max() ?? 0
    guard longest > 1 else { return nil }
    // What was measured on images that were not trained on, if anything was.
    let measured = series.filter { !$0.hasPrefix("train") }
    if series.count > 1, curves.count * series.count > Self.limit, let preferred = measured.first ?? series.first {
      series = [preferred]
    }
    var shown = curves.indices.filter { k in series.contains { curves[k].values[$0] != nil } }
    let all = shown.count
    var choice = ""
    if shown.count * series.count > Self.limit {
      func last(_ k: Int) -> Double {
        curves[k].values[series[0]]?.last { !$0.isEmpty }.flatMap { Spread($0)?.mean } ?? -.infinity
      }
      let ranked = shown.map { ($0, last($0)) }.sorted { $0.1 > $1.1 }.map(\.0)
      let count = Self.limit / series.count
      shown = (0..<count).map { ranked[$0 * (ranked.count - 1) / max(1, count - 1)] }
      choice = " \(count) of \(all) curves: from the highest to the lowest at the end, at equal steps of rank."
    }
    let severalModels = Set(curves.map(\.model)).count > 1
    let severalStages = Set(curves.map(\.stage)).count > 1
    var figure = Figure(
      name: "training-\(what)", title: "Training: \(what)", xLabel: "epoch",
      yLabel: scale == 1 ? "mean loss" : "accuracy (%)", lines: [])
    var bands: [Figure.Line] = []
    var most = 0
    for (i, k) in shown.enumerated() {
      let curve = curves[k]
      for name in series {
        guard let values = curve.values[name] else { continue }
        var points: [(Double, Double)] = []
        var widths: [Double] = []
        let step = max(1, values.count / 1000)
        for e in Swift.stride(from: 0, to: values.count, by: step) {
          guard let spread = Spread(values[e]) else { continue }
          most = max(most, spread.count)
          points.append((Double(e + 1), scale * spread.mean))
          widths.append(scale * (spread.width(uncertainty) ?? 0))
        }
        guard !points.isEmpty else { continue }
        let parts =
          (groups.count > 1 ? [names[curve.group]] : []) + (severalModels ? [curve.model] : [])
          + (severalStages ? [curve.stage] : [])
        let part = String(name.dropLast(suffix.count))
        let title = parts.joined(separator: ", ") + (series.count > 1 ? "\(parts.isEmpty ? "" : ", ")\(part)" : "")
        if widths.contains(where: { $0 > 0 }) {
          bands.append(Figure.Line(title: "", points: points, style: .band, errors: widths, colour: i))
        }
        let isTraining = series.count > 1 && part == "train"
        figure.lines.append(
          Figure.Line(title: title, points: points, dash: isTraining ? 2 : series.count > 1 ? 1 : i % 5 + 1, colour: i))
      }
    }
    guard !figure.lines.isEmpty else { return nil }
    if groups.count > 1 { figure.keyTitle = keyTitle }
    figure = ReportFigures.laidOut(figure)
    figure.lines = bands + figure.lines
    var caption =
      most > 1 ? "Mean over \(most) seeds; the band is its \(uncertainty.name)." : "One run for each line."
    if series.count == 1 { caption = "\(series[0]). " + caption }
    return ReportFigures.Entry(drawing: figure, caption: caption + choice)
  }
}

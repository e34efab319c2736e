import Configuration
import Datasets

/// What a run leaves.
extension Run {
  /// Every metric under its name: <model>.<label>.<metric>, the model left out when there is only one.
  private var metrics: [(name: String, value: Double)] {
    let several = models.count > 1
    return checkpoint.results.flatMap { r in
      r.metrics.map { m in ((several && !r.model.isEmpty ? "\(r.model)." : "") + "\(r.label).\(m.name)", m.value) }
    }
  }

  /// result.json as far as it goes.
  func resultJSON(status: String, message: String? = nil) -> JSON {
    var json = JSON.object([
      ("name", .string(configuration.name)), ("runID", .string(id)), ("status", .string(status)),
      ("seed", .integer(Int(clamping: configuration.seed))), ("version", .string(engineVersion)), ("config", resolved),
      (
        "stages",
        .array(checkpoint.results.map(\.json) + (status == "done" ? [] : [checkpoint.current?.json].compactMap { $0 }))
      ),
      ("metrics", .object(metrics.map { ($0.name, .number($0.value)) })),
      ("machine", Machine.description(threads: options.threads)),
      ("timings", .object(checkpoint.timings.map { ($0.name, .number(($0.seconds * 1000).rounded() / 1000)) })),
    ])
    if let message { json.set("message", .string(message)) }
    return json
  }

  /// Writes what is kept of a run that has come to its end. - Returns: its result.json.
  func finish() throws -> JSON {
    let keepsModels = options.keeps.contains(.models)
    if !models.isEmpty && keepsModels { try DurableFile.makeFolders(folder.file("models")) }
    for m in models where keepsModels {
      guard let model = m.model else { continue }
      try WeightFile.write(model, to: folder.file("models/\(m.name).safetensors"))
    }
    // A run killed between its last checkpoint and epochs.csv comes straight here.
    try writeEpochs()
    if configuration.figures && options.keeps.contains(.figures) { try drawFigures() }
    let result = resultJSON(status: "done")
    if options.keeps.contains(.timings) {
      try CSVText.write(
        ["what", "seconds"], checkpoint.timings.map { [$0.name, "\(($0.seconds * 1000).rounded() / 1000)"] },
        to: folder.file("timings.csv"))
    }
    // Last of all: its presence says that everything else is there.
    try DurableFile.write(result.written(pretty: true) + "\n", to: folder.file("result.json"))
    if isTaken || folder.exists("state") { try folder.clearState() }
    return result
  }

  private func drawFigures() throws {
    var yieldAbove: [String: Double] = [:]
    for (stage, label) in zip(configuration.stages, configuration.labels) {
      yieldAbove[label] = (stage.body as? EvaluateStage)?.yieldAbove
    }
    let figures =
      TrainingFigures.figures(from: checkpoint.results, several: models.count > 1)
      + EvaluationFigures.figures(from: checkpoint.results, yieldAbove: yieldAbove)
      + PruningFigures.figures(from: checkpoint.results, several: models.count > 1)
    guard !figures.isEmpty else { return }
    try DurableFile.makeFolders(folder.file("figures"))
    guard let problem = try Gnuplot.draw(figures, into: folder.file("figures")) else { return }
    // Ctrl-C in a terminal reaches gnuplot as well.
    try InterruptionFlag.check()
    progress.say("warning: \(problem)")
  }

  /// One line for each model, training stage and epoch.
  func writeEpochs() throws {
    let trained = (checkpoint.results + [checkpoint.current].compactMap { $0 }).filter { $0.stage == "train" }
    guard !trained.isEmpty else { return }
    var names: [String] = []
    for r in trained { for s in r.series where !names.contains(s.name) { names.append(s.name) } }
    var rows: [[String]] = []
    for r in trained {
      for epoch in 0..<(r.series.map(\.values.count).max() ?? 0) {
        rows.append(
          [r.model, r.label, "\(epoch + 1)"]
            + names.map { n in
              let values = r.series.first { $0.name == n }?.values ?? []
              // Not finite: empty, as it is null in result.json.
              return epoch < values.count && values[epoch].isFinite ? "\(values[epoch])" : ""
            })
      }
    }
    try CSVText.write(
      ["model", "stage", "epoch"] + names, rows, to: folder.file("epochs.csv"), isLast: options.checkpointInterval == 0)
  }
}

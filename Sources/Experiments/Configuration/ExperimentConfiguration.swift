import Configuration
import Datasets
import NeuralNetworks

/// One thing that an experiment does, with the models it does it to.
public struct StageConfiguration: Configurable {
  public var label: String?
  public var models: [String]?
  public var dataset: String?
  public var result: String?
  public var body: any Stage = EvaluateStage()

  public init() {}
  public static let documentation = "A stage: what it does is its one key beside label, models, dataset and as."
  public static let fields: [Field<StageConfiguration>] = [
    .oneKey(\.body, of: stageVariants()),
    Field("label", \.label, .optional(.text), "Names the stage in metrics; its kind if left out."),
    Field("models", \.models, .optional(.list(of: .text)), "The models it is done to; all if left out."),
    Field("dataset", \.dataset, .optional(.text), "Which of `datasets` it uses; `data` if left out."),
    Field("as", \.result, .optional(.text), "Names what the stage makes, for later stages."),
  ]
}

/// Everything that `simengine run` is told: a configuration file.
public struct ExperimentConfiguration: Configurable {
  public var name = ""
  public var seed: UInt64 = 1
  public var data: DataConfiguration?
  public var datasets: [(key: String, value: DataConfiguration)] = []
  public var model: ModelConfiguration?
  public var models: [(key: String, value: ModelConfiguration)] = []
  public var hardware: (any HardwareConfiguration)?
  public var stages: [StageConfiguration] = []
  public var figures = true
  public var sweep: [String: JSON] = [:]

  public init() {}
  public static let documentation = "An experiment: named models, named data sets, and stages that change or measure them."
  public static let fields: [Field<ExperimentConfiguration>] = [
    Field("name", \.name, .text, "Names the folder of the results.", required: true, example: "lenet5-on-crossbars"),
    Field("seed", \.seed, .seed, "Keys data order, initialisation and noise in time."),
    Field("data", \.data, .optional(.object(shorthand: "dataset")), "The data set of all stages that name none."),
    Field("datasets", \.datasets, .orderedMap(of: .object(shorthand: "dataset")), "Further data sets by name."),
    Field("model", \.model, .optional(.object(shorthand: "architecture")), "Short for one model called main."),
    Field("models", \.models, .orderedMap(of: .object(shorthand: "architecture")), "The models by name."),
    Field("hardware", \.hardware, .optional(hardwareCodec), "Arrays of stages that need no model (circuit)."),
    Field("stages", \.stages, .list(of: .object(), count: 1...), "What is done, in order.", required: true),
    Field("figures", \.figures, .boolean, "Whether figures are drawn."),
    Field("sweep", \.sweep, .map(of: .any), "Lists of values by path, for `simengine sweep`."),
  ]

  public mutating func check(_ report: inout Report) {
    if name.isEmpty || name.contains("/") || name.hasPrefix(".") {
      report.error("\"\(name)\" cannot name a folder", at: "name", hint: "letters, digits, - and _ are safe")
    }
    if let only = model {
      if !models.isEmpty { report.error("stands beside \"models\"", at: "model", hint: "use one of the two") }
      models.insert(("main", only), at: 0)
      model = nil
    }
    checkModels(&report)
    checkStages(&report)
  }

  private func checkModels(_ report: inout Report) {
    var before: [String] = []
    for (name, m) in models {
      for reference in (m.from.map { [$0] } ?? []) + m.ensemble where !before.contains(reference) {
        report.error(
          "\"\(reference)\" is not a model named before this one",
          at: "models.\(name).\(m.from == nil ? "ensemble" : "from")",
          hint: before.isEmpty ? "" : "named before: \(before.joined(separator: ", "))")
      }
      if name.isEmpty || name.contains("/") || name.contains(".") {
        report.error("\"\(name)\" cannot name a model: no dots or slashes", at: "models.\(name)")
      }
      before.append(name)
    }
  }

  private func checkStages(_ report: inout Report) {
    var known = Dictionary(models.map { ($0.key, $0.value) }, uniquingKeysWith: { a, _ in a })
    let sets = datasets.map(\.key)
    for (i, stage) in stages.enumerated() {
      let at = "stages.\(i)"
      for name in stage.models ?? [] where known[name] == nil {
        report.error("\"\(name)\" is no model", at: "\(at).models", hint: "models: \(known.keys.sorted().joined(separator: ", "))")
      }
      if let set = stage.dataset, !sets.contains(set) {
        report.error("\"\(set)\" is no data set", at: "\(at).dataset", hint: "datasets: \(sets.joined(separator: ", "))")
      }
      let body = stage.body
      if body.needsModel && known.isEmpty {
        report.error("the stage needs a model", at: at, hint: "give \"model\" or \"models\"")
      }
      if body.needsData && data == nil && stage.dataset == nil {
        report.error("the stage needs data", at: at, hint: "give \"data\", such as \"mnist-5k\"")
      }
      let targets = (stage.models ?? known.keys.sorted()).compactMap { name in known[name].map { (name, $0) } }
      body.check(targets, in: self, at: "\(at).\(body.kind)", &report)
      if let made = stage.result {
        if !body.makesModel {
          report.error("a stage of kind \(body.kind) makes nothing to name", at: "\(at).as")
        } else if targets.count != 1 {
          report.error("names one model, but the stage works on \(targets.count)", at: "\(at).as", hint: "give \"models\"")
        } else if known[made] != nil {
          report.error("\"\(made)\" is already a model", at: "\(at).as")
        } else {
          known[made] = targets[0].1
        }
      }
    }
  }

  /// The label of each stage: as given, or its kind; a repeat gets -2, -3, ….
  var labels: [String] {
    var seen: [String: Int] = [:]
    return stages.map { stage in
      let label = stage.label ?? stage.body.kind
      seen[label, default: 0] += 1
      let n = seen[label] ?? 1
      return n == 1 ? label : "\(label)-\(n)"
    }
  }
}

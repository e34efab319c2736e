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
  public static let documentation =
    "An experiment: named models, named data sets, and stages that change or measure them."
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
    Field(
      "sweep", \.sweep, .map(of: .any),
      "Axes by path: a list, or { \"from\", \"to\", \"count\" }; also zip, points, random, where."),
  ]

  public mutating func check(_ report: inout Report) {
    if name.isEmpty || name.contains("/") || name.hasPrefix(".") {
      report.error("\"\(name)\" cannot name a folder", at: "name", hint: "letters, digits, - and _ are safe")
    }
    let place = model == nil ? "models." : ""
    if let only = model {
      if !models.isEmpty { report.error("stands beside \"models\"", at: "model", hint: "use one of the two") }
      models.insert(("main", only), at: 0)
      model = nil
    }
    checkModels(&report) { place.isEmpty ? "model" : place + $0 }
    checkStages(&report)
    checkLabels(&report)
    checkOutputs(&report)
    if hardware != nil && stages.allSatisfy(\.body.needsModel) {
      report.error(
        "is for stages without a model (circuit), and there is none", at: "hardware", hint: "put it inside of the model"
      )
    }
  }

  /// - Parameter place: where a model of that name stands.
  private func checkModels(_ report: inout Report, place: (String) -> String) {
    var before: [String] = []
    for (name, m) in models {
      let at = place(name)
      let references =
        m.from.map { [("from", $0)] } ?? m.ensemble.enumerated().map { ("ensemble.\($0.offset)", $0.element) }
      for (key, reference) in references where !before.contains(reference) {
        let isLater = models.contains { $0.key == reference }
        report.error(
          isLater ? "\"\(reference)\" is named after this model, or is this model" : "\"\(reference)\" is no model",
          at: "\(at).\(key)",
          hint: isLater
            ? "models are made in the order written: put it first"
            : before.isEmpty ? "no model is named before this one" : didYouMean(reference, among: before))
      }
      if let from = m.from, let original = models.first(where: { $0.key == from }), !original.value.ensemble.isEmpty {
        report.error("\"\(from)\" is an ensemble, which cannot be copied", at: "\(at).from")
      }
      checkModelName(name, at: at, &report)
      before.append(name)
    }
  }

  private func checkModelName(_ name: String, at path: String, _ report: inout Report) {
    if name.isEmpty || name.contains("/") || name.contains(".") {
      report.error(
        "\"\(name)\" cannot name a model", at: path, hint: "its name stands in metrics and files: no dots or slashes")
    }
  }

  private func checkLabels(_ report: inout Report) {
    var seen: Set<String> = []
    for (i, (stage, label)) in zip(stages, labels).enumerated() {
      if label.isEmpty || label.contains("/") || label.hasPrefix(".") {
        report.error(
          "\"\(label)\" cannot label a stage", at: "stages.\(i).label",
          hint: "it stands in metrics and files: no slashes")
      }
      if !seen.insert(label).inserted {
        report.error(
          "\"\(label)\" already names another stage", at: stage.label == nil ? "stages.\(i)" : "stages.\(i).label",
          hint: "a repeated label gets -2, -3, …")
      }
    }
  }

  /// What stages write must not leave the run's folder by "..", nor replace what the run itself writes there, nor each
  /// other's files.
  private func checkOutputs(_ report: inout Report) {
    let own = ["config.json", "result.json", "epochs.csv", "timings.csv"]
    var writers: [String: String] = [:]
    for (i, (stage, label)) in zip(stages, labels).enumerated() {
      let at = "stages.\(i).\(stage.body.kind)"
      for path in stage.body.outputPaths(label: label, models: stage.models ?? models.map(\.key)) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let name = parts.filter { $0 != "." && !$0.isEmpty }.joined(separator: "/")
        if name.isEmpty || path.hasSuffix("/") {
          report.error("\"\(path)\" is no file's name", at: at, hint: "such as \"currents.npy\"")
        } else if parts.contains("..") {
          report.error("\"\(path)\" leaves the run's folder", at: at, hint: "outputs are named from the run's folder")
        } else if !path.hasPrefix("/"), own.contains(name) || ["models", "figures", "state"].contains(parts[0]) {
          report.error("\"\(path)\" is written by the run itself", at: at, hint: "give the output another name")
        } else if let other = writers.updateValue(label, forKey: (path.hasPrefix("/") ? "/" : "") + name) {
          report.error(
            "\"\(path)\" is written \(other == label ? "twice" : "by stage \(other) too")", at: at,
            hint: "give each output a name of its own")
        }
      }
    }
  }

  private func checkStages(_ report: inout Report) {
    var known = Dictionary(models.map { ($0.key, $0.value) }, uniquingKeysWith: { a, _ in a })
    let sets = datasets.map(\.key)
    for (i, stage) in stages.enumerated() {
      let at = "stages.\(i)"
      let body = stage.body
      checkTargets(stage, known, at: at, &report)
      if let set = stage.dataset, !sets.contains(set) {
        report.error(
          "\"\(set)\" is none of the experiment's `datasets`", at: "\(at).dataset",
          hint: sets.isEmpty ? "there are none; leave the key out to use `data`" : didYouMean(set, among: sets))
      }
      if body.needsModel && known.isEmpty {
        report.error("the stage needs a model", at: at, hint: "give \"model\" or \"models\"")
      }
      if body.needsData && data == nil && stage.dataset == nil {
        report.error(body.reasonForData, at: at, hint: "give \"data\", such as \"mnist-5k\"")
      }
      let targets = (stage.models ?? known.keys.sorted()).compactMap { name in known[name].map { (name, $0) } }
        .filter { $0.1.ensemble.isEmpty || body is any EnsembleStage }
      body.check(targets, in: self, at: "\(at).\(body.kind)", &report)
      if let made = stage.result {
        if !body.makesModel {
          report.error("a stage of kind \(body.kind) makes nothing to name", at: "\(at).as")
        } else if targets.count != 1 {
          report.error(
            "names one model, but the stage works on \(targets.count)", at: "\(at).as", hint: "give \"models\"")
        } else if known[made] != nil {
          report.error("\"\(made)\" is already a model", at: "\(at).as", hint: "give the new one a name of its own")
        } else {
          checkModelName(made, at: "\(at).as", &report)
          known[made] = targets[0].1
        }
      }
      if let map = body as? MapStage {
        for name in stage.result.map({ [$0] }) ?? targets.map(\.0) { known[name]?.hardware = map.hardware }
      }
    }
  }

  private func checkTargets(
    _ stage: StageConfiguration, _ known: [String: ModelConfiguration], at path: String, _ report: inout Report
  ) {
    let body = stage.body
    guard body.needsModel else {
      if stage.models != nil {
        report.error("a stage of kind \(body.kind) works on no model", at: "\(path).models", hint: "leave the key out")
      }
      return
    }
    if stage.models?.isEmpty == true {
      report.error(
        "names no model, so that nothing would be done", at: "\(path).models", hint: "leave the key out for all")
    }
    for (k, name) in (stage.models ?? []).enumerated() {
      guard let model = known[name] else {
        report.error(
          "\"\(name)\" is no model", at: "\(path).models.\(k)", hint: didYouMean(name, among: known.keys.sorted()))
        continue
      }
      if !model.ensemble.isEmpty && !(body is any EnsembleStage) {
        report.error(
          "\"\(name)\" is an ensemble, which \(body.kind) cannot work on", at: "\(path).models.\(k)",
          hint: "name its members: \(model.ensemble.joined(separator: ", "))")
      }
    }
    if stage.models == nil, !known.isEmpty, !(body is any EnsembleStage),
      known.values.allSatisfy({ !$0.ensemble.isEmpty })
    {
      report.error("\(body.kind) has no model to work on but ensembles", at: path)
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

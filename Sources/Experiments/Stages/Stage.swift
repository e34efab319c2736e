import Configuration

/// Something an experiment does: its keys in a configuration, and what it does. A new stage is one new conformance and
/// one line in `stageVariants`.
public protocol Stage: Configurable {
  var kind: String { get }
  /// False for studies without a network; such a stage runs once, not for every model.
  var needsModel: Bool { get }
  var needsData: Bool { get }
  /// Why, a sentence for who gave none.
  var reasonForData: String { get }
  /// The stage can name what it makes with "as".
  var makesModel: Bool { get }
  /// Looks at the stage beside the models it works on, before anything runs.
  func check(
    _ models: [(name: String, model: ModelConfiguration)], in experiment: ExperimentConfiguration, at path: String,
    _ report: inout Report)
  /// Files that must exist before the run starts: the key that names each, and its path as written.
  var inputPaths: [(key: String, path: String)] { get }
  /// Files that it writes for these models, from the run's folder.
  func outputPaths(label: String, models: [String]) -> [String]
  /// Looks into those files before anything runs. - Throws: anything whose description is a sentence.
  /// - Parameter resolve: makes a path of the configuration one of the process.
  func checkInputs(in experiment: ExperimentConfiguration, resolve: (String) -> String) throws
  /// Does it. - Throws: anything whose description is a sentence; `Interruption` on Ctrl-C.
  func run(_ context: StageContext) throws
}

extension Stage {
  public var needsModel: Bool { true }
  public var needsData: Bool { true }
  public var reasonForData: String { "the stage needs data" }
  public var makesModel: Bool { false }
  public func check(
    _ models: [(name: String, model: ModelConfiguration)], in experiment: ExperimentConfiguration, at path: String,
    _ report: inout Report
  ) {}
  public var inputPaths: [(key: String, path: String)] { [] }
  public func outputPaths(label: String, models: [String]) -> [String] { [] }
  public func checkInputs(in experiment: ExperimentConfiguration, resolve: (String) -> String) throws {}
}

/// A stage that writes one file for each model, named <model>-<label> unless the configuration says otherwise.
protocol WritingStage: Stage {
  var output: String? { get }
  static var fileExtension: String { get }
}

extension WritingStage {
  public func outputPaths(label: String, models: [String]) -> [String] {
    output.map { [$0] } ?? models.map { "\($0)-\(label).\(Self.fileExtension)" }
  }

  public func check(
    _ models: [(name: String, model: ModelConfiguration)], in experiment: ExperimentConfiguration, at path: String,
    _ report: inout Report
  ) {
    if let output, models.count > 1 {
      report.error(
        "\"\(output)\" would be written by each of \(models.count) models", at: "\(path).output",
        hint: "leave it out, or give the stage one of the models")
    }
  }
}

/// Every stage, by its key.
let stageVariants: @Sendable () -> [Variant<any Stage>] = {
  [
    Variant("train", TrainStage.self) { $0 },
    Variant("evaluate", EvaluateStage.self) { $0 },
    Variant("predict", PredictStage.self) { $0 },
    Variant("map", MapStage.self) { $0 },
    Variant("prune", PruneStage.self) { $0 },
    Variant("reinitialize", ReinitializeStage.self) { $0 },
    Variant("export", ExportStage.self) { $0 },
    Variant("inspect", InspectStage.self) { $0 },
    Variant("relevance", RelevanceStage.self) { $0 },
    Variant("circuit", CircuitStage.self) { $0 },
  ]
}

/// The user pressed Ctrl-C, or the process was asked to end.
public struct Interruption: Error {}

/// Training went astray: a loss that is not a number.
public struct Divergence: Error, CustomStringConvertible {
  public let description: String
}

/// A run that cannot go on, as a sentence.
public struct RunError: Error, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}

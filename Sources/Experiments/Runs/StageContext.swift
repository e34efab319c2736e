import Datasets
import NeuralNetworks

/// What a stage gets when it runs.
public final class StageContext {
  let run: Run
  let stage: StageConfiguration
  public let label: String
  let target: RunModel?
  /// What the stage finds; for a run that was resumed, what it had found.
  public var result: StageResult
  /// When a resumed run does a stage's restructuring again: the shape that it had left.
  var recorded: ModelStructure?

  init(run: Run, stage: StageConfiguration, label: String, target: RunModel?, result: StageResult) {
    (self.run, self.stage, self.label, self.target, self.result) = (run, stage, label, target, result)
  }

  /// The stage's model. - Throws: `RunError` for an ensemble or a stage without one.
  func model() throws -> Model {
    guard let model = target?.model else { throw RunError("stage \(label): works on a model, not on an ensemble") }
    return model
  }

  /// The stage's data. - Throws: `RunError` when they do not fit its model.
  func dataset() throws -> ImageDataset {
    let set = try run.dataset(stage.dataset)
    for network in target?.networks ?? []
    where network.inputShape != run.inputShape(set) || network.output.shape.count != set.classes {
      throw RunError(
        "stage \(label): samples of \(run.inputShape(set)) in \(set.classes) classes, but the model takes "
          + "\(network.inputShape) and gives \(network.output.shape.count) classes")
    }
    return set
  }
}

/// A stage that ensembles can be given to.
protocol EnsembleStage: Stage {}

/// A stage that changes a model's hardware or shape; does it again, without measuring, when a run is resumed.
protocol RestructuringStage: Stage {
  func restructure(_ context: StageContext) throws
}

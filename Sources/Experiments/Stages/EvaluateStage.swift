import Configuration
import Datasets
import LinearAlgebra
import NeuralNetworks

/// Measures a model on a part of a data set.
public struct EvaluateStage: EnsembleStage, MeasuringStage {
  public enum Part: String, CaseIterable, Sendable {
    case train, validation, test
    var split: Split { Split(rawValue: rawValue) ?? .test }
  }
  public var split = Part.test
  public var batchSize = 64

  public init() {}
  public static let documentation = "Measures loss, top-1 and top-5 accuracy and the confusion matrix."
  public static let fields: [Field<EvaluateStage>] = [
    Field("split", \.split, .choice, "The part that is measured."),
    Field("batchSize", \.batchSize, .integer(1...65536, unit: "sample"), "Samples of one pass."),
  ]

  public var kind: String { "evaluate" }
  var measured: (key: String, split: Split)? { ("split", split.split) }

  public func run(_ context: StageContext) throws {
    let run = context.run
    guard let target = context.target else { return }
    let set = try context.dataset()
    let images = try set.part(split.split)
    let before = activity(target)
    let evaluator = try Evaluator(
      target.networks, target.configuration.combine, images, run.dataConfiguration(context.stage.dataset),
      batch: min(batchSize, images.count), seed: run.configuration.seed, pool: run.pool)
    run.progress.begin("\(context.label) \(target.name)", total: images.count, unit: "samples")
    let (loss, scores) = try evaluator.run(step: nil, progress: run.progress)
    context.result.metrics = scores.metrics + (loss.isNaN && target.networks.count > 1 ? [] : [("loss", loss)])
    let names = set.classNames
    // Beyond that it is no table for people, and as large as everything else together.
    if scores.classes <= 256 {
      context.result.tables.append(
        (
          "confusion", ["actual"] + names,
          (0..<scores.classes).map { row in
            [.string(row < names.count ? names[row] : "\(row)")]
              + (0..<scores.classes).map { .integer(scores.confusion[row * scores.classes + $0]) }
          }
        ))
    }
    context.result.tables.append(
      (
        "activity", ["counter", "value"],
        zip(activity(target).counters, before.counters).map { after, before in
          [.string(after.name), .integer(Int(clamping: after.value - before.value))]
        }
      ))
  }

  private func activity(_ target: RunModel) -> Activity {
    var total = Activity()
    for n in target.networks { total += n.activity }
    return total
  }
}

/// Writes a model's outputs (logits) for a part of a data set.
public struct PredictStage: EnsembleStage, MeasuringStage, WritingStage {
  public var split = EvaluateStage.Part.test
  public var batchSize = 64
  public var output: String?

  public init() {}
  public static let documentation = "Writes the outputs (logits) of every sample as .npy, [samples, classes]."
  public static let fields: [Field<PredictStage>] = [
    Field("split", \.split, .choice, "The part that is predicted."),
    Field("batchSize", \.batchSize, .integer(1...65536, unit: "sample"), "Samples of one pass."),
    Field("output", \.output, .optional(.text), "File in the run's folder; <model>-<label>.npy if left out."),
  ]

  public var kind: String { "predict" }
  var measured: (key: String, split: Split)? { ("split", split.split) }
  static let fileExtension = "npy"

  public func run(_ context: StageContext) throws {
    let run = context.run
    guard let target = context.target else { return }
    let set = try context.dataset()
    let images = try set.part(split.split)
    let evaluator = try Evaluator(
      target.networks, target.configuration.combine, images, run.dataConfiguration(context.stage.dataset),
      batch: min(batchSize, images.count), seed: run.configuration.seed, pool: run.pool)
    var logits: [Float] = []
    run.progress.begin("\(context.label) \(target.name)", total: images.count, unit: "samples")
    let (_, scores) = try evaluator.run(step: nil, progress: run.progress) { outputs, samples in
      logits += UnsafeBufferPointer(start: outputs, count: samples * set.classes)
    }
    let path = try run.outputPath(output ?? "\(target.name)-\(context.label).npy")
    try Npy.write(Tensor(shape: [images.count, set.classes], values: logits), to: path)
    context.result.metrics = scores.metrics
  }
}

import Configuration
import Datasets
import LinearAlgebra
import NeuralNetworks

/// Measures a model on a part of a data set: as it is, on many chips, at several ages.
public struct EvaluateStage: EnsembleStage, MeasuringStage {
  public enum Part: String, CaseIterable, Sendable {
    case train, validation, test
    var split: Split { Split(rawValue: rawValue) ?? .test }
  }
  public var split = Part.test
  public var batchSize = 64
  public var chips: Int?
  public var yieldAbove: Double?
  public var time: [Double]?

  public init() {}
  public static let documentation = "Measures loss, top-1 and top-5 accuracy and the confusion matrix."
  public static let fields: [Field<EvaluateStage>] = [
    Field("split", \.split, .choice, "The part that is measured."),
    Field("batchSize", \.batchSize, .integer(1...65536, unit: "sample"), "Samples of one pass."),
    Field(
      "chips", \.chips, .optional(.integer(1...100_000)),
      "Writes the weights to so many chips, hardware.seed and those after it, and measures each."),
    Field("yieldAbove", \.yieldAbove, .optional(.number(0...1)), "Accuracy from which on a chip is a good one."),
    Field(
      "time", \.time, .optional(.oneOrList(of: .number(0...1e12, unit: "second"))),
      "Age of the devices since they were programmed: one, or several in rising order."),
  ]

  public mutating func check(_ report: inout Report) {
    if yieldAbove != nil && chips == nil {
      report.error(
        "is a share of chips, and none are asked for", at: "yieldAbove", hint: "give their number: \"chips\": 20")
    }
    if let time, let i = zip(time, time.dropFirst()).enumerated().first(where: { $1.0 >= $1.1 })?.offset {
      report.error(
        "\(inWords(time[i + 1])) s does not come after \(inWords(time[i])) s", at: "time.\(i + 1)",
        hint: "devices only grow older: give rising times")
    }
  }

  public var kind: String { "evaluate" }
  var measured: (key: String, split: Split)? { ("split", split.split) }

  /// The key that asks for devices, and why hardware without any is refused.
  var deviceKey: (key: String, reason: String)? {
    if chips != nil { return ("chips", "of which every chip is alike") }
    return time == nil ? nil : ("time", "which does not age")
  }

  /// What one pass found.
  private struct Finding {
    var chip: Int?
    var age: Double?
    var metrics: [(name: String, value: Double)]
    func value(_ name: String) -> Double { metrics.first { $0.name == name }?.value ?? .nan }
  }

  public func run(_ context: StageContext) throws {
    let run = context.run
    guard let target = context.target else { return }
    let set = try context.dataset()
    let images = try set.part(split.split)
    var findings: [Finding] = []
    var confusion: [Int] = []
    var classes = 0
    var activity = Activity()
    var costs: CrossbarExpenses?
    var spent = (seconds: 0.0, samples: 0)
    run.progress.begin(
      "\(context.label) \(target.name)", total: images.count * (chips ?? 1) * (time?.count ?? 1), unit: "samples")

    /// Passes over the data with the arrays that the networks have now.
    func measure(chip: Int?) throws {
      try InterruptionFlag.check()
      let evaluator = try Evaluator(
        target.networks, target.configuration.combine, images, run.dataConfiguration(context.stage.dataset),
        batch: min(batchSize, images.count), seed: run.configuration.seed, pool: run.pool)
      func pass(age: Double?) throws {
        let (loss, scores) = try evaluator.run(step: nil, progress: run.progress)
        let hasLoss = !loss.isNaN || target.networks.count == 1
        var metrics = scores.metrics + (hasLoss ? [("loss", loss)] : [])
        if let imbalance = try run.dataConfiguration(context.stage.dataset).imbalance {
          metrics += scores.accuracies(of: imbalance.classes)
        }
        let unreached = target.networks.compactMap(\.unreachedWrites)
        if !unreached.isEmpty { metrics.append(("unreachedWrites", Double(unreached.reduce(0, +)))) }
        findings.append(Finding(chip: chip, age: age, metrics: metrics))
        classes = scores.classes
        confusion = confusion.isEmpty ? scores.confusion : zip(confusion, scores.confusion).map { $0 + $1 }
      }
      let before = target.networks.map(\.activity)
      var meter = CostMeter(target.parts)
      meter.begin()
      if let time {
        try Ageing.run(
          target.networks, target.name, seconds: time, pool: run.pool, settle: evaluator.settle, pass(age:))
      } else {
        try pass(age: nil)
      }
      meter.end()
      spent = (spent.seconds + evaluator.spent.seconds, spent.samples + evaluator.spent.samples)
      for (network, earlier) in zip(target.networks, before) { activity += network.activity - earlier }
      if let found = try meter.costs() {
        if costs == nil { costs = found } else { costs?.again(found) }
      }
    }
    if let chips {
      for chip in 0..<chips {
        try Chips.with(
          chip, of: target.parts[...], seed: run.configuration.seed, resolve: run.inputPath, pool: run.pool
        ) {
          try measure(chip: chip)
        }
      }
    } else {
      try measure(chip: nil)
    }

    report(findings, into: &context.result)
    run.addTiming(.inference, of: context, spent.seconds * 1000 / Double(max(1, spent.samples)))
    costs?.report(samples: findings.count * images.count, into: &context.result)
    let names = set.classNames
    // Beyond that it is no table for people, and as large as everything else together.
    if classes <= 256 {
      context.result.tables.append(
        (
          "confusion", ["actual"] + names,
          (0..<classes).map { row in
            [.string(row < names.count ? names[row] : "\(row)")]
              + (0..<classes).map { .integer(confusion[row * classes + $0]) }
          }
        ))
    }
    context.result.tables.append(
      (
        "activity", ["counter", "value"],
        activity.counters.map { [.string($0.name), .integer(Int(clamping: $0.value))] }
      ))
  }

  /// Metrics are those of the last age, over chips their means; a series goes over the ages.
  private func report(_ findings: [Finding], into result: inout StageResult) {
    let names = findings[0].metrics.map(\.name)
    let ages = time.map { $0.map { Optional($0) } } ?? [nil]
    for age in ages {
      let passes = findings.filter { $0.age == age }
      var found = names.map { name in
        (name: name, value: passes.reduce(0) { $0 + $1.value(name) } / Double(passes.count))
      }
      if chips != nil {
        let accuracies = passes.map { $0.value("accuracy") }
        let mean = found.first { $0.name == "accuracy" }?.value ?? .nan
        if accuracies.count > 1 {
          let squares = accuracies.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
          found.append(("accuracyDeviation", (squares / Double(accuracies.count - 1)).squareRoot()))
        }
        found.append(("accuracyMinimum", accuracies.min() ?? .nan))
        found.append(("accuracyMaximum", accuracies.max() ?? .nan))
        if let yieldAbove {
          found.append(("yield", Double(accuracies.count { $0 >= yieldAbove }) / Double(accuracies.count)))
        }
      }
      result.metrics = found
      if let age {
        result.append(age, to: "time")
        for f in found { result.append(f.value, to: f.name) }
      }
    }
    guard chips != nil else { return }
    result.tables.append(
      (
        "chips", ["chip"] + (time == nil ? [] : ["time (s)"]) + names,
        findings.map { f in
          [.integer(f.chip ?? 0)] + (f.age.map { [.number($0)] } ?? []) + f.metrics.map { .number($0.value) }
        }
      ))
  }
}

extension ClassificationScores {
  /// How classes that were made rare fare: the mean of their accuracies, and the least accuracy of all classes.
  func accuracies(of rare: [Int]) -> [(name: String, value: Double)] {
    func accuracy(_ c: Int) -> Double {
      let row = confusion[c * classes..<(c + 1) * classes]
      return Double(row[row.startIndex + c]) / Double(max(1, row.reduce(0, +)))
    }
    let own = Set(rare).sorted()
    return [
      ("rareClassAccuracy", own.reduce(0) { $0 + accuracy($1) } / Double(max(1, own.count))),
      ("worstClassAccuracy", (0..<classes).map(accuracy).min() ?? .nan),
    ]
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

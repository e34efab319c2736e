import Foundation
import LinearAlgebra
import Testing

@testable import NeuralNetworks

/// Rings of points in the plane, two classes: not linearly separable.
private struct Rings {
  let inputs: [Float]
  let labels: UnsafeMutablePointer<Int32>
  static let count = 40

  init() {
    let noise = RandomStream(seed: 2, purpose: 0).gaussians(2 * Self.count)
    labels = .allocate(capacity: Self.count)
    var points: [Float] = []
    for i in 0..<Self.count {
      let angle = Double(i) * 2.4
      let radius = i % 2 == 0 ? 0.5 : 1.5
      points.append(Float(radius * cos(angle)) + 0.05 * noise[2 * i])
      points.append(Float(radius * sin(angle)) + 0.05 * noise[2 * i + 1])
      labels[i] = Int32(i % 2)
    }
    inputs = points
  }

  /// Trains all points at once and returns the losses.
  func train(_ model: Model, _ optimizer: Optimizer, steps: Int, rate: Float, pool: ThreadPool) throws -> [Double] {
    let workspace = Workspace(model, batch: Self.count, pool: pool, gradients: true)
    workspace.task = ClassificationTask()
    workspace.targets = Targets(labels: labels)
    workspace.setInput(inputs)
    let trainer = Trainer(workspace: workspace, optimizer: optimizer)
    return try (0..<steps).map { _ in try trainer.step(samples: Self.count, rate: rate) }
  }
}

private func makeRingsModel(_ pool: ThreadPool, hardware: (any Hardware)? = nil) throws -> Model {
  var b = ModelBuilder(inputShape: Shape(features: 2))
  try b.add("fc1", Linear(input: Shape(features: 2), outputs: 12))
  try b.add("unit", SmoothUnit(channels: 12))
  try b.add("fc2", Linear(input: Shape(features: 12), outputs: 2))
  let model = try b.model()
  try model.initialize(.xavierNormal, seed: 1, pool: pool)
  if let hardware { try model.place(pool: pool) { _ in hardware } }
  return model
}

@Suite("Seams: what users add") struct SeamTests {
  @Test(
    "a layer of the user's own learns, on digital arrays and on arrays of the user's own, by either way of changing")
  func ownLayerAndHardware() throws {
    let pool = ThreadPool(threads: 2)
    let rings = Rings()
    let kind = OptimizerKind.sgd(momentum: 0, nesterov: false)
    let digital = try makeRingsModel(pool)
    let losses = try rings.train(digital, Optimizer(kind, model: digital), steps: 60, rate: 1, pool: pool)
    #expect(losses.last! < 0.3 * losses[0])

    for hardware in [PairHardware(updatesInArray: false), PairHardware(updatesInArray: true)] {
      let own = try makeRingsModel(pool, hardware: hardware)
      let ownLosses = try rings.train(own, Optimizer(kind, model: own), steps: 60, rate: 1, pool: pool)
      for (a, b) in zip(losses, ownLosses) { #expect(abs(a - b) < 1e-4) }
      let arrays = own.weights.flatMap { $0.weights.arrays.compactMap { $0 as? PairArray } }
      #expect(arrays.count == 2)
      #expect(arrays[0].preparedSteps == Array(0..<60), "refreshed before every step, by its number")
      #expect(own.activity.pulses == UInt64(60 * 2 * (24 + 24)))
    }
  }

  @Test("hardware is chosen layer by layer and the rest stays where it was")
  func layerByLayer() throws {
    let pool = ThreadPool(threads: 1)
    let model = try Architecture.named("lenet5")!.make(Shape(height: 28, width: 28, channels: 1), 10, .init())
    try model.initialize(.pytorch, seed: 1, pool: pool)
    let before = model.stateDictionary
    let version = model.version
    try model.place(pool: pool) { name -> any Hardware in name.hasPrefix("conv") ? PairHardware() : DigitalHardware() }
    #expect(model.version > version)
    for (node, w) in model.weights {
      #expect(w.arrays.allSatisfy { ($0 is PairArray) == node.name.hasPrefix("conv") })
    }
    for (a, b) in zip(before, model.stateDictionary) {
      #expect(largestError(b.tensor.values, a.tensor.values.map(Double.init)) < 1e-6, "\(a.name)")
    }
  }

  @Test(
    "an optimizer that needs memory is refused for arrays that update themselves, with a sentence that says what to do",
    arguments: [
      ("momentum 0.9", OptimizerKind.sgd(momentum: 0.9, nesterov: false), Float(0)),
      ("Adam", .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled: false), 0),
      ("weight decay 0.01", .sgd(momentum: 0, nesterov: false), 0.01),
    ])
  func refusal(what: String, kind: OptimizerKind, decay: Float) throws {
    let pool = ThreadPool(threads: 1)
    let model = try makeRingsModel(pool)
    _ = try Optimizer(kind, weightDecay: decay, model: model)
    try model.place(pool: pool) { name -> any Hardware in
      name == "fc2" ? PairHardware(updatesInArray: true) : DigitalHardware()
    }
    let error = #expect(throws: ModelError.self) { try Optimizer(kind, weightDecay: decay, model: model) }
    #expect(error?.description.hasPrefix("\(what) asked of layer fc2, whose array updates itself") == true)
    #expect(error?.description.contains("\"update\": \"programmed\"") == true)
    _ = try Optimizer(.sgd(momentum: 0, nesterov: false), model: model)
  }

  @Test("a step whose loss is not finite changes nothing")
  func notFinite() throws {
    let pool = ThreadPool(threads: 1)
    let model = try makeRingsModel(pool)
    let before = model.stateDictionary
    let optimizer = try Optimizer(.sgd(momentum: 0, nesterov: false), model: model)
    let workspace = Workspace(model, batch: 2, pool: pool, gradients: true)
    workspace.task = ClassificationTask()
    let labels: [Int32] = [0, 1]
    workspace.setInput([1, .nan, 0, 1])
    let trainer = Trainer(workspace: workspace, optimizer: optimizer)
    let loss = try labels.withUnsafeBufferPointer { labels in
      workspace.targets = Targets(labels: labels.baseAddress)
      return try trainer.step(samples: 2, rate: 1)
    }
    #expect(!loss.isFinite)
    #expect(trainer.workspace.model.updates == 0)
    #expect(optimizer.updates == 0)
    for (a, b) in zip(before, model.stateDictionary) { #expect(a.tensor == b.tensor) }
  }

  @Test("a digital product of two activations is the product", arguments: [false, true])
  func productArray(transposed: Bool) {
    let (m, n, k) = (7, 5, 9)
    func whole(_ count: Int, _ index: UInt64) -> [Float] {
      RandomStream(seed: 4, purpose: 0, index: index).uniforms(count).map { ($0 * 9).rounded(.down) - 4 }
    }
    let a = whole(m * k, 1)
    let b = whole(n * k, 2)
    var c = [Float](repeating: .nan, count: m * n)
    let scratch = Storage(count: 1)
    let array: any ProductArray = DigitalProductArray()
    array.multiply(
      a, b, transposed: transposed, m: m, n: n, k: k, &c, ReadContext(worker: 0, sample: 0, scratch: scratch.base))
    for i in 0..<m {
      for j in 0..<n {
        let expected = (0..<k).reduce(Float(0)) { $0 + a[i * k + $1] * (transposed ? b[j * k + $1] : b[$1 * n + j]) }
        #expect(c[i * n + j] == expected)
      }
    }
  }
}

@Suite("Ensembles") struct EnsembleTests {
  private func combine(_ outputs: [[Float]], count: Int, _ combination: Ensemble.Combination) -> [Float] {
    let storages = outputs.map { values in
      let s = Storage(count: values.count)
      for (i, v) in values.enumerated() { s.base[i] = v }
      return s
    }
    var result = [Float](repeating: .nan, count: outputs[0].count)
    Ensemble.combine(
      storages.map { UnsafePointer($0.base) }, count: count, samples: outputs[0].count / count, combination,
      into: &result)
    withExtendedLifetime(storages) {}
    return result
  }

  private func answers(_ values: [Float], _ count: Int) -> [Int] {
    stride(from: 0, to: values.count, by: count).map { s in (0..<count).max { values[s + $0] < values[s + $1] }! }
  }

  @Test("means are means: of outputs, and of softmax probabilities")
  func means() {
    let a: [Float] = [1, 2, 3, 0, 0, 0]
    let b: [Float] = [3, 0, -1, 0, 1, 100]
    #expect(combine([a, b], count: 3, .meanOutput) == [2, 1, 1, 0, 0.5, 50])
    let p = combine([a, b], count: 3, .meanProbability)
    for s in 0..<2 {
      for j in 0..<3 {
        let each = [a, b].map { o in
          exp(Double(o[3 * s + j])) / (0..<3).reduce(0.0) { $0 + exp(Double(o[3 * s + $1])) }
        }
        #expect(abs(Double(p[3 * s + j]) - (each[0] + each[1]) / 2) < 1e-6)
      }
    }
    let large = combine([[1000, -1000, 999]], count: 3, .meanProbability)
    #expect(large.allSatisfy { $0.isFinite })
  }

  @Test(
    "the majority wins however sure the minority is; a tie goes to the higher mean probability; the first of equals")
  func votes() {
    // Two members narrowly for class 1, one with all its certainty for class 0.
    #expect(answers(combine([[0, 0.1, 0], [0, 0.1, 0], [50, 0, 0]], count: 3, .vote), 3) == [1])
    #expect(answers(combine([[0, 0.1, 0], [0, 0.1, 0], [50, 0, 0]], count: 3, .meanProbability), 3) == [0])
    // One vote each: the surer one decides, whichever comes first.
    #expect(answers(combine([[0, 0, 1], [0, 3, 0]], count: 3, .vote), 3) == [1])
    #expect(answers(combine([[0, 3, 0], [0, 0, 1]], count: 3, .vote), 3) == [1])
    // A class without a vote does not win by being everyone's second.
    #expect(answers(combine([[5, 4.9, 0], [0, 4.9, 5]], count: 3, .vote), 3).allSatisfy { $0 != 1 })
    // A member that cannot choose votes for the first of its largest.
    #expect(answers(combine([[2, 2, 2]], count: 3, .vote), 3)[0] == 0)
  }

  @Test("two models answer together as their outputs combined, and must agree in shape")
  func models() throws {
    let pool = ThreadPool(threads: 2)
    let rings = Rings()
    let members = try [1, 2].map { seed in
      let model = try makeRingsModel(pool)
      try model.initialize(.xavierNormal, seed: UInt64(seed), pool: pool)
      _ = try rings.train(
        model, Optimizer(.sgd(momentum: 0, nesterov: false), model: model), steps: 80, rate: 1, pool: pool)
      return model
    }
    let ensemble = try Ensemble(members, .meanProbability)
    let outputs = ensemble.members.map { member in
      let workspace = Workspace(member, batch: Rings.count, pool: pool, gradients: false)
      workspace.setInput(rings.inputs)
      workspace.forward(samples: Rings.count, training: false)
      return workspace.outputs(Rings.count)
    }
    let combined = combine(outputs, count: 2, ensemble.combination)
    let scores = ClassificationTask().makeScores()
    combined.withUnsafeBufferPointer {
      scores.add(outputs: $0.baseAddress!, count: 2, samples: Rings.count, targets: Targets(labels: rings.labels))
    }
    #expect(scores.metrics[0].name == "accuracy")
    #expect(scores.metrics[0].value > 0.9)

    var b = ModelBuilder(inputShape: Shape(features: 2))
    try b.add("fc", Linear(input: Shape(features: 2), outputs: 3))
    let three = try b.model()
    let error = #expect(throws: ModelError.self) { try Ensemble([members[0], three], .vote) }
    #expect(error?.description == "an ensemble's members must agree in shape: 2 → 2 and 2 → 3 do not")
    #expect(throws: ModelError.self) { try Ensemble([], .vote) }
  }
}

@Suite("Tasks") struct TaskTests {
  @Test(
    "a loss's gradient is its finite difference",
    arguments: ["cross-entropy", "smoothed", "mean-squared-error", "regression"])
  func gradients(name: String) {
    let task: any ModelTask =
      switch name {
      case "cross-entropy": ClassificationTask()
      case "smoothed": ClassificationTask(labelSmoothing: 0.25)
      case "mean-squared-error": ClassificationTask(loss: .meanSquaredError)
      default: RegressionTask()
      }
    let (n, count) = (5, 4)
    let labels: [Int32] = [3, 0, 1, 1, 2]
    let values = RandomStream(seed: 1, purpose: 1).gaussians(n * count)
    var outputs = RandomStream(seed: 1, purpose: 0).gaussians(n * count)
    func loss(_ gradient: UnsafeMutablePointer<Float>?) -> Double {
      labels.withUnsafeBufferPointer { l in
        values.withUnsafeBufferPointer { v in
          task.loss(
            outputs: outputs, count: count, samples: n, targets: Targets(labels: l.baseAddress, values: v.baseAddress),
            first: 0, batch: n, gradient: gradient) / Double(n)
        }
      }
    }
    var gradient = [Float](repeating: .nan, count: n * count)
    _ = loss(&gradient)
    for i in outputs.indices {
      let at = outputs[i]
      outputs[i] = at + 0.01
      let up = loss(nil)
      let upper = outputs[i]
      outputs[i] = at - 0.01
      let slope = (up - loss(nil)) / Double(upper - outputs[i])
      outputs[i] = at
      #expect(abs(slope - Double(gradient[i])) < 1e-4)
    }
  }

  @Test("known losses: ln 10 of equal outputs, 1/10 of zeros against one-hot")
  func knownLosses() {
    let outputs = [Float](repeating: 0, count: 10)
    let labels: [Int32] = [4]
    labels.withUnsafeBufferPointer { labels in
      let targets = Targets(labels: labels.baseAddress)
      for smoothing in [Float(0), 0.1] {
        let loss = ClassificationTask(labelSmoothing: smoothing).loss(
          outputs: outputs, count: 10, samples: 1, targets: targets, first: 0, batch: 1, gradient: nil)
        #expect(abs(loss - log(10)) < 1e-12)
      }
      let square = ClassificationTask(loss: .meanSquaredError).loss(
        outputs: outputs, count: 10, samples: 1, targets: targets, first: 0, batch: 1, gradient: nil)
      #expect(abs(square - 0.1) < 1e-9)
    }
  }

  @Test("accuracy, top-5 and confusion are counted over batches")
  func scores() {
    let scores = ClassificationScores()
    // Six classes; sample 0 right, 1 second best, 2 last of all, 3 tied with an earlier class.
    let outputs: [[Float]] = [
      [0, 9, 1, 2, 3, 4], [0, 8, 9, 2, 3, 4], [-1, 1, 2, 3, 4, 5], [7, 7, 0, 0, 0, 0],
    ]
    let labels: [Int32] = [1, 1, 0, 1]
    for (o, l) in zip(outputs, labels) {
      withUnsafePointer(to: l) { scores.add(outputs: o, count: 6, samples: 1, targets: Targets(labels: $0)) }
    }
    #expect(scores.samples == 4)
    #expect(scores.correct == 1)
    #expect(scores.correctInFive == 3)
    #expect(scores.confusion[1 * 6 + 1] == 1)
    #expect(scores.confusion[1 * 6 + 2] == 1)
    #expect(scores.confusion[0 * 6 + 5] == 1)
    #expect(scores.confusion[1 * 6 + 0] == 1)
    #expect(scores.metrics.map(\.name) == ["accuracy", "top5"])
    #expect(scores.metrics.map(\.value) == [0.25, 0.75])

    let regression = RegressionTask().makeScores()
    let targets: [Float] = [1, 2, 3, 5]
    let predicted: [Float] = [1, 2, 3, 3]
    targets.withUnsafeBufferPointer {
      regression.add(outputs: predicted, count: 2, samples: 2, targets: Targets(values: $0.baseAddress))
    }
    #expect(regression.metrics[0].value == 1)
  }
}

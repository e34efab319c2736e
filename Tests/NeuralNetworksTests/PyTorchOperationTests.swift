import Datasets
import Foundation
import LinearAlgebra
import Testing

@testable import NeuralNetworks

/// `operations.json`: single operations, optimizers and schedules.
private struct OperationsFixture: Decodable, Sendable {
  /// Options of very different kinds, each under PyTorch's name.
  struct Options: Decodable, Sendable {
    private let numbers: [String: [Double]]
    private let flags: [String: Bool]

    private struct Key: CodingKey {
      let stringValue: String
      var intValue: Int? { nil }
      init(stringValue: String) { self.stringValue = stringValue }
      init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: Key.self)
      var numbers: [String: [Double]] = [:]
      var flags: [String: Bool] = [:]
      for key in values.allKeys {
        if let flag = try? values.decode(Bool.self, forKey: key) {
          flags[key.stringValue] = flag
        } else if let number = try? values.decode(Double.self, forKey: key) {
          numbers[key.stringValue] = [number]
        } else if let list = try? values.decode([Double].self, forKey: key) {
          numbers[key.stringValue] = list
        }
      }
      self.numbers = numbers
      self.flags = flags
    }

    func list(_ name: String) -> [Double]? { numbers[name] }
    func number(_ name: String) -> Double? { numbers[name]?.first }
    func integer(_ name: String) -> Int? { number(name).map { Int($0) } }
    func flag(_ name: String) -> Bool? { flags[name] }
  }
  struct Operation: Decodable, Sendable, CustomTestStringConvertible {
    let `case`: String
    let options: Options
    let inputs: [String: Formula]
    let cotangent: Formula?
    let results: [String]
    var testDescription: String { `case` }
    var kind: String { String(`case`.prefix { $0 != "." }) }
  }
  struct Optimizers: Decodable, Sendable {
    struct Case: Decodable, Sendable {
      let `case`: String
      let kind: String
      let options: NetworkOptions
    }
    let start: Formula
    let gradients: Formula
    let cases: [Case]
  }
  /// torch.optim's options without the kind.
  struct NetworkOptions: Decodable, Sendable {
    let lr: Float
    let momentum: Float?
    let weight_decay: Float?
    let nesterov: Bool?
    let betas: [Float]?
    let eps: Float?
  }
  struct Schedules: Decodable, Sendable {
    struct Case: Decodable, Sendable {
      let `case`: String
      let options: Options
      let rates: [Double]
    }
    let rate: Double
    let cases: [Case]
  }
  let operations: [Operation]
  let optimizers: Optimizers
  let schedules: Schedules

  static let shared: (fixture: OperationsFixture, file: SafetensorsFile) = {
    do {
      return (
        try JSONDecoder().decode(
          OperationsFixture.self, from: Data(contentsOf: NetworkFixture.url("operations.json"))),
        try Safetensors.read(NetworkFixture.url("operations.safetensors").path)
      )
    } catch { fatalError("operations.json: \(error)") }
  }()
}

/// What the engine does not have (yet): unequal strides, pooling that leaves its padding out, the functions of a
/// Transformer. A case leaves this list when its layer comes.
private let lacking: Set<String> = [
  "conv2d.unequal", "avgPool2d.paddedNotCounted", "sigmoid", "tanh", "gelu.exact", "gelu.tanh", "softmax", "layerNorm",
]
private let lackingSchedules: Set<String> = ["warmup", "warmup.cosine", "warmup.linear"]

private let operations = OperationsFixture.shared.fixture.operations

/// One layer for the case, or nil for losses and for what is lacking.
private func makeLayer(_ c: OperationsFixture.Operation) throws -> (any Layer)? {
  let o = c.options
  let input = sampleShape(c.inputs["input"]!.shape)
  func window() throws -> PoolingWindow {
    try PoolingWindow(size: o.integer("kernel_size")!, stride: o.integer("stride"), padding: o.integer("padding") ?? 0)
  }
  switch c.kind {
  case _ where lacking.contains(c.case): return nil
  case "conv2d":
    let w = c.inputs["weight"]!.shape
    return try Conv2D(
      channels: input.channels, outputs: w[0], kernel: (w[2], w[3]), stride: o.integer("stride") ?? 1,
      padding: o.integer("padding") ?? 0, dilation: o.integer("dilation") ?? 1, groups: o.integer("groups") ?? 1,
      bias: c.inputs["bias"] != nil)
  case "linear": return Linear(input: input, outputs: c.inputs["weight"]!.shape[0])
  case "maxPool2d": return MaxPool(try window())
  case "avgPool2d": return AveragePool(try window())
  case "globalAvgPool2d": return AveragePool(nil)
  case "relu": return ReLU()
  case "batchNorm":
    return BatchNorm(
      channels: input.channels, epsilon: Float(o.number("eps")!), momentum: Float(o.number("momentum")!))
  default: return nil
  }
}

@Suite("PyTorch's operations") struct PyTorchOperationTests {
  /// Three units in the last place of the largest value, and then some for sums of a hundred terms.
  static let bar = 2e-6

  @Test("every case of the fixture is run, or listed as lacking")
  func coverage() throws {
    for c in operations {
      let isLoss = c.kind == "crossEntropy" || c.kind == "meanSquaredError"
      let hasLayer = try makeLayer(c) != nil
      #expect(isLoss || lacking.contains(c.case) || hasLayer, "\(c.case)")
    }
    #expect(lacking.isSubset(of: operations.map(\.case)))
  }

  @Test(
    "a layer's output, gradients and statistics agree with PyTorch's float64",
    arguments: operations.filter { $0.cotangent != nil && !lacking.contains($0.case) })
  private func layers(c: OperationsFixture.Operation) throws {
    let file = OperationsFixture.shared.file
    let pool = ThreadPool(threads: 2)
    let input = c.inputs["input"]!
    var builder = ModelBuilder(inputShape: sampleShape(input.shape))
    try builder.add("layer", #require(try makeLayer(c)))
    let model = try builder.model()
    let names = ["runningMean": "running_mean", "runningVar": "running_var"]
    try model.load(
      c.inputs.filter { $0.key != "input" }.map { ("layer.\(names[$0.key] ?? $0.key)", $0.value.tensor) }, pool: pool)

    let n = input.shape[0]
    let workspace = Workspace(model, batch: n, pool: pool, gradients: true)
    workspace.setInput(channelsLast(input.values, input.shape))
    workspace.forward(samples: n, training: c.options.flag("training") ?? true)
    let cotangent = c.cotangent!
    var own = ["output": channelsFirst(workspace.outputs(n), cotangent.shape)]
    let upstream = channelsLast(cotangent.values, cotangent.shape)
    upstream.withUnsafeBufferPointer { workspace.outputGradient!.update(from: $0.baseAddress!, count: $0.count) }
    workspace.backward(wantsInputGradient: true)
    own["gradient.input"] = channelsFirst(workspace.inputGradients(n), input.shape)
    for (name, tensor) in model.gradients(workspace.gradient) {
      own["gradient.\(name.dropFirst("layer.".count))"] = tensor.values
    }
    for (name, tensor) in model.stateDictionary {
      let short = String(name.dropFirst("layer.".count))
      own["after.\(names.first { $0.value == short }?.key ?? short)"] = tensor.values
    }
    var worst = 0.0
    for result in c.results {
      let error = largestError(try #require(own[result], "\(result)"), file["\(c.case).\(result)"]!.doubles)
      #expect(error <= Self.bar, "\(result): error \(error)")
      worst = max(worst, error)
    }
    if ProcessInfo.processInfo.environment["SIMENGINE_SHOW_ERRORS"] != nil { print("errors | \(c.case) | \(worst)") }
  }

  @Test(
    "cross-entropy, smoothed and at large outputs, and the mean squared error agree with PyTorch's float64",
    arguments: operations.filter { $0.cotangent == nil })
  private func losses(c: OperationsFixture.Operation) throws {
    let file = OperationsFixture.shared.file
    let input = c.inputs["input"]!
    let (n, count) = (input.shape[0], input.shape[1])
    let labels = (c.options.list("labels") ?? []).map { Int32($0) }
    let values = c.inputs["target"]?.values ?? []
    let task: any ModelTask =
      c.kind == "crossEntropy"
      ? ClassificationTask(labelSmoothing: Float(c.options.number("label_smoothing") ?? 0)) : RegressionTask()
    var gradient = [Float](repeating: 0, count: n * count)
    // In two pieces, as the workspace calls it.
    let total = input.values.withUnsafeBufferPointer { outputs in
      labels.withUnsafeBufferPointer { labels in
        values.withUnsafeBufferPointer { values in
          gradient.withUnsafeMutableBufferPointer { gradient in
            let targets = Targets(labels: labels.baseAddress, values: values.baseAddress)
            return [(0, 16), (16, n - 16)].reduce(0.0) { sum, piece in
              sum
                + task.loss(
                  outputs: outputs.baseAddress! + piece.0 * count, count: count, samples: piece.1, targets: targets,
                  first: piece.0, batch: n, gradient: gradient.baseAddress! + piece.0 * count)
            }
          }
        }
      }
    }
    let expected = file["\(c.case).output"]!.doubles[0]
    #expect(abs(total / Double(n) - expected) <= 1e-7 * abs(expected))
    #expect(largestError(gradient, file["\(c.case).gradient.input"]!.doubles) <= 2e-7)
  }

  /// Digital arrays are changed in their memory, others by `apply`, vectors apart from both.
  enum Place: String, CaseIterable, Sendable { case weights, appliedWeights, vector }

  @Test("optimizers take PyTorch's steps, on arrays of either kind and on vectors", arguments: Place.allCases)
  func optimizers(place: Place) throws {
    let (fixture, file) = OperationsFixture.shared
    let pool = ThreadPool(threads: 2)
    let start = fixture.optimizers.start.values
    let gradients = fixture.optimizers.gradients.values
    let count = start.count
    for c in fixture.optimizers.cases {
      var builder = ModelBuilder(inputShape: Shape(features: 1))
      try builder.add("fc", Linear(input: Shape(features: 1), outputs: count))
      let model = try builder.model()
      if place == .appliedWeights { try model.place(pool: pool) { _ in PairHardware() } }
      try model.load(
        [("fc.weight", Tensor(shape: [count, 1], values: start)), ("fc.bias", Tensor(shape: [count], values: start))],
        pool: pool)
      let o = c.options
      let kind =
        c.kind == "SGD"
        ? OptimizerKind.sgd(momentum: o.momentum ?? 0, nesterov: o.nesterov ?? false)
        : .adam(
          beta1: o.betas?[0] ?? 0.9, beta2: o.betas?[1] ?? 0.999, epsilon: o.eps ?? 1e-8, decoupled: c.kind == "AdamW")
      let optimizer = try Optimizer(kind, weightDecay: o.weight_decay ?? 0, model: model)
      let flat = Storage(count: model.gradientCount)
      let layer = model.nodes[0].layer
      let offset = place == .vector ? layer.parameters[0].offset : layer.weights[0].offset
      var rows: [Float] = []
      for step in 0..<5 {
        flat.base.update(repeating: 0, count: model.gradientCount)
        for i in 0..<count { flat.base[offset + i] = gradients[step * count + i] }
        optimizer.step(gradient: flat.base, rate: o.lr, pool: pool, step: 0)
        rows += model.stateDictionary[place == .vector ? 1 : 0].tensor.values
      }
      let error = largestError(rows, file[c.case]!.doubles)
      #expect(error <= 1e-6, "\(c.case): error \(error)")
    }
  }

  @Test("decay may leave vectors out")
  func decaysVectors() throws {
    let pool = ThreadPool(threads: 1)
    var builder = ModelBuilder(inputShape: Shape(features: 2))
    try builder.add("fc", Linear(input: Shape(features: 2), outputs: 1))
    let model = try builder.model()
    try model.load(
      [("fc.weight", Tensor(shape: [1, 2], values: [1, -2])), ("fc.bias", Tensor(shape: [1], values: [4]))], pool: pool)
    let optimizer = try Optimizer(
      .sgd(momentum: 0, nesterov: false), weightDecay: 0.5, decaysVectors: false, model: model)
    let flat = Storage(count: model.gradientCount)
    optimizer.step(gradient: flat.base, rate: 0.5, pool: pool, step: 0)
    #expect(model.stateDictionary[0].tensor.values == [0.75, -1.5])
    #expect(model.stateDictionary[1].tensor.values == [4])
  }

  @Test("schedules give PyTorch's rates to 1e-12")
  func schedules() throws {
    let fixture = OperationsFixture.shared.fixture.schedules
    for c in fixture.cases where !lackingSchedules.contains(c.case) {
      let o = c.options
      let kind: Schedule.Kind
      switch c.case {
      case "constant": kind = .constant
      case "cosine", "cosine.minimum": kind = .cosine(floor: o.number("minimum")! / fixture.rate)
      case "step": kind = .step(interval: o.integer("every")!, factor: o.number("factor")!)
      case "milestones": kind = .milestones(o.list("at")!.map { Int($0) }, factor: o.number("factor")!)
      case "exponential": kind = .step(interval: 1, factor: o.number("factor")!)
      default:
        Issue.record("schedule \(c.case) is neither run nor listed as lacking")
        continue
      }
      let schedule = Schedule(kind, epochs: 20)
      for (t, rate) in c.rates.enumerated() {
        #expect(
          abs(fixture.rate * schedule.factor(epoch: t, fraction: 0) - rate) <= 1e-12 * fixture.rate, "\(c.case) \(t)")
      }
    }
  }

  @Test("warm-up rises linearly from zero, and the cosine falls over what is left")
  func warmUp() {
    let schedule = Schedule(.cosine(floor: 0.1), warmup: 2.5, epochs: 10)
    #expect(schedule.factor(epoch: 0, fraction: 0) == 0)
    #expect(schedule.factor(epoch: 1, fraction: 0.25) == 0.5)
    #expect(schedule.factor(epoch: 2, fraction: 0.5) == 1)
    #expect(abs(schedule.factor(epoch: 6, fraction: 0.25) - 0.55) < 1e-12)
    #expect(abs(schedule.factor(epoch: 10, fraction: 0) - 0.1) < 1e-12)
    #expect(abs(schedule.factor(epoch: 11, fraction: 0) - 0.1) < 1e-12)
    // Steps and milestones hold through an epoch.
    let step = Schedule(.step(interval: 3, factor: 0.5), epochs: 10)
    #expect([0, 2, 3, 5, 6, 9].map { step.factor(epoch: $0, fraction: 0.99) } == [1, 1, 0.5, 0.5, 0.25, 0.125])
  }
}

import LinearAlgebra
import Testing

@testable import NeuralNetworks

/// A graph whose gradients are checked; everything in it is smooth.
struct GraphCase: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let build: @Sendable (inout ModelBuilder) throws -> Void

  init(_ name: String, _ build: @escaping @Sendable (inout ModelBuilder) throws -> Void) {
    testDescription = name
    self.build = build
  }

  func model() throws -> Model {
    var b = ModelBuilder(inputShape: Shape(height: 6, width: 5, channels: 3))
    try build(&b)
    return try b.model()
  }

  private static func conv(_ channels: Int, _ outputs: Int, _ kernel: Int = 3, groups: Int = 1) throws -> Conv2D {
    try Conv2D(
      channels: channels, outputs: outputs, kernel: (kernel, kernel), padding: kernel / 2, groups: groups)
  }
  private static func head(_ b: inout ModelBuilder) throws { try b.addLinear("fc", 4) }

  static let all: [GraphCase] = [
    GraphCase("a sequence that flattens in the middle") { b in
      try b.add("conv", conv(3, 4))
      try b.add("unit", SmoothUnit(channels: 4))
      try b.addLinear("fc1", 7)
      try b.add("unit2", SmoothUnit(channels: 7))
      try b.add("fc2", Linear(input: Shape(features: 7), outputs: 4))
    },
    GraphCase("a flatten of the model's input") { b in
      try b.addLinear("fc1", 9)
      try b.add("unit", SmoothUnit(channels: 9))
      try head(&b)
    },
    GraphCase("a flatten of what another layer reads too") { b in
      let a = try b.add("conv", conv(3, 2))
      let flat = try b.add("flat", Flatten())
      try b.add("fc1", Linear(input: Shape(height: 6, width: 5, channels: 2), outputs: 4), inputs: [flat])
      let left = b.last
      try b.add("unit", SmoothUnit(channels: 2), inputs: [a])
      try b.addLinear("fc2", 4)
      try b.add("sum", Add(), inputs: [left, b.last])
    },
    GraphCase("a residual block") { b in
      let entry = try b.add("conv0", conv(3, 4))
      try b.add("unit", SmoothUnit(channels: 4))
      let branch = try b.add("conv1", conv(4, 4))
      try b.add("add", Add(), inputs: [branch, entry])
      try b.add("unit2", SmoothUnit(channels: 4))
      try head(&b)
    },
    GraphCase("a residual block with batch-norm on both branches") { b in
      let entry = try b.add("conv0", conv(3, 4))
      try b.add("bn1", BatchNorm(channels: 4))
      let left = try b.add("unit", SmoothUnit(channels: 4))
      let right = try b.add("bn2", BatchNorm(channels: 4), inputs: [entry])
      try b.add("bn3", BatchNorm(channels: 4), inputs: [entry])
      let third = b.last
      try b.add("add", Add(), inputs: [left, right, third, left])
      try head(&b)
    },
    GraphCase("branches joined by their channels, one of them a pooling") { b in
      let entry = try b.add("unit", SmoothUnit(channels: 3))
      let one = try b.add("one", conv(3, 2, 1), inputs: [entry])
      let three = try b.add("three", conv(3, 5), inputs: [entry])
      let pool = try b.add("pool", AveragePool(PoolingWindow(size: 3, stride: 1, padding: 1)), inputs: [entry])
      try b.add("join", Concatenate(), inputs: [one, three, pool])
      try b.add("mix", conv(10, 4, 1))
      try b.add("unit2", SmoothUnit(channels: 4))
      try head(&b)
    },
    GraphCase("two layers that both read the same two sources") { b in
      let a = try b.add("a", conv(3, 4))
      let c = try b.add("c", conv(3, 4, 1), inputs: [-1])
      let sum = try b.add("sum", Add(), inputs: [a, c])
      let join = try b.add("join", Concatenate(), inputs: [c, a])
      let mix = try b.add("mix", conv(8, 4, 1), inputs: [join])
      try b.add("all", Add(), inputs: [mix, sum, a])
      try b.add("unit", SmoothUnit(channels: 4))
      try head(&b)
    },
    GraphCase("a layer that reads one source twice") { b in
      let a = try b.add("conv", conv(3, 2))
      let join = try b.add("join", Concatenate(), inputs: [a, a])
      try b.add("twice", Add(), inputs: [join, join])
      try b.add("unit", SmoothUnit(channels: 4))
      try head(&b)
    },
    GraphCase("a layer in place after one whose output is read by two") { b in
      let a = try b.add("conv", conv(3, 2))
      let minus = try b.add("minus", Negation())
      let other = try b.add("other", conv(2, 2), inputs: [a])
      try b.add("join", Concatenate(), inputs: [minus, other])
      try b.add("minus2", Negation())
      try b.add("unit", SmoothUnit(channels: 4))
      try head(&b)
    },
    GraphCase("a layer in place after one that needs its output, also through a view") { b in
      try b.add("unit", SmoothUnit(channels: 3))
      try b.add("minus", Negation())
      try b.add("conv", conv(3, 2))
      try b.add("unit2", SmoothUnit(channels: 2))
      try b.add("flat", Flatten())
      try b.add("minus2", Negation())
      try b.add("fc", Linear(input: Shape(height: 6, width: 5, channels: 2), outputs: 4))
    },
    GraphCase("groups and a global pooling") { b in
      try b.add("conv", conv(3, 6))
      try b.add("unit", SmoothUnit(channels: 6))
      try b.add("grouped", conv(6, 4, 3, groups: 2))
      try b.add("pool", AveragePool(nil))
    },
  ]
}

@Suite("Graphs") struct GraphTests {
  @Test(
    "gradients of every parameter and of the input agree with finite differences",
    arguments: GraphCase.all, [3, 37])
  func gradients(graph: GraphCase, samples: Int) throws {
    let check = try GradientCheck(graph.model(), samples: samples)
    let worst = try check.worstDisagreement()
    #expect(worst.error < 1e-3, "\(worst)")
  }

  @Test("more pieces than lanes of gradients: 150 samples agree with finite differences")
  func manyPieces() throws {
    let graph = GraphCase.all.first { $0.testDescription == "two layers that both read the same two sources" }!
    let worst = try GradientCheck(graph.model(), samples: 150).worstDisagreement()
    #expect(worst.error < 1e-3, "\(worst)")
  }

  @Test("weights on arrays of the user's own give the gradients of digital ones", arguments: GraphCase.all)
  func ownArrays(graph: GraphCase) throws {
    let digital = try GradientCheck(graph.model(), samples: 19)
    let own = try graph.model()
    try own.place(pool: digital.pool) { _ in PairHardware() }
    let pair = try GradientCheck(own, samples: 19)
    #expect(abs(digital.loss() - pair.loss()) < 1e-6)
    digital.workspace.backward(wantsInputGradient: true)
    pair.workspace.backward(wantsInputGradient: true)
    let expected = digital.model.gradients(digital.workspace.gradient)
    // A bias before a batch-norm has no gradient but rounding.
    let scale = 0.1 * expected.map { $0.tensor.values.map(abs).max()! }.max()!
    for (a, b) in zip(expected, pair.model.gradients(pair.workspace.gradient)) {
      #expect(a.name == b.name)
      let difference = zip(a.tensor.values, b.tensor.values).map { abs($0 - $1) }.max()!
      #expect(difference <= 1e-5 * max(scale, a.tensor.values.map(abs).max()!), "\(a.name)")
    }
    let input = digital.workspace.inputGradients(19).map(Double.init)
    #expect(largestError(pair.workspace.inputGradients(19), input) < 1e-5)
  }

  @Test("a pass for inputs alone gives the same input gradient and leaves the parameters' as it was")
  func inputsAlone() throws {
    let check = try GradientCheck(GraphCase.all[3].model(), samples: 20)
    _ = check.loss()
    check.workspace.backward(wantsInputGradient: true)
    let full = check.workspace.inputGradients(20)
    let parameters = check.model.gradients(check.workspace.gradient).map(\.tensor)
    _ = check.loss()
    check.workspace.backward(wantsInputGradient: true, wantsParameterGradient: false)
    #expect(check.workspace.inputGradients(20) == full)
    #expect(check.model.gradients(check.workspace.gradient).map(\.tensor) == parameters)
  }
}

@Suite("Observers") struct ObserverTests {
  @Test(
    "an injected gradient is that of loss + penalty, wherever it is injected",
    arguments: ["conv0", "unit", "conv1", "add", "unit2", "fc"])
  func penalty(name: String) throws {
    let model = try GraphCase.all.first { $0.testDescription == "a residual block" }!.model()
    let check = try GradientCheck(model, samples: 21)
    let penalty = ActivationPenalty(try #require(model.node(name)), strength: 0.5, batch: 21)
    let alone = check.loss()
    check.workspace.observers = [penalty]
    check.penalty = { penalty.penalty }
    #expect(check.loss() > alone + 0.01)
    let worst = try check.worstDisagreement()
    #expect(worst.error < 1e-3, "\(worst)")
  }

  @Test("through a batch-norm, whose backward runs in two passes, a gradient is injected once")
  func batchNorm() throws {
    let graph = GraphCase.all.first { $0.testDescription == "a residual block with batch-norm on both branches" }!
    let model = try graph.model()
    let check = try GradientCheck(model, samples: 21)
    let penalties = ["bn1", "conv0", "bn3"].map {
      ActivationPenalty(model.node($0)!, strength: 0.3, batch: 21)
    }
    check.workspace.observers = penalties
    check.penalty = { penalties.reduce(0) { $0 + $1.penalty } }
    let worst = try check.worstDisagreement()
    #expect(worst.error < 1e-3, "\(worst)")
  }

  @Test("an observer sees every node's own values, even where the next layer overwrites them")
  func activations() throws {
    final class Recorder: Observer {
      let values: [String: UnsafeMutablePointer<Float>]
      let counts: [String: Int]
      init(_ model: Model, samples: Int) {
        counts = Dictionary(uniqueKeysWithValues: model.nodes.map { ($0.name, samples * $0.shape.count) })
        values = counts.mapValues { count in
          let p = UnsafeMutablePointer<Float>.allocate(capacity: count)
          p.initialize(repeating: .nan, count: count)
          return p
        }
      }
      deinit { for p in values.values { p.deallocate() } }
      func observe(_ node: Node, samples: Range<Int>, activation: UnsafeBufferPointer<Float>) {
        let to = values[node.name]! + samples.lowerBound * node.shape.count
        to.update(from: activation.baseAddress!, count: activation.count)
      }
      func array(_ name: String) -> [Float] { Array(UnsafeBufferPointer(start: values[name]!, count: counts[name]!)) }
    }
    var b = ModelBuilder(inputShape: Shape(height: 4, width: 4, channels: 2))
    try b.add("conv", Conv2D(channels: 2, outputs: 3, kernel: (3, 3), padding: 1))
    try b.add("relu", ReLU())
    try b.add("minus", Negation())
    try b.add("pool", AveragePool(nil))
    let model = try b.model()
    let check = try GradientCheck(model, samples: 33)
    let recorder = Recorder(model, samples: 33)
    check.workspace.observers = [recorder]
    _ = check.loss()
    let conv = recorder.array("conv")
    #expect(conv.contains { $0 < 0 })
    #expect(recorder.array("relu") == conv.map { max(0, $0) })
    #expect(recorder.array("minus") == conv.map { -max(0, $0) })
    #expect(recorder.array("pool") == check.workspace.outputs(33))
    // And in evaluation, on a workspace that has no gradients.
    let evaluation = Workspace(model, batch: 33, pool: check.pool, gradients: false)
    let second = Recorder(model, samples: 33)
    evaluation.input.update(from: check.workspace.input, count: 33 * 32)
    evaluation.observers = [second]
    evaluation.forward(samples: 33, training: false)
    #expect(second.array("conv") == conv)
  }
}

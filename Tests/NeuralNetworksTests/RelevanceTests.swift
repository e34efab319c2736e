import Datasets
import Foundation
import LinearAlgebra
import Testing

@testable import NeuralNetworks

@Suite("relevance") struct RelevanceTests {
  /// Relevance of a model's input, and what a recorder saw.
  private func run(
    _ model: Model, _ input: [Float], _ labels: [Int32], _ rule: RelevanceRule = .published, batch: Int? = nil,
    pool: ThreadPool = ThreadPool(threads: 1), observing: Bool = true
  ) throws -> (input: [Float], recorder: RelevanceRecorder) {
    let n = labels.count
    let workspace = Workspace(model, batch: n, pool: pool, gradients: true, parameterGradients: false)
    let pass = try RelevancePass(workspace, rule, inputs: true)
    let recorder = RelevanceRecorder(model, samples: n)
    if observing { pass.observers = [recorder] }
    let size = model.inputShape.count
    var result: [Float] = []
    for first in stride(from: 0, to: n, by: batch ?? n) {
      let count = min(batch ?? n, n - first)
      workspace.setInput(Array(input[first * size..<(first + count) * size]))
      workspace.forward(samples: count, training: false)
      labels[first..<first + count].withUnsafeBufferPointer { pass.run(samples: count, labels: $0.baseAddress!) }
      result += UnsafeBufferPointer(start: workspace.inputGradient, count: count * size)
    }
    return (result, recorder)
  }

  private func linear(_ weights: [[Float]], _ pool: ThreadPool) throws -> Linear {
    let layer = Linear(input: Shape(features: weights[0].count), outputs: weights.count)
    try layer.weights[0].program(
      Tensor(shape: [weights.count, weights[0].count], values: weights.flatMap { $0 }), pool: pool)
    // A bias takes no part in the rule.
    layer.parameters[0].values.update(repeating: 0.01, count: weights.count)
    return layer
  }

  @Test("two layers by hand")
  func byHand() throws {
    let pool = ThreadPool(threads: 1)
    var b = ModelBuilder(inputShape: Shape(features: 2))
    try b.add("fc1", linear([[1, -0.25], [-0.5, 1]], pool))
    try b.add("relu", ReLU())
    try b.add("fc2", linear([[2, -1], [1, 1]], pool))
    let model = try b.model()
    for p in model.nodes.flatMap(\.layer.parameters) { p.values.update(repeating: 0, count: p.count) }
    // x = (1, 2) makes h = (0.5, 1.5). Class 0: z⁺ = 1, z⁻ = −1.5, so R_h = (2, −1).
    //   h₁: z⁺ = 1 from x₁, z⁻ = −0.5 from x₂: 2·2 to x₁, −2 to x₂.  h₂: z⁺ = 2 from x₂, z⁻ = −0.5 from x₁: −2 to x₂, 1 to x₁.
    // Class 1 has no negative contribution: R_h = 2·(0.5, 1.5)/2, twice what there was.
    //   h₁: 1 to x₁, −0.5 to x₂.  h₂: 3 to x₂, −1.5 to x₁.
    let found = try run(model, [1, 2, 1, 2], [0, 1])
    #expect(largestError(found.input, [5, -4, -0.5, 2.5]) < 1e-6)
    #expect(largestError(found.recorder.means["relu"]!, [2, -1, 0.5, 1.5]) < 1e-6)
    #expect(largestError(found.recorder.means["fc2"]!, [1, 0, 0, 1]) == 0)
  }

  @Test("a sum of three hands on in proportion to its terms")
  func threeTerms() throws {
    let pool = ThreadPool(threads: 1)
    var b = ModelBuilder(inputShape: Shape(features: 2))
    let terms = try [Float(1), 2, 3].map { scale in
      try b.add("times\(scale)", linear([[scale, 0], [0, scale]], pool), inputs: [-1])
    }
    try b.add("sum", Add(), inputs: terms)
    try b.add("fc", linear([[1, 0], [0, 1]], pool))
    let model = try b.model()
    for p in model.nodes.flatMap(\.layer.parameters) { p.values.update(repeating: 0, count: p.count) }
    // Positive contributions alone: the classifier hands on 2, of which the terms have a sixth, a third and a half.
    let found = try run(model, [1, 2], [0])
    for (name, share) in [("times1.0", 1.0 / 3), ("times2.0", 2.0 / 3), ("times3.0", 1.0)] {
      #expect(largestError(found.recorder.means[name]!, [share, 0]) < 1e-6)
    }
    #expect(largestError(found.input, [4, 0]) < 1e-5)
  }

  @Test("α = 1, β = 0 hands on the positive contributions alone")
  func alphaOne() throws {
    let pool = ThreadPool(threads: 1)
    var b = ModelBuilder(inputShape: Shape(features: 3))
    try b.add("fc", linear([[1, 2, -5], [1, 1, 1]], pool))
    let found = try run(b.model(), [1, 2, 1], [0], RelevanceRule(alpha: 1, beta: 0))
    #expect(largestError(found.input, [0.2, 0.8, 0]) < 1e-6)
  }

  // MARK: Conservation

  /// Σ R and Σ |R| of the inputs of one fully connected layer, over outputs and random weights: medians.
  private func conservation(
    inputs: Int, positive: Double, active: Int? = nil, signedInputs: Bool = false
  ) throws -> (sum: Double, mean: Double, magnitude: Double, violating: Double) {
    let pool = ThreadPool(threads: 1)
    let outputs = 400
    let u = RandomStream(seed: 3, purpose: 90, index: UInt64(inputs)).uniforms(2 * inputs * outputs)
    let weights = (0..<outputs).map { o in
      (0..<inputs).map { i -> Float in
        let k = o * inputs + i
        return (u[k] + 0.01) * (Double(u[inputs * outputs + k]) < positive ? 1 : -1)
      }
    }
    var b = ModelBuilder(inputShape: Shape(features: inputs))
    try b.add("fc", linear(weights, pool))
    let model = try b.model()
    let v = RandomStream(seed: 4, purpose: 90).uniforms(outputs * inputs)
    let x = (0..<outputs * inputs).map { k -> Float in
      if let active, (k % inputs + 7 * (k / inputs)) % inputs >= active { return 0 }
      return signedInputs ? 2 * v[k] - 1 : v[k] + 0.01
    }
    let workspace = Workspace(model, batch: outputs, pool: pool, gradients: true, parameterGradients: false)
    let pass = try RelevancePass(workspace, .published, inputs: true, countsViolations: true)
    workspace.setInput(x)
    workspace.forward(samples: outputs, training: false)
    // Sample o asks for class o.
    (0..<Int32(outputs)).map { $0 }.withUnsafeBufferPointer { pass.run(samples: outputs, labels: $0.baseAddress!) }
    let r = workspace.inputGradients(outputs)
    let sums = (0..<outputs).map { o in r[o * inputs..<(o + 1) * inputs].reduce(0.0) { $0 + Double($1) } }
    let magnitudes = (0..<outputs).map { o in r[o * inputs..<(o + 1) * inputs].reduce(0.0) { $0 + Double(abs($1)) } }
    let counted = pass.takeViolations()[0]
    #expect(counted.outputs == outputs)
    return (
      sums.sorted()[outputs / 2], sums.reduce(0, +) / Double(outputs), magnitudes.reduce(0, +) / Double(outputs),
      Double(counted.violating) / Double(outputs)
    )
  }

  @Test("contributions that are all positive double the relevance, and every output violates conservation")
  func allPositive() throws {
    let found = try conservation(inputs: 50, positive: 1)
    #expect(abs(found.sum - 2) < 1e-5 && abs(found.mean - 2) < 1e-5)
    #expect(found.violating == 1)
  }

  @Test("contributions of both signs conserve it")
  func mixed() throws {
    let found = try conservation(inputs: 50, positive: 0.5)
    #expect(abs(found.sum - 1) < 1e-5 && abs(found.mean - 1) < 1e-4)
    #expect(found.violating == 0)
  }

  @Test("weights that are 95 % positive, over seven inputs that are not zero, make 1 + 0.95⁷ = 1.70 of it on average")
  func sparse() throws {
    let found = try conservation(inputs: 50, positive: 0.95, active: 7)
    #expect(abs(found.mean - 1.70) < 0.06)
    // The same outputs are counted as those that violate conservation.
    #expect(abs(found.mean - (1 + found.violating)) < 0.02)
  }

  @Test("inputs of both signs keep Σ R at 1 while Σ |R| explodes")
  func signed() throws {
    let found = try conservation(inputs: 50, positive: 0.5, signedInputs: true)
    #expect(abs(found.sum - 1) < 1e-3)
    #expect(found.magnitude > 10)
  }

  // MARK: The published algorithm

  private static let networks = ["vgg", "residual", "branches"]

  @Test(
    "relevance agrees with the published algorithm in float64 to 1e-5", arguments: networks,
    RelevanceRule.BatchNormRule.allCases)
  func oracle(name: String, norm: RelevanceRule.BatchNormRule) throws {
    let (fixture, file) = try RelevanceFixture.read(name)
    let model = try fixture.model(name, pool: ThreadPool(threads: 1))
    let input = channelsLast(fixture.input.values, fixture.input.shape)
    for (threads, batch) in [(1, 24), (2, 24), (2, 7)] {
      let found = try run(
        model, input, fixture.labels, RelevanceRule(batchNorm: norm), batch: batch, pool: ThreadPool(threads: threads),
        observing: batch == 24)
      let first = 4 * model.inputShape.count
      let expected = file["\(name).\(norm).input"]!.doubles
      let shape = [4] + fixture.input.shape.dropFirst()
      #expect(largestError(channelsFirst(Array(found.input[..<first]), shape), expected) < 1e-5)
      guard batch == 24 else { continue }
      for node in model.nodes {
        if let expected = file["\(name).\(norm).sample.\(node.name)"]?.doubles {
          #expect(largestError(found.recorder.means[node.name]!, expected) < 1e-5, "\(node.name)")
        }
        if let expected = file["\(name).\(norm).sums.\(node.name)"]?.doubles {
          #expect(largestError(found.recorder.sums[node.name]!.map { Float($0) }, expected) < 1e-5, "\(node.name)")
        }
      }
    }
  }

  @Test("the bits depend neither on threads nor, in whole pieces, on the batch", arguments: networks)
  func invariance(name: String) throws {
    let fixture = try RelevanceFixture.read(name).fixture
    let model = try fixture.model(name, pool: ThreadPool(threads: 1))
    let input = channelsLast(fixture.input.values, fixture.input.shape)
    let one = try run(model, input, fixture.labels).input
    for (threads, batch) in [(2, 24), (3, 16), (1, 16)] {
      let other = try run(model, input, fixture.labels, batch: batch, pool: ThreadPool(threads: threads)).input
      #expect(one == other)
    }
  }

  @Test("a convolution's relevance is the same by patches and by products in place")
  func ways() throws {
    let pool = ThreadPool(threads: 1)
    // Wide enough for patches, and the same outputs in two halves that are thin enough for products in place.
    let (channels, outputs) = (5, 40)
    let u = RandomStream(seed: 8, purpose: 91).uniforms(outputs * 9 * channels + 2 * 81 * channels)
    let weights = u[..<(outputs * 9 * channels)].map { $0 - 0.5 }
    func model(_ halves: Int) throws -> Model {
      var b = ModelBuilder(inputShape: Shape(height: 9, width: 9, channels: channels))
      var parts: [Int] = []
      for h in 0..<halves {
        let n = outputs / halves
        let conv = try Conv2D(channels: channels, outputs: n, kernel: (3, 3), padding: 1, bias: false)
        try conv.weights[0].program(
          Tensor(shape: [n, 9 * channels], values: Array(weights[h * n * 9 * channels..<(h + 1) * n * 9 * channels])),
          pool: pool)
        parts.append(try b.add("conv\(h)", conv, inputs: [-1]))
      }
      if halves > 1 { try b.add("joined", Concatenate(), inputs: parts) }
      try b.add("relu", ReLU())
      try b.add("pool", AveragePool(nil))
      let fc = try linear((0..<3).map { c in (0..<outputs).map { Float(($0 * 7 + c * 3) % 11) - 5 } }, pool)
      try b.add("fc", fc)
      return try b.model()
    }
    let x = Array(u[(outputs * 9 * channels)...])
    let whole = try run(model(1), x, [0, 2]).input
    let halves = try run(model(2), x, [0, 2]).input
    #expect(largestError(whole, halves.map(Double.init)) < 1e-5)
  }

  @Test("Winograd's sums lose nothing, in images that are dark in places too")
  func winograd() throws {
    let pool = ThreadPool(threads: 1)
    let (side, channels, outputs) = (12, 16, 24)
    let u = RandomStream(seed: 9, purpose: 92).uniforms(2 * outputs * 9 * channels + 3 * side * side * channels)
    func model(_ method: Conv2D.Method) throws -> Model {
      var b = ModelBuilder(inputShape: Shape(height: side, width: side, channels: channels))
      for (n, inputs) in [channels, outputs].enumerated() {
        let conv = try Conv2D(channels: inputs, outputs: outputs, kernel: (3, 3), padding: 1)
        conv.requestedMethod = method
        let weights = (0..<outputs * 9 * inputs).map { u[$0 % (2 * outputs * 9 * channels)] - (n == 0 ? 0.45 : 0.5) }
        try conv.weights[0].program(Tensor(shape: [outputs, 9 * inputs], values: weights), pool: pool)
        // So that outputs over nothing but zeros have relevance as well.
        for o in 0..<outputs { conv.parameters[0].values[o] = 0.3 }
        try b.add("conv\(n)", conv)
        try b.add("relu\(n)", ReLU())
      }
      try b.add("pool", AveragePool(nil))
      try b.add("fc", linear((0..<3).map { c in (0..<outputs).map { Float(($0 * 7 + c * 3) % 11) - 5 } }, pool))
      return try b.model()
    }
    var x = Array(u[(2 * outputs * 9 * channels)...])
    for (i, value) in x.enumerated() {
      let column = i / channels % side
      // A bright third, one in which most is dark, and one that is black.
      x[i] = column < 4 ? value : column < 8 && i % 29 == 0 ? 1e-4 * value : 0
    }
    let plain = try run(model(.patches), x, [0, 1, 2])
    let tiles = try run(model(.winograd), x, [0, 1, 2])
    #expect(largestError(tiles.input, plain.input.map(Double.init)) < 1e-5)
    for node in ["conv0", "relu0", "conv1"] {
      #expect(
        largestError(tiles.recorder.means[node]!, plain.recorder.means[node]!.map(Double.init)) < 1e-5, "\(node)")
    }
  }

  @Test("what nobody asked for is not reached")
  func reach() throws {
    let fixture = try RelevanceFixture.read("residual").fixture
    let model = try fixture.model("residual", pool: ThreadPool(threads: 1))
    let workspace = Workspace(
      model, batch: 24, pool: ThreadPool(threads: 1), gradients: true, parameterGradients: false)
    let pass = try RelevancePass(workspace, .published, at: [model.node("layer2.0.relu1")!])
    let recorder = RelevanceRecorder(model, samples: 24)
    pass.observers = [recorder]
    workspace.setInput(channelsLast(fixture.input.values, fixture.input.shape))
    workspace.forward(samples: 24, training: false)
    fixture.labels.withUnsafeBufferPointer { pass.run(samples: 24, labels: $0.baseAddress!) }
    #expect(recorder.sums["layer2.0.relu1"]!.allSatisfy { $0.isFinite })
    #expect(recorder.sums["layer1.0.relu2"]!.allSatisfy { $0.isNaN })
    #expect(!pass.reaches(model.node("layer2.0.downsample.0")!))
    #expect(pass.reaches(model.node("layer2.1.conv1")!))
    // The same as in a pass to the input.
    let all = try run(model, channelsLast(fixture.input.values, fixture.input.shape), fixture.labels).recorder
    #expect(recorder.means["layer2.0.relu1"]! == all.means["layer2.0.relu1"]!)
  }

  @Test("weights that changed are read anew")
  func reload() throws {
    let pool = ThreadPool(threads: 1)
    var b = ModelBuilder(inputShape: Shape(features: 2))
    let layer = try linear([[1, 1], [1, 2]], pool)
    try b.add("fc", layer)
    let workspace = Workspace(try b.model(), batch: 1, pool: pool, gradients: true)
    let pass = try RelevancePass(workspace, RelevanceRule(alpha: 1, beta: 0), inputs: true)
    func relevance() -> [Float] {
      workspace.setInput([1, 1])
      workspace.forward(samples: 1, training: false)
      [Int32(0)].withUnsafeBufferPointer { pass.run(samples: 1, labels: $0.baseAddress!) }
      return workspace.inputGradients(1)
    }
    #expect(largestError(relevance(), [0.5, 0.5]) < 1e-6)
    try layer.weights[0].program(Tensor(shape: [2, 2], values: [3, 1, 1, 2]), pool: pool)
    pass.load()
    #expect(largestError(relevance(), [0.75, 0.25]) < 1e-6)
  }

  // MARK: Bad input

  @Test("a rule that does not conserve relevance is refused", arguments: [(2.0, 0.5), (1, 1), (0.5, -0.5), (.nan, 1)])
  func badRule(alpha: Double, beta: Double) {
    #expect { try RelevanceRule(alpha: alpha, beta: beta) } throws: {
      "\($0)".contains("α − β must be 1")
    }
  }

  @Test("a layer that no rule is known for is named")
  func unknownLayer() throws {
    var b = ModelBuilder(inputShape: Shape(features: 3))
    try b.addLinear("fc1", 4)
    try b.add("odd", SmoothUnit(channels: 4))
    try b.addLinear("fc2", 2)
    let model = try b.model()
    #expect { try RelevancePass.check(model) } throws: {
      "\($0)" == "layer odd: no rule is known for the relevance of a layer of kind smooth-unit"
    }
  }

  @Test("a model that does not end in a classifier is refused")
  func noClassifier() throws {
    var b = ModelBuilder(inputShape: Shape(height: 4, width: 4, channels: 3))
    try b.add("conv", Conv2D(channels: 3, outputs: 2, kernel: (3, 3)))
    try b.add("relu", ReLU())
    let model = try b.model()
    #expect { try RelevancePass.check(model) } throws: { "\($0)".contains("starts from the outputs of a classifier") }
  }
}

import Compression
import LinearAlgebra
import Testing

@testable import NeuralNetworks

@Suite("feature relevance scores") struct FeatureRelevanceTests {
  /// Scores of every convolution of one of the oracle's networks.
  private func scores(
    _ name: String, _ fixture: RelevanceFixture, _ norm: RelevanceRule.BatchNormRule = .ignored,
    place: FeatureRelevance.Place = .block, weighs: Bool = true, batch: Int = 24, threads: Int = 1,
    labels: [Int32]? = nil, change: (Model) -> Void = { _ in }
  ) throws -> (relevance: FeatureRelevance, scores: FeatureRelevance.Scores) {
    let pool = ThreadPool(threads: threads)
    let model = try fixture.model(name, pool: pool)
    change(model)
    let workspace = Workspace(model, batch: batch, pool: pool, gradients: true, parameterGradients: false)
    let relevance = try FeatureRelevance(
      workspace, RelevanceRule(batchNorm: norm), layers: model.nodes.filter { $0.layer is Conv2D }, place: place)
    let input = channelsLast(fixture.input.values, fixture.input.shape)
    let labels = labels ?? fixture.labels
    let size = model.inputShape.count
    for first in stride(from: 0, to: labels.count, by: batch) {
      let count = min(batch, labels.count - first)
      workspace.setInput(Array(input[first * size..<(first + count) * size]))
      workspace.forward(samples: count, training: false)
      labels[first..<first + count].withUnsafeBufferPointer {
        relevance.add(samples: count, labels: $0.baseAddress!)
      }
    }
    return (relevance, try relevance.scores(weighsClasses: weighs))
  }

  @Test(
    "scores, class accuracies and class weights agree with the published algorithm to 1e-5",
    arguments: ["vgg", "residual", "branches"], RelevanceRule.BatchNormRule.allCases)
  func oracle(name: String, norm: RelevanceRule.BatchNormRule) throws {
    let (fixture, file) = try RelevanceFixture.read(name)
    for weighs in [true, false] {
      let (relevance, found) = try scores(name, fixture, norm, weighs: weighs)
      for (node, values) in zip(relevance.layers, found.layers) {
        let key = "\(name).\(norm).\(weighs ? "score" : "plain").\(node.name)"
        #expect(largestError(values.map { Float($0) }, file[key]!.doubles) < 1e-5, "\(key)")
      }
      #expect(found.classes.map(\.samples) == fixture.counts)
      #expect(found.classes.map(\.accuracy) == fixture.accuracy)
      for (c, expected) in zip(found.classes, fixture.weight) where weighs { #expect(abs(c.weight - expected) < 1e-12) }
      if !weighs { #expect(found.classes.allSatisfy { $0.weight == 1 }) }
    }
  }

  @Test("each layer's scores are a unit vector")
  func unitNorm() throws {
    let fixture = try RelevanceFixture.read("residual").fixture
    for place in FeatureRelevance.Place.allCases {
      for layer in try scores("residual", fixture, place: place).scores.layers {
        #expect(abs(layer.reduce(0) { $0 + $1 * $1 }.squareRoot() - 1) < 1e-6)
        #expect(layer.allSatisfy { $0 >= 0 })
      }
    }
  }

  @Test("the best class weighs 0.7311, one that is never recognized 1")
  func weights() {
    #expect(abs(FeatureRelevance.weight(relative: 1) - 0.7311) < 5e-5)
    #expect(FeatureRelevance.weight(relative: 0) == 1)
    #expect(abs(FeatureRelevance.weight(relative: 0.5) - 0.8808) < 5e-5)
  }

  @Test("the last convolution of a residual branch is scored behind the sum, or by its own share of it")
  func places() throws {
    let fixture = try RelevanceFixture.read("residual").fixture
    let block = try scores("residual", fixture, place: .block)
    let output = try scores("residual", fixture, place: .output)
    for (i, node) in block.relevance.layers.enumerated() {
      // Behind a batch-norm and a ReLU alone there is no difference.
      #expect((block.scores.layers[i] == output.scores.layers[i]) == node.name.hasSuffix("conv1"), "\(node.name)")
    }
  }

  @Test("scores depend neither on the batch nor on threads")
  func invariance() throws {
    let fixture = try RelevanceFixture.read("vgg").fixture
    let one = try scores("vgg", fixture).scores
    #expect(try scores("vgg", fixture, batch: 16, threads: 2).scores.layers == one.layers)
    for (a, b) in zip(try scores("vgg", fixture, batch: 7, threads: 3).scores.layers, one.layers) {
      #expect(largestError(a.map { Float($0) }, b) < 1e-6)
    }
  }

  @Test("where no class is recognized at all, all weigh the same")
  func nothingRight() throws {
    let fixture = try RelevanceFixture.read("branches").fixture
    let model = try fixture.model("branches", pool: ThreadPool(threads: 1))
    let workspace = Workspace(model, batch: 24, pool: ThreadPool(threads: 1), gradients: false)
    workspace.setInput(channelsLast(fixture.input.values, fixture.input.shape))
    workspace.forward(samples: 24, training: false)
    // Every sample is of one of the classes that it is not taken for.
    let labels = (0..<24).map { s in
      let answer = (0..<5).max { workspace.output[s * 5 + $0] < workspace.output[s * 5 + $1] } ?? 0
      return Int32((answer + 1 + s % 4) % 5)
    }
    let found = try scores("branches", fixture, labels: labels).scores
    #expect(found.classes.allSatisfy { $0.samples > 0 && $0.accuracy == 0 })
    #expect(Set(found.classes.map(\.weight)).count == 1)
    let plain = try scores("branches", fixture, weighs: false, labels: labels).scores
    for (a, b) in zip(found.layers.joined(), plain.layers.joined()) { #expect(abs(a - b) < 1e-6) }
  }

  @Test("classes that are never recognized weigh 1 beside one that is")
  func oneRight() throws {
    let fixture = try RelevanceFixture.read("branches").fixture
    // The last layer's bias decides for class 4.
    let labels = (0..<24).map { Int32($0 % 5) }
    let found = try scores("branches", fixture, labels: labels) { model in
      let bias = model.node("fc")!.layer.parameters[0]
      for c in 0..<5 { bias.values[c] = c == 4 ? 1e4 : 0 }
    }.scores
    // Class 4 alone is right: the others have an accuracy of 0 and weigh 1.
    #expect(found.classes.map(\.accuracy) == [0, 0, 0, 0, 1])
    #expect(found.classes[..<4].allSatisfy { $0.weight == 1 && $0.relative == 0 })
    #expect(abs(found.classes[4].weight - 0.7311) < 5e-5)
    #expect(found.layers.joined().allSatisfy { $0.isFinite })
  }

  @Test("a class without samples is named")
  func emptyClass() throws {
    let fixture = try RelevanceFixture.read("vgg").fixture
    #expect { try scores("vgg", fixture, labels: (0..<24).map { Int32($0 % 4) }) } throws: {
      "\($0)".hasPrefix("class 4 has no samples")
    }
  }

  @Test("samples whose relevance is not a number are left out and counted")
  func notFinite() throws {
    let fixture = try RelevanceFixture.read("vgg").fixture
    let pool = ThreadPool(threads: 1)
    let model = try fixture.model("vgg", pool: pool)
    let workspace = Workspace(model, batch: 24, pool: pool, gradients: true, parameterGradients: false)
    let relevance = try FeatureRelevance(workspace, layers: model.nodes.filter { $0.layer is Conv2D })
    var input = channelsLast(fixture.input.values, fixture.input.shape)
    let labels = (0..<24).map { Int32($0 % 5) }
    // So large that sums overflow.
    for i in 5 * model.inputShape.count..<6 * model.inputShape.count { input[i] = 3e38 }
    workspace.setInput(input)
    workspace.forward(samples: 24, training: false)
    labels.withUnsafeBufferPointer { relevance.add(samples: 24, labels: $0.baseAddress!) }
    let found = try relevance.scores()
    #expect(found.skipped == 1 && found.classes[0].skipped == 1 && found.classes[0].samples == 4)
    #expect(found.layers.joined().allSatisfy { $0.isFinite })
  }
}

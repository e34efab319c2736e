import LinearAlgebra
import Testing

@testable import Compression
@testable import NeuralNetworks

/// Samples in memory.
final class FixedSamples: SampleSource {
  private let images: [[Float]]
  private let labels: UnsafeMutablePointer<Int32>
  let classes: Int
  init(_ images: [[Float]], labels: [Int32], classes: Int) {
    self.images = images
    self.classes = classes
    all = labels
    self.labels = .allocate(capacity: labels.count)
  }
  deinit { labels.deallocate() }
  private let all: [Int32]
  var count: Int { images.count }
  func fill(_ input: UnsafeMutablePointer<Float>, _ samples: Range<Int>) -> UnsafePointer<Int32> {
    for (i, s) in samples.enumerated() {
      for (k, v) in images[s].enumerated() { input[i * images[s].count + k] = v }
      labels[i] = all[s]
    }
    return UnsafePointer(labels)
  }
}

@Suite("Criteria")
struct CriterionTests {
  /// A 1×1 convolution of two filters over one channel, ReLU, and a classifier.
  private func small(_ filters: [Float], head: [Float] = [1, 0, 0, 1]) throws -> (Model, [PrunableLayer]) {
    var b = ModelBuilder(inputShape: Shape(height: 1, width: 2, channels: 1))
    try b.add("conv1", Conv2D(channels: 1, outputs: filters.count, kernel: (1, 1), bias: false))
    try b.add("relu", ReLU())
    try b.add("pool", AveragePool(nil))
    try b.add("fc", Linear(input: Shape(features: filters.count), outputs: 2, bias: false))
    let model = try b.model()
    try model.weights[0].weights.program(Tensor(shape: [filters.count, 1], values: filters), pool: testPool)
    try model.weights[1].weights.program(Tensor(shape: [2, filters.count], values: head), pool: testPool)
    return (model, try ChannelGroups(model, layers: ["conv1"]).layers)
  }

  @Test("l1 is the sum of a filter's absolute weights")
  func l1() throws {
    var builder = ModelBuilder(inputShape: Shape(height: 2, width: 2, channels: 1))
    try builder.add("conv1", Conv2D(channels: 1, outputs: 2, kernel: (1, 2)))
    let model = try builder.model()
    try model.weights[0].weights.program(Tensor(shape: [2, 2], values: [1, -2, 0.5, 0.25]), pool: testPool)
    let node = model.nodes[0]
    let layer = PrunableLayer(node: node, norm: nil, end: node, isRectified: false)
    let scores = L1Norm().scores(ScoringContext(model: model, layers: [layer], pool: testPool))
    #expect(scores == [[3, 0.75]])
  }

  @Test("mean activation is that behind the ReLU, over samples and positions")
  func meanActivation() throws {
    let (model, layers) = try small([2, -1])
    // Filter 1: (2, 0), (6, 8); filter 2: (0, 1), (0, 0).
    let samples = FixedSamples([[1, -1], [3, 4]], labels: [0, 1], classes: 2)
    let scores = try MeanActivation().scores(
      ScoringContext(model: model, layers: layers, samples: samples, batch: 1, pool: testPool))
    #expect(scores == [[4, 0.25]])
  }

  @Test("Taylor is |a · g| by hand")
  func taylor() throws {
    let (model, layers) = try small([2, 3])
    let samples = FixedSamples([[1, 1]], labels: [0], classes: 2)
    let scores = try Taylor().scores(
      ScoringContext(model: model, layers: layers, samples: samples, pool: testPool))
    // Logits (2, 3); dL/dlogit = softmax − (1, 0); each position has half of the mean: mean over positions of a·g/2.
    let p = 1 / (1 + Float(2.718_281_828_459_045))
    let expected = [Double(2 * (1 - p) / 2), Double(3 * (1 - p) / 2)]
    for c in 0..<2 { #expect(abs(scores[0][c] - expected[c]) < 1e-6) }
  }

  @Test("Taylor predicts the change of the loss when a channel is scaled")
  func taylorIsADerivative() throws {
    let model = try network("resnet20", input: Shape(height: 8, width: 8, channels: 3))
    let images = (0..<8).map { RandomStream(seed: 2, purpose: 5, index: UInt64($0)).gaussians(192) }
    let samples = FixedSamples(images, labels: (0..<8).map { Int32($0) }, classes: 10)
    let layers = try ChannelGroups(model).layers
    // One sample at a time, so that the absolute value of one is that of all.
    let one = FixedSamples([images[0]], labels: [3], classes: 10)
    let scores = try Taylor().scores(
      ScoringContext(model: model, layers: layers, samples: one, batch: 1, pool: testPool))
    #expect(
      try Taylor().scores(ScoringContext(model: model, layers: layers, samples: samples, batch: 3, pool: testPool))
        .count == layers.count)
    func loss() -> Double {
      let w = Workspace(model, batch: 1, pool: testPool, gradients: true)
      w.task = ClassificationTask()
      w.targets = Targets(labels: one.fill(w.input, 0..<1))
      return w.forward(samples: 1, training: false, loss: true)
    }
    for (l, c) in [(0, 2), (1, 7), (9, 20)] {
      // γ and β scaled together scale the channel behind the ReLU, and behind the norm of a branch's end.
      let norm = try #require(layers[l].norm).layer.parameters
      let before = norm.map { $0.values[c] }
      func at(_ factor: Float) -> Double {
        for (p, v) in zip(norm, before) { p.values[c] = v * factor }
        return loss()
      }
      let slope = abs(at(1.01) - at(0.99)) / 0.02
      _ = at(1)
      let pixels = Double(layers[l].end.shape.pixels)
      #expect(abs(scores[l][c] * pixels - slope) < 0.05 * slope + 1e-4, "layer \(layers[l].name)")
    }
  }

  @Test("random scores are fresh at each event, and the same for the same seed")
  func random() throws {
    let (model, layers) = try small([1, 2, 3, 4], head: [Float](repeating: 1, count: 8))
    func scores(_ event: Int, _ seed: UInt64 = 1) -> [[Double]] {
      RandomChoice().scores(ScoringContext(model: model, layers: layers, pool: testPool, seed: seed, event: event))
    }
    #expect(scores(0) == scores(0))
    #expect(scores(0) != scores(1))
    #expect(scores(0) != scores(0, 2))
  }

  @Test("batch-norm scale is |γ|, and layers without one are refused")
  func batchNormScale() throws {
    let model = try network("vgg8", options: ArchitectureOptions(batchNorm: true))
    let layers = try ChannelGroups(model).layers
    let scale = try #require(layers[0].norm).layer.parameters[0]
    scale.values[3] = -7
    let scores = try BatchNormScale().scores(ScoringContext(model: model, layers: layers, pool: testPool))
    #expect(scores[0][3] == 7)
    let plain = try Pruner(try network("lenet5"))
    #expect(
      throws: ModelError("criterion \"batch-norm-scale\" looks at the batch-norm behind layer conv2, which has none")
    ) {
      try plain.scores(
        BatchNormScale(), ScoringContext(model: plain.model, layers: plain.groups.layers, pool: testPool))
    }
  }

  @Test("the geometric median's neighbour goes first")
  func geometricMedian() throws {
    let (model, layers) = try small([0, 1, 2, 10], head: [Float](repeating: 1, count: 8))
    let scores = GeometricMedian().scores(ScoringContext(model: model, layers: layers, pool: testPool))
    for (found, expected) in zip(scores[0], [13.0, 11, 11, 27]) { #expect(abs(found - expected) < 1e-3) }
  }

  @Test("a criterion that looks at samples is refused without any")
  func withoutSamples() throws {
    let pruner = try Pruner(try network("lenet5"))
    #expect(throws: ModelError("criterion \"taylor\" looks at samples, and there are none")) {
      try pruner.scores(Taylor(), ScoringContext(model: pruner.model, layers: pruner.groups.layers, pool: testPool))
    }
  }

  @Test("every criterion can score every layer of a network, the same with any number of threads")
  func all() throws {
    let model = try network("resnet20", input: Shape(height: 8, width: 8, channels: 3))
    let layers = try ChannelGroups(model).layers
    let images = (0..<40).map { RandomStream(seed: 2, purpose: 5, index: UInt64($0)).gaussians(192) }
    let samples = FixedSamples(images, labels: (0..<40).map { Int32($0 % 10) }, classes: 10)
    for type in ChannelCriteria.all {
      let criterion = try #require(ChannelCriteria.named(type.name))
      let found = try [1, 3].map { threads in
        try criterion.scores(
          ScoringContext(
            model: model, layers: layers, samples: samples, batch: 32, pool: ThreadPool(threads: threads)))
      }
      #expect(found[0] == found[1], "\(type.name)")
      #expect(zip(found[0], layers).allSatisfy { $0.count == $1.channels && $0.allSatisfy(\.isFinite) }, "\(type.name)")
      #expect(Set(found[0][3]).count > 1, "\(type.name)")
    }
  }
}

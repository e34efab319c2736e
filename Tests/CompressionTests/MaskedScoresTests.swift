import LinearAlgebra
import NeuralNetworks
import Testing

@testable import Compression

@Suite("Masked as if removed")
struct MaskedScoresTests {
  private let small = Shape(height: 8, width: 8, channels: 3)

  private func samples(_ model: Model) -> FixedSamples {
    FixedSamples(
      (0..<40).map { RandomStream(seed: 21, purpose: 79, index: UInt64($0)).uniforms(model.inputShape.count) },
      labels: (0..<40).map { Int32($0 % 10) }, classes: 10)
  }

  /// Channels that a plan takes from some layers.
  private func gone(_ plan: [String: [Int]], of layers: [PrunableLayer]) -> Int {
    var gone = 0
    for layer in layers { if let kept = plan[layer.name] { gone += layer.channels - kept.count } }
    return gone
  }

  @Test(
    "what is left has the same scores whether the others were removed or silenced, by every criterion",
    arguments: ChannelCriteria.all.map { $0.name })
  func scores(_ name: String) throws {
    let criterion = try #require(ChannelCriteria.named(name))
    var found: [[[Double]]] = []
    for form in [PruningForm.removed, .masked] {
      let model = try network("resnet20", input: small)
      let pruner = try Pruner(model, form: form)
      try pruner.apply(try pruner.plan(arbitraryChoice(pruner.groups, share: 0.5), .share(0.4, .layer)))
      let layers = pruner.groups.layers
      let alive = layers.indices.map { pruner.isAlive($0) }
      let scores = try pruner.scores(
        criterion,
        ScoringContext(
          model: model, layers: layers, isAlive: alive, samples: samples(model), batch: 20, pool: testPool, event: 3))
      found.append(zip(scores, alive).map { list, alive in zip(list, alive).filter(\.1).map(\.0) })
    }
    for (a, b) in zip(found[0], found[1]) {
      #expect(a.count == b.count)
      let largest = a.reduce(0) { max($0, abs($1)) }
      for (x, y) in zip(a, b) { #expect(abs(x - y) <= 1e-5 * largest) }
    }
  }

  @Test("masks of one stage go on in the next, and another form is refused")
  func goingOn() throws {
    let model = try network("lenet5")
    let first = try Pruner(model, form: .masked, layers: ["conv1"])
    try first.apply(["conv1": [0, 2, 4]])
    let mask = try #require(first.mask)
    let second = try Pruner(model, form: .masked, layers: ["conv*"], mask: mask)
    #expect(second.channels == (22, 19))
    try second.apply(["conv2": Array(0..<8)])
    let both = try #require(second.mask)
    #expect(both.structure.layers.map(\.name) == ["conv1", "conv2"])
    for weights in model.weights.prefix(2).map(\.weights) {
      weights.arrays[0].plainWeights?.update(repeating: 1, count: weights.outputs * weights.inputs)
    }
    try both.hold(model)
    let (conv1, conv2) = (model.weights[0].weights.matrix, model.weights[1].weights.matrix)
    #expect(conv1.values[25..<50].allSatisfy { $0 == 0 } && conv1.values[0..<25].allSatisfy { $0 == 1 })
    #expect(conv2.values[8 * 150..<16 * 150].allSatisfy { $0 == 0 })
    // The slices of filter 0 that read conv1's silenced channels.
    #expect(conv2.values[0..<150].count { $0 != 0 } == 75)
    #expect(
      throws: ModelError(
        "form \"removed\" is asked for where channels of form \"masked\" are held at zero already")
    ) { try Pruner(model, layers: ["conv*"], mask: mask) }
  }

  @Test("a count takes no more than was asked for, coupled channels or not")
  func coupledCounts() throws {
    let pruner = try Pruner(try network("resnet20", input: small), residual: .group, layers: ["*"])
    let scores = arbitraryChoice(pruner.groups, share: 0.5)
    for count in [1, 2, 3, 10, 50, 101] {
      let plan = try pruner.plan(scores, .count(count))
      #expect(gone(plan, of: pruner.groups.layers) == count)
    }
  }

  @Test("a coupled layer that is ranked by itself takes its group along")
  func coupledSeparately() throws {
    let pruner = try Pruner(try network("resnet20", input: small), residual: .group, layers: ["*"])
    let scores = arbitraryChoice(pruner.groups, share: 0.5)
    // Not the first of its group, which is conv1.
    let plan = try pruner.plan(scores, .count(5), separately: ["layer1.1.conv2": 3])
    let coupled = ["conv1", "layer1.0.conv2", "layer1.1.conv2", "layer1.2.conv2"]
    for name in coupled { #expect(plan[name]?.count == 13) }
    #expect(gone(plan, of: pruner.groups.layers.filter { !coupled.contains($0.name) }) == 5)
  }

  @Test("under group the first layer's group stays by default, and a protected layer keeps its own alone")
  func protection() throws {
    let model = try network("resnet20", input: small)
    let protected = try ChannelGroups(model, residual: .group, protected: ["layer1.0.conv1"])
    let all = try ChannelGroups(model, residual: .group)
    #expect(Set(all.layers.map(\.name)).subtracting(protected.layers.map(\.name)) == ["layer1.0.conv1"])
    #expect(!all.layers.contains { $0.name == "conv1" || $0.name == "layer1.0.conv2" })
    do {
      _ = try ChannelGroups(model, residual: .group, protected: ["layer2.0.conv2"])
      Issue.record("a group was split")
    } catch let error as ChannelGroups.Refusal {
      #expect(
        error.cause == .protected
          && error.description.contains("but their channels go together: name all of layer2.0.conv2"))
    }
  }

  /// c1 8 → c2 12 in two groups → classes.
  private func grouped() throws -> Model {
    var b = ModelBuilder(inputShape: Shape(height: 6, width: 6, channels: 3))
    try b.add("c1", Conv2D(channels: 3, outputs: 8, kernel: (3, 3), padding: 1))
    try b.add("c2", Conv2D(channels: 8, outputs: 12, kernel: (3, 3), padding: 1, groups: 2))
    let before = b.shape
    try b.add("flat", Flatten())
    try b.add("fc", Linear(input: before, outputs: 4))
    let model = try b.model()
    try randomize(model)
    return model
  }

  @Test("a grouped convolution whose groups shrank to one channel goes on losing its own")
  func shrunkGroups() throws {
    for form in [PruningForm.removed, .masked] {
      let pruner = try Pruner(try grouped(), form: form, layers: ["c1", "c2"])
      for share in [0.75, 0.8] {
        let scores = pruner.groups.layers.map { (0..<$0.channels).map { Double($0) } }
        try pruner.apply(try pruner.plan(scores, .share(share, .layer)))
      }
      #expect(pruner.groups.layers.map(\.name) == ["c1", "c2"])
      // Two groups stay equally large: of twelve two are left at four fifths.
      #expect(pruner.structure["c1"]?.kept.count == 2)
      #expect(pruner.structure["c2"]?.kept.count == 2)
    }
  }

  @Test("separate counts are not exceeded by what is coupled")
  func separateCounts() throws {
    let pruner = try Pruner(try grouped(), layers: ["c1", "c2"])
    let scores = pruner.groups.layers.map { (0..<$0.channels).map { Double($0) } }
    let plan = try pruner.plan(scores, .count(2), separately: ["c2": 3])
    #expect(plan["c1"]?.count == 6)
    #expect(plan["c2"]?.count == 10)
  }

  @Test("what is silenced already is not taken once more, whatever it is coupled with now")
  func livingMembers() throws {
    var left: [[Int]] = []
    for form in [PruningForm.removed, .masked] {
      let model = try network("resnet20", input: small)
      let first = try Pruner(model, form: form, layers: ["layer1.0.conv2"])
      try first.apply(["layer1.0.conv2": Array(8..<16)])
      let second = try Pruner(model, form: form, residual: .group, layers: ["*"], mask: first.mask)
      let before = second.channels.left
      let scores = second.groups.layers.map { (0..<$0.channels).map { Double($0) } }
      try second.apply(try second.plan(scores, .count(60)))
      left.append([before, second.channels.left])
    }
    #expect(left[0][0] - left[0][1] == 60)
    #expect(left[1][0] - left[1][1] == 60)
  }
}

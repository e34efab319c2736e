import LinearAlgebra
import Testing

@testable import Compression
@testable import NeuralNetworks

@Suite("Pruning")
struct PruningTests {
  private func untrained(_ name: String, input: Shape? = nil) throws -> Model {
    let a = try #require(Architecture.named(name))
    return try a.make(input ?? a.usualInput, a.usualClasses, ArchitectureOptions())
  }

  /// The first channels of every convolution.
  private func keepFirst(_ model: Model, share: Double) throws {
    let pruner = try Pruner(model, layers: ["conv*"])
    let scores = pruner.groups.layers.map { (0..<$0.channels).map { -Double($0) } }
    try pruner.apply(try pruner.plan(scores, .share(share, .layer)))
  }

  @Test("VGG-16 on 32×32 has 4,224 filters and 313.2 million multiply-accumulates")
  func size() throws {
    let model = try untrained("vgg16")
    let groups = try ChannelGroups(model, layers: ["conv*"])
    #expect(groups.layers.count == 13)
    #expect(groups.channels == 4224)
    #expect((Double(model.multiplyAccumulates) / 1e5).rounded() == 3132)
  }

  @Test(
    "a share p of all filters leaves (1 − p)² of the multiply-accumulates, to three digits",
    arguments: zip(
      [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], [0.811, 0.640, 0.492, 0.361, 0.251, 0.162, 0.091, 0.041, 0.010]))
  func fraction(_ share: Double, _ expected: Double) throws {
    let model = try untrained("vgg16")
    let whole = Double(model.multiplyAccumulates)
    try keepFirst(model, share: share)
    #expect(abs(Double(model.multiplyAccumulates) / whole - expected) <= 0.0005)
  }

  @Test(
    "training costs 0.603 of the whole network's for p = 0.5, 200 epochs, an event every 10",
    arguments: [(0.5, 0.603), (0.8, 0.439), (0.9, 0.396)])
  func trainingCost(_ share: Double, _ expected: Double) throws {
    let model = try untrained("vgg16")
    let whole = Double(model.multiplyAccumulates)
    let schedule = PruningSchedule(start: 10, interval: 10, end: 200, amount: .share(share, .layer))
    #expect(schedule.events == 20)
    var cost = 0.0
    for epoch in 0..<200 {
      cost += Double(model.multiplyAccumulates)
      guard let event = schedule.event(afterEpochs: epoch + 1),
        case .share(let now, _) = schedule.amount(atEvent: event)
      else { continue }
      try keepFirst(model, share: now)
    }
    #expect(abs(cost / whole / 200 - expected) <= 0.0005)
  }

  @Test("ResNet-56 with scatter has 2,016 prunable channels, of which the published schedule removes 840")
  func resNet56() throws {
    let model = try untrained("resnet56", input: Shape(height: 8, width: 8, channels: 3))
    let pruner = try Pruner(model)
    #expect(pruner.groups.channels == 2016)
    let schedule = PruningSchedule(start: 21, interval: 21, end: 150, amount: .count(120))
    #expect(schedule.events == 7)
    for epoch in 1...200 {
      guard let event = schedule.event(afterEpochs: epoch) else { continue }
      let context = ScoringContext(model: model, layers: pruner.groups.layers, pool: testPool, event: event)
      try pruner.apply(try pruner.plan(pruner.scores(RandomChoice(), context), schedule.amount(atEvent: event)))
    }
    #expect(pruner.channels == (2016, 2016 - 840))
    #expect(model.structure.layers.reduce(0) { $0 + $1.channels - $1.kept.count } == 840)
  }

  @Test(
    "the published schedules of arXiv 2002.09958 have their counts",
    arguments: [
      ("resnet110", 21, 120, 840, 4032), ("vgg16", 15, 160, 1600, 4096),
    ])
  func published(_ name: String, _ interval: Int, _ count: Int, _ removed: Int, _ prunable: Int) throws {
    let model = try untrained(name)
    let groups = try ChannelGroups(
      model, layers: name == "vgg16" ? ["conv*"] : nil, protected: name == "vgg16" ? ["conv1", "conv2"] : [])
    #expect(groups.channels == prunable)
    #expect(
      PruningSchedule(start: interval, interval: interval, end: 150, amount: .count(count)).events * count == removed)
  }

  @Test("an equal share goes from each layer, lowest scores first, ties in order")
  func layerShare() throws {
    let model = try untrained("lenet5")
    let pruner = try Pruner(model, layers: ["conv*"])
    let scores = [[5.0, 1, 4, 1, 3, 1], (0..<16).map { Double($0 % 4) }]
    let plan = try pruner.plan(scores, .share(0.5, .layer))
    #expect(plan == ["conv1": [0, 2, 4], "conv2": [2, 3, 6, 7, 10, 11, 14, 15]])
  }

  @Test("a global ranking compares layers by their norms and leaves each a channel")
  func global() throws {
    let model = try untrained("lenet5")
    let pruner = try Pruner(model, layers: ["conv*"])
    // By norms: 1/√6 = 0.41 each against 0.25 each: conv2 goes first, down to its last.
    let scores = [[Double](repeating: 1, count: 6), [Double](repeating: 1000, count: 16)]
    #expect(try pruner.plan(scores, .count(10)) == ["conv2": Array(10..<16)])
    #expect(try pruner.plan(scores, .count(15)) == ["conv2": [15]])
    #expect(try pruner.plan(scores, .count(17)) == ["conv1": [2, 3, 4, 5], "conv2": [15]])
    #expect(try pruner.plan(scores, .count(100)) == ["conv1": [5], "conv2": [15]])
    #expect(try pruner.plan(scores, .share(0.5, .global)) == ["conv2": Array(11..<16)])
    #expect(
      try pruner.plan(scores, .count(4), separately: ["conv1": 2])
        == ["conv1": [2, 3, 4, 5], "conv2": Array(4..<16)])
  }

  @Test("shares count from the network as it was built, so that a ramp ends at its share")
  func ramp() throws {
    let model = try untrained("lenet5")
    let pruner = try Pruner(model, layers: ["conv*"])
    let schedule = PruningSchedule(start: 1, interval: 1, end: 4, amount: .share(0.5, .layer))
    for event in 0..<4 {
      let scores = pruner.groups.layers.map { (0..<$0.channels).map { Double($0) } }
      try pruner.apply(try pruner.plan(scores, schedule.amount(atEvent: event)))
    }
    #expect(model.structure["conv1"]?.kept == [3, 4, 5])
    #expect(model.structure["conv2"]?.kept == Array(8..<16))
  }

  @Test("channels that are added go together under group")
  func coupled() throws {
    let model = try untrained("resnet20")
    let pruner = try Pruner(model, residual: .group, layers: ["*"])
    let first = try #require(pruner.groups.coupled.first { $0.contains(0) })
    #expect(
      first.map { pruner.groups.layers[$0].name } == ["conv1", "layer1.0.conv2", "layer1.1.conv2", "layer1.2.conv2"])
    let scores = arbitraryChoice(pruner.groups, share: 0.5)
    let plan = try pruner.plan(scores, .share(0.5, .layer))
    for name in ["layer1.0.conv2", "layer1.1.conv2", "layer1.2.conv2"] { #expect(plan[name] == plan["conv1"]) }
    #expect(plan["layer2.0.downsample.0"] == plan["layer2.2.conv2"])
    #expect(plan["layer1.0.conv1"] != plan["conv1"])
    try pruner.apply(plan)
    #expect(pruner.channels.left * 2 == pruner.channels.built)
  }

  @Test("what cannot be pruned is refused in a sentence")
  func refusals() throws {
    func refusal(
      _ name: String, residual: ResidualPolicy = .scatter, layers: [String]? = nil, protected: [String] = []
    ) throws -> String {
      do {
        _ = try ChannelGroups(try untrained(name), residual: residual, layers: layers, protected: protected)
        return "accepted"
      } catch let error as ChannelGroups.Refusal { return error.description }
    }
    #expect(
      try refusal("lenet5", layers: ["fc3"])
        == "\"fc3\" asks to prune layer fc3, which is protected: its outputs are the network's")
    #expect(try refusal("lenet5", layers: ["conv*"], protected: ["conv1"]) == "accepted")
    #expect(
      try refusal("lenet5", layers: ["conv1"], protected: ["conv*"])
        == "\"conv1\" asks to prune layer conv1, which is protected: \"protect\" keeps it")
    #expect(
      try refusal("lenet5", layers: ["convolution*"]).contains("names no layer that makes channels; there are conv1"))
    #expect(try refusal("resnet20", layers: ["layer2.0.downsample.0"]).contains("those of a shortcut"))
    let split = try refusal("resnet20", residual: .group, layers: ["layer1.0.conv2"])
    #expect(
      split
        == "layer layer1.0.conv2 is to be pruned and layer conv1 is not, but their channels go together: name all of conv1, "
        + "layer1.0.conv2, layer1.1.conv2, layer1.2.conv2, or none")
    #expect(
      try refusal("mlp")
        == "there is no layer to prune: without a list every convolution but the first is, and there is none; name layers, "
        + "such as fc1, fc2")
    #expect(
      try refusal("lenet5", protected: ["*"]) == "there is no layer to prune: \"*\" protects all that could be")
  }

  @Test("scores that do not fit or are no numbers are refused")
  func badScores() throws {
    let pruner = try Pruner(try untrained("lenet5"), layers: ["conv*"])
    #expect(throws: ModelError("the criterion scored 1 layers of 2")) { try pruner.plan([[1]], .count(1)) }
    let wrong = [[Double](repeating: 1, count: 5), [Double](repeating: 1, count: 16)]
    #expect(throws: ModelError("the criterion gave 5 scores for the 6 channels of layer conv1")) {
      try pruner.plan(wrong, .count(1))
    }
    let bad = [[Double](repeating: 1, count: 6), [1, .nan] + [Double](repeating: 1, count: 14)]
    #expect(throws: ModelError("the score of channel 1 of layer conv2 is not a finite number")) {
      try pruner.plan(bad, .count(1))
    }
  }
}

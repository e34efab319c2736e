import LinearAlgebra
import Testing

@testable import Compression
@testable import NeuralNetworks

@Suite("A removed channel is gone")
struct RemovalTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var name: String
    var residual = ResidualPolicy.scatter
    var shortcut = ArchitectureOptions.Shortcut.projection
    var layers: [String]?
    var testDescription: String { "\(name), \(residual.rawValue), \(shortcut.rawValue)" }
  }

  @Test(
    "removed = masked to 1e-5 of the largest logit on 1,000 inputs",
    arguments: [
      Case(name: "vgg16"), Case(name: "resnet56"), Case(name: "resnet56", residual: .group),
      Case(name: "lenet5", layers: ["*"]),
    ])
  func removedIsMasked(_ c: Case) throws {
    try compare(c, inputs: 1000)
  }

  @Test(
    "removed = masked in shallower networks, by identity shortcuts too",
    arguments: [
      Case(name: "resnet20", shortcut: .identity), Case(name: "resnet20", residual: .group, shortcut: .identity),
      Case(name: "resnet18", residual: .group), Case(name: "vgg8", layers: ["*"]), Case(name: "mlp", layers: ["*"]),
    ])
  func removedIsMaskedHere(_ c: Case) throws {
    try compare(c, inputs: 50)
  }

  private func compare(_ c: Case, inputs: Int) throws {
    let options = ArchitectureOptions(batchNorm: c.name.hasPrefix("vgg") ? true : nil, shortcut: c.shortcut)
    let removed = try network(c.name, options: options)
    let masked = try network(c.name, options: options)
    let whole = logits(masked, count: inputs)
    let a = try Pruner(removed, residual: c.residual, layers: c.layers)
    let b = try Pruner(masked, form: .masked, residual: c.residual, layers: c.layers)
    let plan = try a.plan(arbitraryChoice(a.groups, share: 0.5), .share(0.5, .layer))
    #expect(plan.count == a.groups.layers.count)
    try a.apply(plan)
    try b.apply(plan)
    #expect(removed.parameterCount < masked.parameterCount)
    #expect(a.structure == b.structure)
    let (x, y) = (logits(removed, count: inputs), logits(masked, count: inputs))
    #expect(difference(x, y) < 1e-5)
    // What was silenced can be removed at any later time.
    try b.removeSilenced()
    #expect(masked.structure == removed.structure)
    #expect(logits(masked, count: 20) == logits(removed, count: 20))
    // It is another function than before, or the comparison would say nothing.
    #expect(difference(whole, y) > 1e-2)
  }

  /// Everything a graph can do with channels, in one network.
  private func zoo() throws -> Model {
    var b = ModelBuilder(inputShape: Shape(height: 8, width: 8, channels: 3))
    let entry = try b.add("conv0", Conv2D(channels: 3, outputs: 8, kernel: (3, 3), padding: 1))
    try b.add("depthwise", Conv2D(channels: 8, outputs: 16, kernel: (3, 3), padding: 1, groups: 8))
    try b.add("bn0", BatchNorm(channels: 16))
    try b.add("relu0", ReLU())
    try b.add("grouped", Conv2D(channels: 16, outputs: 12, kernel: (3, 3), padding: 1, groups: 2))
    let left = try b.add("relu1", ReLU())
    let right = try b.add("side", Conv2D(channels: 8, outputs: 6, kernel: (1, 1)), inputs: [entry])
    try b.add("join", Concatenate(), inputs: [left, right])
    try b.add("bn1", BatchNorm(channels: 18))
    let trunk = try b.add("pool", MaxPool(PoolingWindow(size: 2)))
    try b.add("branch1", Conv2D(channels: 18, outputs: 10, kernel: (3, 3), padding: 1))
    try b.add("relu2", ReLU())
    try b.add("drop", Dropout(rate: 0.3))
    let branch = try b.add("branch2", Conv2D(channels: 10, outputs: 18, kernel: (3, 3), padding: 1))
    try b.add("sum", Add(), inputs: [branch, trunk])
    try b.add("bn2", BatchNorm(channels: 18))
    let before = b.shape
    try b.add("flat", Flatten())
    try b.add("fc1", Linear(input: before, outputs: 20))
    try b.add("relu3", ReLU())
    try b.add("fc2", Linear(input: Shape(features: 20), outputs: 4))
    let model = try b.model()
    try randomize(model)
    return model
  }

  @Test(
    "removed = masked through depthwise and grouped convolutions, concatenation, sums and flattening",
    arguments: ResidualPolicy.allCases, [0.2, 0.5, 0.8])
  func graph(_ residual: ResidualPolicy, _ share: Double) throws {
    let (removed, masked) = (try zoo(), try zoo())
    let a = try Pruner(removed, residual: residual, layers: ["*"])
    let b = try Pruner(masked, form: .masked, residual: residual, layers: ["*"])
    let plan = try a.plan(arbitraryChoice(a.groups, share: share), .share(share, .layer))
    try a.apply(plan)
    try b.apply(plan)
    #expect(removed.parameterCount < masked.parameterCount)
    #expect(difference(logits(removed, count: 40), logits(masked, count: 40)) < 1e-5)
  }

  /// What is left stays in its memory, or moves to less.
  @Test("an optimizer's state goes with what it belongs to", arguments: ["vgg8", "resnet20", "lenet5", "mlp"])
  func optimizerState(_ name: String) throws {
    let model = try network(name)
    let optimizer = try Optimizer(
      .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-3, decoupled: true), weightDecay: 0, model: model)
    /// Every parameter times `factor`, where the optimizer has its own.
    func image(_ factor: Float) -> Tensor {
      var flat = [Float](repeating: 0, count: model.gradientCount)
      for (node, weights) in model.weights {
        for (i, w) in weights.matrix.values.enumerated() { flat[weights.offset + i] = factor * w }
        for p in node.layer.parameters { for i in 0..<p.count { flat[p.offset + i] = factor * p.values[i] } }
      }
      for node in model.nodes where node.layer.weights.isEmpty {
        for p in node.layer.parameters { for i in 0..<p.count { flat[p.offset + i] = factor * p.values[i] } }
      }
      return Tensor(shape: [flat.count], values: flat)
    }
    var state = Dictionary(uniqueKeysWithValues: optimizer.state.map { ($0.name, $0.tensor) })
    (state["first"], state["second"]) = (image(2), image(3))
    try optimizer.restore(state)
    let pruner = try Pruner(model, layers: ["*"])
    var count = model.gradientCount
    for share in [0.1, 0.2, 0.3, 0.6, 0.7, 0.9] {
      let plan = try pruner.plan(arbitraryChoice(pruner.groups, share: share), .share(share, .layer))
      try pruner.apply(plan, optimizer: optimizer)
      #expect(model.gradientCount < count)
      count = model.gradientCount
      let now = Dictionary(uniqueKeysWithValues: optimizer.state.map { ($0.name, $0.tensor) })
      #expect(now["first"] == image(2), "at \(share)")
      #expect(now["second"] == image(3), "at \(share)")
    }
  }

  @Test(
    "what was kept of a network's weights elsewhere can follow a selection",
    arguments: ["vgg8", "resnet20", "lenet5", "mlp"])
  func copies(_ name: String) throws {
    let model = try network(name)
    func copy() -> [String: Tensor] {
      var all: [String: Tensor] = [:]
      for node in model.nodes {
        for w in node.layer.weights { all["\(node.name).\(w.name)"] = w.matrix }
        for p in node.layer.parameters { all["\(node.name).\(p.name)"] = p.tensor }
      }
      return all
    }
    let before = copy()
    let pruner = try Pruner(model, layers: ["*"])
    let plan = try pruner.plan(arbitraryChoice(pruner.groups, share: 0.4), .share(0.4, .layer))
    let moves = try model.select(plan)
    let after = copy()
    #expect(before != after)
    for (name, tensor) in before { #expect(moves.select(tensor, of: name) == after[name], "\(name)") }
    #expect(moves.select(Tensor(shape: [3]), of: "elsewhere") == Tensor(shape: [3]))
  }

  @Test("a network that shrank learns as the masked one does: momentum, batch-norm and all", arguments: [false, true])
  func learning(_ isAdam: Bool) throws {
    func make() throws -> (Model, Optimizer) {
      let model = try network("resnet20", input: Shape(height: 8, width: 8, channels: 3))
      let kind: OptimizerKind =
        isAdam
        ? .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-3, decoupled: true) : .sgd(momentum: 0.9, nesterov: false)
      return (model, try Optimizer(kind, weightDecay: 1e-3, model: model))
    }
    let (removed, first) = try make()
    let (masked, second) = try make()
    let a = try Pruner(removed)
    let b = try Pruner(masked, form: .masked)
    let labels = UnsafeMutablePointer<Int32>.allocate(capacity: 32)
    defer { labels.deallocate() }
    func learn(_ optimizer: Optimizer, _ pruner: Pruner, from: Int, steps: Int) throws {
      let workspace = Workspace(optimizer.model, batch: 32, pool: testPool, gradients: true)
      workspace.task = ClassificationTask()
      let trainer = Trainer(workspace: workspace, optimizer: optimizer)
      for step in from..<from + steps {
        fill(workspace, labels, samples: 32, step: step)
        _ = try trainer.step(samples: 32, rate: 0.01)
        try pruner.hold()
      }
    }
    try learn(first, a, from: 0, steps: 3)
    try learn(second, b, from: 0, steps: 3)
    #expect(logits(removed, count: 10) == logits(masked, count: 10))
    let plan = try a.plan(arbitraryChoice(a.groups, share: 0.5), .share(0.5, .layer))
    try a.apply(plan, optimizer: first)
    try b.apply(plan, optimizer: second)
    try learn(first, a, from: 3, steps: 6)
    try learn(second, b, from: 3, steps: 6)
    #expect(difference(logits(removed, count: 50), logits(masked, count: 50)) < 1e-3)
    // Masked channels never grew back.
    let kept = Dictionary(uniqueKeysWithValues: b.structure.layers.map { ($0.name, Set($0.kept)) })
    for layer in b.groups.layers {
      let weights = layer.node.layer.weights[0]
      let values = weights.matrix.values
      for c in 0..<weights.outputs where kept[layer.name]?.contains(c) == false {
        #expect(values[c * weights.inputs..<(c + 1) * weights.inputs].allSatisfy { $0 == 0 })
        let norm = try #require(layer.norm).layer.parameters
        #expect(norm.allSatisfy { $0.values[c] == 0 })
      }
    }
  }

  @Test("what memory held before it was taken over does not matter", arguments: ["vgg8", "resnet20", "lenet5"])
  func memory(_ name: String) throws {
    let model = try network(name, options: ArchitectureOptions(batchNorm: true, dropout: name == "vgg8" ? 0.3 : 0))
    let labels = UnsafeMutablePointer<Int32>.allocate(capacity: 40)
    defer { labels.deallocate() }
    func workspace(_ w: Workspace) -> Workspace {
      w.task = ClassificationTask()
      return w
    }
    let old = workspace(Workspace(model, batch: 40, pool: testPool, gradients: true))
    fill(old, labels, samples: 40, step: 0)
    for i in 0..<40 * model.inputShape.count { old.input[i] = .nan }
    old.forward(samples: 40, training: true, loss: true)
    old.backward(wantsInputGradient: true)
    // Running statistics of that batch are no numbers.
    try randomize(model)
    let pruner = try Pruner(model)
    try pruner.apply(try pruner.plan(arbitraryChoice(pruner.groups, share: 0.4), .share(0.4, .layer)))
    func pass(_ w: Workspace) -> (Double, [Float]) {
      fill(w, labels, samples: 40, step: 1)
      let loss = w.forward(samples: 40, training: true, loss: true)
      w.backward(wantsInputGradient: true)
      var values: [Float] = []
      for (node, weights) in model.weights {
        values += UnsafeBufferPointer(start: w.gradient + weights.offset, count: weights.count)
        for p in node.layer.parameters { values += UnsafeBufferPointer(start: w.gradient + p.offset, count: p.count) }
      }
      return (loss, values + UnsafeBufferPointer(start: w.inputGradient, count: 40 * model.inputShape.count))
    }
    let reused = pass(Workspace(replacing: old))
    let fresh = pass(workspace(Workspace(model, batch: 40, pool: testPool, gradients: true)))
    #expect(reused.0 == fresh.0)
    #expect(reused.1 == fresh.1)
    #expect(fresh.1.allSatisfy { $0.isFinite })
  }

  @Test("weights-only leaves batch-norm's shift alive, which a sum still gets")
  func weightsOnly() throws {
    func pruned(_ form: PruningForm) throws -> Model {
      let model = try network("resnet20", input: Shape(height: 8, width: 8, channels: 3))
      let pruner = try Pruner(model, form: form)
      try pruner.apply(try pruner.plan(arbitraryChoice(pruner.groups, share: 0.5), .share(0.5, .layer)))
      return model
    }
    let (quirk, complete) = (try pruned(.weightsOnly), try pruned(.masked))
    #expect(difference(logits(quirk, count: 20), logits(complete, count: 20)) > 1e-2)
    let pruner = try Pruner(quirk, form: .weightsOnly)
    #expect(throws: ModelError(Pruner.whyShiftsStay)) { try pruner.removeSilenced() }
  }

  @Test("two selections are one, and a structure rebuilds the shape")
  func structure() throws {
    let twice = try network("vgg8")
    try twice.select(["conv2": Array(0..<40), "conv3": Array(10..<100)])
    try twice.select(["conv2": [0, 3, 39], "conv3": [0, 89]])
    let once = try network("vgg8")
    try once.select(["conv2": [0, 3, 39], "conv3": [10, 99]])
    #expect(twice.structure == once.structure)
    #expect(logits(twice, count: 4) == logits(once, count: 4))
    let rebuilt = try network("vgg8", seed: 9)
    try rebuilt.select(once.structure)
    try rebuilt.load(once.stateDictionary, pool: testPool)
    #expect(logits(rebuilt, count: 4) == logits(once, count: 4))
    #expect(rebuilt.structure["conv3"] == .init(name: "conv3", channels: 128, kept: [10, 99]))
  }

  @Test("what cannot be is refused in a sentence, and nothing has changed")
  func refusals() throws {
    let model = try network("lenet5")
    let before = model.stateDictionary.map(\.tensor)
    func refusal(_ kept: [String: [Int]]) -> String {
      do {
        try model.select(kept)
        return "accepted"
      } catch { return "\(error)" }
    }
    #expect(refusal(["conv1": []]) == "layer conv1 would be left without channels")
    #expect(refusal(["conv9": [0]]) == "no layer is called conv9")
    #expect(refusal(["relu1": [0]]) == "layer relu1 makes no channels of its own")
    #expect(refusal(["conv1": [0, 6]]).contains("conv1 has channels 0 to 5"))
    #expect(refusal(["conv1": [2, 1]]).contains("not rising"))
    #expect(model.stateDictionary.map(\.tensor) == before)
    let other = ModelStructure([.init(name: "conv1", channels: 7, kept: [0])])
    #expect(throws: ModelError.self) { try model.select(other) }
  }
}

import LinearAlgebra
import Testing

@testable import NeuralNetworks

/// Sizes worked out apart from the engine, by summing outputs · (inputs · k² + 1) and the like over the published tables.
struct ArchitectureSize: CustomTestStringConvertible, Sendable {
  let name: String
  var options = ArchitectureOptions()
  var label = ""
  let parameters: Int
  let multiplyAccumulates: Int
  var testDescription: String { label.isEmpty ? name : "\(name), \(label)" }

  static let all: [ArchitectureSize] = [
    // 6·26 + 16·151 + 120·401 + 84·121 + 10·85; 28²·150 + 10²·2400 + 48,000 + 10,080 + 840
    ArchitectureSize(name: "lenet5", parameters: 61_706, multiplyAccumulates: 416_520),
    ArchitectureSize(name: "mlp", parameters: 235_146, multiplyAccumulates: 234_752),
    ArchitectureSize(
      name: "mlp", options: ArchitectureOptions(hidden: []), label: "no hidden layer", parameters: 7850,
      multiplyAccumulates: 7840),
    ArchitectureSize(name: "vgg8", parameters: 5_350_986, multiplyAccumulates: 156_968_960),
    ArchitectureSize(
      name: "vgg8", options: ArchitectureOptions(batchNorm: true), label: "batch-norm", parameters: 5_351_882,
      multiplyAccumulates: 156_968_960),
    ArchitectureSize(
      name: "vgg8", options: ArchitectureOptions(width: 2), label: "twice as wide", parameters: 12_976_266,
      multiplyAccumulates: 615_917_568),
    ArchitectureSize(name: "vgg16", parameters: 14_724_042, multiplyAccumulates: 313_201_664),
    ArchitectureSize(
      name: "vgg16", options: ArchitectureOptions(head: [512]), label: "head 512", parameters: 14_986_698,
      multiplyAccumulates: 313_463_808),
    ArchitectureSize(name: "vgg-mini", parameters: 82_554, multiplyAccumulates: 9_889_792),
    ArchitectureSize(name: "resnet18", parameters: 11_173_962, multiplyAccumulates: 555_422_720),
    ArchitectureSize(name: "resnet20", parameters: 272_474, multiplyAccumulates: 40_813_184),
    ArchitectureSize(name: "resnet32", parameters: 466_906, multiplyAccumulates: 69_124_736),
    ArchitectureSize(name: "resnet56", parameters: 855_770, multiplyAccumulates: 125_747_840),
    ArchitectureSize(name: "resnet110", parameters: 1_730_714, multiplyAccumulates: 253_149_824),
    ArchitectureSize(
      name: "resnet20", options: ArchitectureOptions(shortcut: .identity), label: "option A", parameters: 269_722,
      multiplyAccumulates: 40_551_040),
    ArchitectureSize(
      name: "resnet56", options: ArchitectureOptions(shortcut: .identity), label: "option A", parameters: 853_018,
      multiplyAccumulates: 125_485_696),
  ]

  func model() throws -> Model {
    let a = Architecture.named(name)!
    return try a.make(a.usualInput, a.usualClasses, options)
  }
}

private func lenet5() throws -> Model { try ArchitectureSize.all[0].model() }

/// The sentence that building or loading fails with.
private func sentence(_ body: () throws -> Void) -> String? {
  do { try body() } catch let error as ModelError { return error.description } catch {
    return "another error: \(error)"
  }
  return nil
}

@Suite("Models") struct ModelTests {
  @Test(
    "an architecture has the published number of parameters and multiply–accumulates", arguments: ArchitectureSize.all)
  func sizes(size: ArchitectureSize) throws {
    let model = try size.model()
    #expect(model.parameterCount == size.parameters)
    #expect(model.multiplyAccumulates == size.multiplyAccumulates)
    #expect(model.output.shape == Shape(features: 10))
    #expect(
      model.stateDictionary.reduce(0) { $0 + $1.tensor.count }
        == size.parameters + model.nodes.flatMap(\.layer.buffers).reduce(0) { $0 + $1.parameter.count })
  }

  @Test("every architecture can be named, and no other")
  func names() {
    #expect(
      Architecture.all.map(\.name)
        == ["lenet5", "mlp", "vgg8", "vgg16", "vgg-mini", "resnet18", "resnet20", "resnet32", "resnet56", "resnet110"])
    #expect(Set(ArchitectureSize.all.map(\.name)) == Set(Architecture.all.map(\.name)))
    #expect(Architecture.named("lenet") == nil)
  }

  @Test("VGG-16 has 4,224 filters")
  func filters() throws {
    let model = try Architecture.named("vgg16")!.make(Shape(height: 32, width: 32, channels: 3), 10, .init())
    #expect(model.nodes.compactMap { ($0.layer as? Conv2D)?.outputs }.reduce(0, +) == 4224)
  }

  @Test("LeNet-5 and ResNet-20 have the shapes and names of their papers and of PyTorch")
  func shapes() throws {
    let model = try lenet5()
    let shapes = Dictionary(uniqueKeysWithValues: model.nodes.map { ($0.name, $0.shape.description) })
    #expect(shapes["conv1"] == "28×28×6")
    #expect(shapes["pool1"] == "14×14×6")
    #expect(shapes["conv2"] == "10×10×16")
    #expect(shapes["pool2"] == "5×5×16")
    #expect(shapes["fc1"] == "120")
    #expect(
      model.stateDictionary.map(\.name)
        == ["conv1", "conv2", "fc1", "fc2", "fc3"].flatMap { ["\($0).weight", "\($0).bias"] })
    #expect(
      model.stateDictionary.map(\.tensor.shape).prefix(6) == [
        [6, 1, 5, 5], [6], [16, 6, 5, 5], [16], [120, 400], [120],
      ])
    let resnet = try Architecture.named("resnet20")!.make(Shape(height: 32, width: 32, channels: 3), 10, .init())
    #expect(resnet.node("layer2.0.add")?.shape == Shape(height: 16, width: 16, channels: 32))
    #expect(resnet.node("layer3.2.relu2")?.shape == Shape(height: 8, width: 8, channels: 64))
    let names = Set(resnet.stateDictionary.map(\.name))
    for name in [
      "conv1.weight", "bn1.running_var", "layer2.0.downsample.0.weight", "layer2.0.downsample.1.bias", "fc.bias",
    ] {
      #expect(names.contains(name))
    }
    #expect(!names.contains("conv1.bias"))
  }

  @Test("an architecture takes other inputs and classes where they fit, and says so where they do not")
  func otherInputs() throws {
    let cifar = try Architecture.named("lenet5")!.make(Shape(height: 32, width: 32, channels: 3), 100, .init())
    #expect(cifar.node("pool2")?.shape == Shape(height: 6, width: 6, channels: 16))
    #expect(cifar.output.shape == Shape(features: 100))
    let large = try Architecture.named("resnet18")!.make(Shape(height: 224, width: 224, channels: 3), 1000, .init())
    #expect(large.parameterCount == 11_689_512)  // torchvision's
    #expect(large.node("maxpool")?.shape == Shape(height: 56, width: 56, channels: 64))
    let small = sentence {
      _ = try Architecture.named("lenet5")!.make(Shape(height: 6, width: 6, channels: 1), 10, .init())
    }
    #expect(small == "layer conv2: a 5×5 kernel does not fit into 3×3×6 with padding 0")
    let tiny = sentence {
      _ = try Architecture.named("vgg16")!.make(Shape(height: 16, width: 16, channels: 3), 10, .init())
    }
    #expect(tiny == "layer pool5: a 2×2 pooling window does not fit into 512")
  }

  @Test("what does not fit is refused with a sentence that names the layer and both shapes")
  func misfits() throws {
    let image = Shape(height: 8, width: 8, channels: 3)
    func build(_ body: (inout ModelBuilder) throws -> Void) -> String? {
      sentence {
        var b = ModelBuilder(inputShape: image)
        try body(&b)
        _ = try b.model()
      }
    }
    #expect(
      build { try $0.add("conv", Conv2D(channels: 4, outputs: 2, kernel: (3, 3))) }
        == "layer conv: a convolution over 4 channels cannot follow an output of 8×8×3")
    #expect(
      build { try $0.add("conv", Conv2D(channels: 3, outputs: 2, kernel: (9, 9))) }
        == "layer conv: a 9×9 kernel does not fit into 8×8×3 with padding 0")
    #expect(
      build { try $0.add("conv", Conv2D(channels: 3, outputs: 2, kernel: (3, 3), groups: 2)) }
        == "3 channels and 2 outputs cannot be divided into 2 groups")
    #expect(
      build { try $0.add("fc", Linear(input: Shape(features: 7), outputs: 2)) }
        == "layer fc: a linear layer of 7 inputs cannot follow an output of 8×8×3")
    #expect(
      build { try $0.add("bn", BatchNorm(channels: 4)) }
        == "layer bn: a batch-norm of 4 channels cannot follow an output of 8×8×3")
    #expect(
      build { try $0.add("pool", MaxPool(PoolingWindow(size: 9))) }
        == "layer pool: a 9×9 pooling window does not fit into 8×8×3")
    #expect(
      build {
        let a = try $0.add("a", Conv2D(channels: 3, outputs: 2, kernel: (3, 3)))
        let c = try $0.add("c", Conv2D(channels: 3, outputs: 2, kernel: (1, 1)), inputs: [-1])
        try $0.add("sum", Add(), inputs: [a, c])
      } == "layer sum: branches of shapes 6×6×2, 8×8×2 cannot be added")
    #expect(
      build {
        let a = try $0.add("a", Conv2D(channels: 3, outputs: 2, kernel: (3, 3)))
        try $0.add("join", Concatenate(), inputs: [a, -1])
      } == "layer join: branches of shapes 6×6×2, 8×8×3 cannot be joined")
    #expect(
      build {
        try $0.add("relu", ReLU())
        try $0.add("relu", ReLU())
      } == "two layers are named relu")
    #expect(build { _ in } == "a model needs at least one layer")
    #expect(
      sentence {
        let first = Node("first", ReLU(), [1])
        _ = try Model(inputShape: image, nodes: [first, Node("second", ReLU(), [0])])
      } == "layer first reads a layer that does not run before it")
    #expect(sentence { _ = try Dropout(rate: 1) } == "a dropout rate lies in 0 ..< 1, not 1.0")
    #expect(
      sentence { _ = try Architecture.named("mlp")!.make(image, 2, ArchitectureOptions(hidden: [4, 0])) }
        == "a hidden layer cannot have 0 features")
    #expect(
      sentence { _ = try Architecture.named("vgg8")!.make(image, 2, ArchitectureOptions(width: 0.001)) }
        == "a width of 0.001 leaves a convolution without outputs")
  }

  @Test(
    "the flat gradient gives every parameter its own aligned place: vectors, piece by piece, whole batch",
    arguments: ["lenet5", "resnet20"])
  func wiring(name: String) throws {
    let a = Architecture.named(name)!
    let model = try a.make(a.usualInput, 10, .init())
    var places: [(offset: Int, count: Int)] = []
    for node in model.nodes {
      for p in node.layer.parameters {
        places.append((p.offset, p.count))
        #expect(p.offset + p.count <= model.vectorCount)
      }
      for w in node.layer.weights {
        places.append((w.offset, w.count))
        let isWhole = node.layer is Linear
        #expect(w.offset >= (isWhole ? model.pieceGradientCount : model.vectorCount))
        #expect(isWhole || w.offset + w.count <= model.pieceGradientCount)
      }
    }
    places.sort { $0.offset < $1.offset }
    for (a, b) in zip(places, places.dropFirst()) { #expect(a.offset + a.count <= b.offset) }
    #expect(places.allSatisfy { $0.offset % 16 == 0 })
    #expect(places.last!.offset + places.last!.count <= model.gradientCount)
    #expect(places.reduce(0) { $0 + $1.count } == model.parameterCount)
    let version = model.version
    let before = places.map(\.offset)
    try model.wire()
    #expect(model.version == version + 1)
    #expect(
      model.nodes.flatMap { $0.layer.parameters.map(\.offset) + $0.layer.weights.map(\.offset) }.sorted() == before)
  }
}

@Suite("Initialization") struct InitializationTests {
  /// A layer of each kind, with its fans as torch.nn.init counts them.
  private static func model() throws -> Model {
    var b = ModelBuilder(inputShape: Shape(height: 12, width: 12, channels: 8))
    try b.add("conv", Conv2D(channels: 8, outputs: 60, kernel: (3, 3)))
    try b.add("grouped", Conv2D(channels: 60, outputs: 40, kernel: (3, 3), groups: 2))
    try b.addLinear("fc1", 30)
    try b.add("fc2", Linear(input: Shape(features: 30), outputs: 400))
    return try b.model()
  }
  private static let fans: [(name: String, fanIn: Double, fanOut: Double)] = [
    ("conv", 72, 540), ("grouped", 270, 360), ("fc1", 2560, 30), ("fc2", 30, 400),
  ]

  @Test("each law gives the bounds and variance that PyTorch's gives", arguments: Initialization.allCases)
  func laws(law: Initialization) throws {
    let model = try Self.model()
    let pool = ThreadPool(threads: 1)
    try model.initialize(law, seed: 5, pool: pool)
    let state = Dictionary(uniqueKeysWithValues: model.stateDictionary.map { ($0.name, $0.tensor.values) })
    for (name, fanIn, fanOut) in Self.fans {
      let w = state["\(name).weight"]!
      let n = Double(w.count)
      let mean = w.reduce(0.0) { $0 + Double($1) } / n
      let variance = w.reduce(0.0) { $0 + Double($1) * Double($1) } / n
      let expected: Double
      var fourth = 1.8  // of a uniform law, over the variance squared
      switch law {
      case .kaimingUniform: expected = 2 / fanIn
      case .kaimingNormal: (expected, fourth) = (2 / fanIn, 3)
      case .xavierUniform: expected = 2 / (fanIn + fanOut)
      case .xavierNormal: (expected, fourth) = (2 / (fanIn + fanOut), 3)
      case .pytorch: expected = 1 / (3 * fanIn)
      }
      #expect(abs(mean) < 4 * (expected / n).squareRoot(), "\(name)")
      #expect(abs(variance / expected - 1) < 4 * ((fourth - 1) / n).squareRoot(), "\(name)")
      let largest = Double(w.map(abs).max()!)
      let bound = (3 * expected).squareRoot()
      if fourth < 3 { #expect(largest <= bound * (1 + 1e-6) && largest > 0.99 * bound, "\(name)") }
      let bias = state["\(name).bias"]!
      if law == .pytorch {
        let largest = Double(bias.map(abs).max()!)
        #expect(largest <= 1 / fanIn.squareRoot() && largest > 0.8 / fanIn.squareRoot(), "\(name)")
      } else {
        #expect(bias.allSatisfy { $0 == 0 })
      }
    }
  }

  @Test("a seed gives the same weights every time and on any hardware; another seed others")
  func reproducible() throws {
    let pool = ThreadPool(threads: 2)
    let (a, b, c) = (try lenet5(), try lenet5(), try lenet5())
    try a.initialize(.kaimingUniform, seed: 3, pool: pool)
    try b.initialize(.pytorch, seed: 9, pool: pool)
    try b.initialize(.kaimingUniform, seed: 3, pool: ThreadPool(threads: 1))
    try c.initialize(.kaimingUniform, seed: 4, pool: pool)
    for ((x, y), z) in zip(zip(a.stateDictionary, b.stateDictionary), c.stateDictionary)
    where x.name.hasSuffix("weight") {
      #expect(x.tensor == y.tensor)
      #expect(x.tensor != z.tensor)
    }
    let d = try lenet5()
    try d.place(pool: pool) { _ in PairHardware() }
    try d.initialize(.kaimingUniform, seed: 3, pool: pool)
    for (x, y) in zip(a.stateDictionary, d.stateDictionary) {
      #expect(largestError(y.tensor.values.map { $0 + 1 }, x.tensor.values.map { Double($0) + 1 }) < 1e-6)
    }
    // A known value: seeds keep their meaning over versions.
    #expect(a.stateDictionary[0].tensor.values.prefix(2) == InitializationTests.knownStart)
  }

  /// The first two weights of LeNet-5's conv1, kaiming-uniform, seed 3.
  static let knownStart: ArraySlice<Float> = [-0.48881677, 0.47560087]

  @Test("a layer's weights depend on its place alone, not on what follows; no two layers share theirs")
  func places() throws {
    let pool = ThreadPool(threads: 1)
    let short = try lenet5()
    try short.initialize(.xavierNormal, seed: 1, pool: pool)
    let more = try Architecture.named("lenet5")!.make(Shape(height: 28, width: 28, channels: 1), 26, .init())
    try more.initialize(.xavierNormal, seed: 1, pool: pool)
    for (x, y) in zip(short.stateDictionary, more.stateDictionary) where x.tensor.shape == y.tensor.shape {
      #expect(x.tensor == y.tensor, "\(x.name)")
    }
    var b = ModelBuilder(inputShape: Shape(features: 50))
    try b.add("a", Linear(input: Shape(features: 50), outputs: 50))
    try b.add("b", Linear(input: Shape(features: 50), outputs: 50))
    let twins = try b.model()
    try twins.initialize(.pytorch, seed: 1, pool: pool)
    #expect(twins.stateDictionary[0].tensor != twins.stateDictionary[2].tensor)
    #expect(twins.stateDictionary[1].tensor != twins.stateDictionary[3].tensor)
  }
}

@Suite("State") struct StateTests {
  @Test("a state dictionary loads into another model, and only an exact fit loads")
  func load() throws {
    let pool = ThreadPool(threads: 1)
    let image = Shape(height: 32, width: 32, channels: 3)
    let a = try Architecture.named("resnet20")!.make(image, 10, .init())
    try a.initialize(.kaimingNormal, seed: 1, pool: pool)
    let state = a.stateDictionary
    let b = try Architecture.named("resnet20")!.make(image, 10, .init())
    try b.load(state.reversed() + [("bn1.num_batches_tracked", Tensor(shape: [1]))], pool: pool)
    for (x, y) in zip(state, b.stateDictionary) {
      #expect(x.name == y.name)
      #expect(x.tensor == y.tensor)
    }

    func loading(_ change: (inout [NamedTensor]) -> Void) -> String? {
      var changed = state
      change(&changed)
      return sentence { try b.load(changed, pool: pool) }
    }
    #expect(loading { _ in } == nil)
    #expect(
      loading { $0.remove(at: 0) }
        == "conv1.weight: not in the file, which holds bn1.weight, bn1.bias, bn1.running_mean, bn1.running_var, …")
    #expect(loading { $0.append(("fc2.bias", Tensor(shape: [1]))) } == "fc2.bias: in the file but not in the model")
    let fc = state.firstIndex { $0.name == "fc.weight" }!
    #expect(
      loading { $0[fc].tensor = Tensor(shape: [64, 10]) }
        == "fc.weight: the file holds shape [64, 10], the model wants [10, 64]")
    #expect(
      loading { $0[fc].tensor = Tensor(shape: [100, 64]) }
        == "fc.weight: the file holds 6400 values, the model wants 640")
    #expect(
      loading { $0[fc].tensor.withUnsafeMutableBufferPointer { $0[7] = .nan } }
        == "fc.weight: value 7 is not a finite number")
    #expect(
      loading { $0[1].tensor.withUnsafeMutableBufferPointer { $0[3] = -.infinity } }
        == "bn1.weight: value 3 is not a finite number")
    // What is refused has changed nothing.
    for (x, y) in zip(state, b.stateDictionary) { #expect(x.tensor == y.tensor, "\(x.name)") }
  }

  @Test("a refused file leaves the model as it was")
  func refusedLoadChangesNothing() throws {
    let pool = ThreadPool(threads: 1)
    let a = try lenet5()
    try a.initialize(.pytorch, seed: 1, pool: pool)
    let before = a.stateDictionary
    var other = before.map { ($0.name, Tensor(shape: $0.tensor.shape)) }
    other.removeLast()
    #expect(sentence { try a.load(other, pool: pool) }?.hasPrefix("fc3.bias: not in the file") == true)
    for (x, y) in zip(before, a.stateDictionary) { #expect(x.tensor == y.tensor, "\(x.name)") }
  }

  /// A small network with everything that has state: convolution, batch-norm, dropout, linear.
  private static func network(_ hardware: (any Hardware)?, _ pool: ThreadPool) throws -> Model {
    var b = ModelBuilder(inputShape: Shape(height: 6, width: 6, channels: 2))
    try b.add("conv", Conv2D(channels: 2, outputs: 6, kernel: (3, 3), groups: 2))
    try b.add("bn", BatchNorm(channels: 6))
    try b.add("relu", ReLU())
    try b.add("dropout", Dropout(rate: 0.3))
    try b.addLinear("fc", 5)
    let model = try b.model()
    try model.initialize(.pytorch, seed: 8, pool: pool)
    if let hardware { try model.place(pool: pool) { _ in hardware } }
    return model
  }

  /// A run that can be stopped and taken up again.
  private struct Run {
    let model: Model
    let optimizer: Optimizer
    let trainer: Trainer
    nonisolated(unsafe) static let labels: UnsafeMutablePointer<Int32> = {
      let p = UnsafeMutablePointer<Int32>.allocate(capacity: 20)
      for i in 0..<20 { p[i] = Int32(i % 5) }
      return p
    }()

    init(_ model: Model, _ kind: OptimizerKind, decay: Float, _ pool: ThreadPool) throws {
      self.model = model
      optimizer = try Optimizer(kind, weightDecay: decay, model: model)
      let workspace = Workspace(model, batch: 20, pool: pool, gradients: true)
      workspace.task = ClassificationTask()
      workspace.targets = Targets(labels: Self.labels)
      workspace.seed = 4
      trainer = Trainer(workspace: workspace, optimizer: optimizer)
    }

    func steps(_ n: Int) throws {
      for _ in 0..<n {
        let index = UInt64(trainer.workspace.model.updates)
        trainer.workspace.setInput(RandomStream(seed: 6, purpose: 0, index: index).gaussians(20 * 72))
        _ = try trainer.step(samples: 20, rate: 0.05)
      }
    }

    /// All bits that the next step depends on.
    var bits: [String: [UInt32]] {
      Dictionary(
        uniqueKeysWithValues: (model.checkpoint.map { ("model.\($0.name)", $0.tensor) }
          + optimizer.state.map { ("optimizer.\($0.name)", $0.tensor) }).map { ($0.0, $0.1.values.map(\.bitPattern)) })
    }
  }

  @Test(
    "a run taken up from a checkpoint ends with the bits of one that went through",
    arguments: [
      OptimizerKind.sgd(momentum: 0, nesterov: false), .sgd(momentum: 0.9, nesterov: true),
      .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled: true),
    ])
  func checkpoint(kind: OptimizerKind) throws {
    let pool = ThreadPool(threads: 2)
    let through = try Run(Self.network(nil, pool), kind, decay: 0.01, pool)
    try through.steps(7)
    let first = try Run(Self.network(nil, pool), kind, decay: 0.01, pool)
    try first.steps(4)
    let model = Dictionary(uniqueKeysWithValues: first.model.checkpoint.map { ($0.name, $0.tensor) })
    let optimizer = Dictionary(uniqueKeysWithValues: first.optimizer.state.map { ($0.name, $0.tensor) })
    let second = try Run(Self.network(nil, pool), kind, decay: 0.01, pool)
    try second.model.initialize(.pytorch, seed: 1234, pool: pool)
    try second.model.restore(model)
    try second.optimizer.restore(optimizer)
    #expect(second.optimizer.updates == 4)
    #expect(second.model.activity == first.model.activity)
    second.trainer.workspace.model.updates = first.trainer.workspace.model.updates
    second.trainer.workspace.model.samplesLearnt = first.trainer.workspace.model.samplesLearnt
    try second.steps(3)
    #expect(second.bits == through.bits)
    #expect(second.model.activity == through.model.activity)
    #expect(through.model.activity.forwardReads > 0)
  }

  @Test("a checkpoint of another model or optimizer is refused")
  func otherCheckpoint() throws {
    let pool = ThreadPool(threads: 1)
    let a = try lenet5()
    let checkpoint = Dictionary(uniqueKeysWithValues: a.checkpoint.map { ($0.name, $0.tensor) })
    try lenet5().restore(checkpoint)
    let other = try Self.network(nil, pool)
    #expect(sentence { try other.restore(checkpoint) } == "the checkpoint holds no weights of shape [3, 9]")
    var missing = checkpoint
    missing["conv1.bias"] = nil
    #expect(sentence { try a.restore(missing) } == "the checkpoint holds no conv1.bias of 6 values")
    missing = checkpoint
    missing["fc2.weight.0.activity"] = nil
    #expect(sentence { try a.restore(missing) } == "the checkpoint holds no fc2.weight.0.activity")
    let plain = try Optimizer(.sgd(momentum: 0, nesterov: false), model: a)
    let momentum = try Optimizer(.sgd(momentum: 0.9, nesterov: false), model: a)
    let state = Dictionary(uniqueKeysWithValues: plain.state.map { ($0.name, $0.tensor) })
    #expect(
      sentence { try momentum.restore(state) }
        == "the checkpoint's optimizer state does not fit this model and optimizer")
    #expect(sentence { try momentum.restore([:]) } == "the checkpoint holds no optimizer state")
  }

  @Test(
    "activity counters go through a tensor exactly, however large",
    arguments: [0, 1, 1 << 24, 1 << 40 + 12345, .max] as [UInt64])
  func activity(count: UInt64) throws {
    var a = Activity()
    a.multiplyAccumulates = count
    a.forwardReads = count / 3
    a.programmedDevices = count / 7
    #expect(try Activity(a.tensor) == a)
    #expect(sentence { _ = try Activity(Tensor(shape: [2, 3])) } != nil)
    var broken = a.tensor
    broken.withUnsafeMutableBufferPointer { $0[4] = .nan }
    #expect(sentence { _ = try Activity(broken) } != nil)
  }

  @Test("a digital array counts its reads, and keeps its history when it shrinks")
  func digitalActivity() throws {
    let pool = ThreadPool(threads: 2)
    let model = try lenet5()
    let workspace = Workspace(model, batch: 20, pool: pool, gradients: true)
    workspace.forward(samples: 20, training: false)
    #expect(model.activity.multiplyAccumulates == UInt64(20 * model.multiplyAccumulates))
    #expect(model.activity.forwardReads == UInt64(20 * (28 * 28 + 100 + 3)))
    #expect(model.activity.backwardReads == 0)
    model.resetActivity()
    #expect(model.activity == Activity())

    let array = DigitalArray(Tensor(shape: [4, 3], values: (0..<12).map(Float.init)))
    let x = Storage(count: 6)
    let y = Storage(count: 8)
    let context = ReadContext(worker: 0, sample: 0, scratch: y.base)
    array.forward(x.base, 3, rows: 2, y.base, 4, context)
    #expect(array.activity.multiplyAccumulates == 24)
    try array.select(outputs: [3, 1], inputs: [2])
    #expect(array.weights == Tensor(shape: [2, 1], values: [11, 5]))
    #expect(array.activity.multiplyAccumulates == 24)
    array.forward(x.base, 1, rows: 2, y.base, 2, context)
    #expect(array.activity.multiplyAccumulates == 28)
    #expect(array.activity.forwardReads == 4)
    let copy = array.activity
    array.activity = Activity()
    array.activity = copy
    #expect(array.activity == copy)
    #expect(sentence { try array.select(outputs: [2], inputs: [0]) } != nil)
    #expect(sentence { try array.select(outputs: [], inputs: [0]) } != nil)
  }

  @Test("batch-norm folds into the layer before it without changing what the model answers", arguments: [true, false])
  func folding(bias: Bool) throws {
    let pool = ThreadPool(threads: 1)
    var b = ModelBuilder(inputShape: Shape(height: 5, width: 5, channels: 2))
    try b.add("conv", Conv2D(channels: 2, outputs: 6, kernel: (3, 3), groups: 2, bias: bias))
    try b.add("bn", BatchNorm(channels: 6))
    try b.add("relu", ReLU())
    try b.addLinear("fc", 7, bias: bias)
    try b.add("bn2", BatchNorm(channels: 7))
    let model = try b.model()
    try model.initialize(.pytorch, seed: 2, pool: pool)
    // Statistics, scales and shifts that matter.
    let random = model.stateDictionary.enumerated().map { i, named in
      named.name.hasPrefix("bn")
        ? (
          named.name,
          Tensor(
            shape: named.tensor.shape,
            values: RandomStream(seed: 3, purpose: 0, index: UInt64(i)).uniforms(named.tensor.count).map { $0 + 0.3 })
        )
        : (named.name, named.tensor)
    }
    try model.load(random, pool: pool)
    let workspace = Workspace(model, batch: 18, pool: pool, gradients: false)
    workspace.setInput(RandomStream(seed: 1, purpose: 0).gaussians(18 * 50))
    workspace.forward(samples: 18, training: false)
    let before = workspace.outputs(18)
    try model.foldBatchNorm(pool: pool)
    workspace.forward(samples: 18, training: false)
    #expect(largestError(workspace.outputs(18), before.map(Double.init)) < 2e-6)
    // Folded, the scale is one.
    let state = Dictionary(uniqueKeysWithValues: model.stateDictionary.map { ($0.name, $0.tensor.values) })
    #expect(state["bn.weight"]! == [Float](repeating: 1, count: 6))
    if bias { #expect(state["bn.bias"]! == [Float](repeating: 0, count: 6)) }
  }
}

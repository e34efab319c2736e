import Datasets
import Foundation
import LinearAlgebra
import Testing

@testable import NeuralNetworks

/// The networks of the fixtures, built as a user would.
private func makeNetwork(_ name: String) throws -> Model {
  let image = Shape(height: 32, width: 32, channels: 3)
  switch name {
  case "vgg8": return try Architecture.named(name)!.make(image, 10, ArchitectureOptions(batchNorm: true))
  case "resnet20": return try Architecture.named(name)!.make(image, 10, ArchitectureOptions())
  case "grouped": return try makeGrouped()
  case _ where name.hasPrefix("mlp"):
    return try Architecture.named("mlp")!.make(Shape(features: 20), 5, ArchitectureOptions(hidden: [16]))
  default:
    return try Architecture.named("lenet5")!.make(
      Shape(height: 28, width: 28, channels: 1), 10, ArchitectureOptions())
  }
}

/// Groups, stride, dilation, depthwise and pointwise in one small net (networks.py, `Grouped`).
private func makeGrouped() throws -> Model {
  var b = ModelBuilder(inputShape: Shape(height: 16, width: 16, channels: 3))
  try b.add("conv1", Conv2D(channels: 3, outputs: 8, kernel: (3, 3), padding: 1))
  try b.add("relu1", ReLU())
  try b.add("conv2", Conv2D(channels: 8, outputs: 16, kernel: (3, 3), stride: 2, padding: 1, groups: 4))
  try b.add("relu2", ReLU())
  try b.add("conv3", Conv2D(channels: 16, outputs: 16, kernel: (3, 3), padding: 2, dilation: 2, groups: 16))
  try b.add("relu3", ReLU())
  try b.add("conv4", Conv2D(channels: 16, outputs: 24, kernel: (1, 1)))
  try b.add("relu4", ReLU())
  try b.add("pool", AveragePool(PoolingWindow(size: 2)))
  try b.add("flatten", Flatten())
  try b.add("fc", Linear(input: b.flattened!, outputs: 10))
  return try b.model()
}

@Suite("PyTorch") struct PyTorchTests {
  @Test("the fixtures' formulas give the numbers that their README lists")
  func formulas() throws {
    #expect(Formula.splitmix64(0) == 0xE220_A839_7B1D_CDAF)
    let (f, file) = try NetworkFixture.read("lenet5")
    let first = f.weightDictionary(file)[0]
    #expect(first.name == "conv1.weight")
    #expect(
      first.tensor.values.prefix(3).map(Double.init) == [
        -0.3179401755332947, 0.006739754695445299, -0.40034976601600647,
      ])
    let input = f.input!.values
    #expect(input.prefix(3).map(Double.init) == [0.512523353099823, 0.8888469934463501, 0.4775516390800476])
    #expect(Double(input[784]) == 0.564051628112793)
    #expect(f.labels!.labels(20) == f.labels!.values!)
    #expect(f.labels!.values!.prefix(5) == [0, 5, 9, 8, 2])
  }

  @Test(
    "one step agrees with PyTorch's float64 within three times PyTorch's own float32 error",
    arguments: ["lenet5", "grouped", "vgg8", "resnet20"], [1, 2])
  func oneStep(name: String, threads: Int) throws {
    let (f, file) = try NetworkFixture.read(name)
    let pool = ThreadPool(threads: threads)
    let model = try makeNetwork(name)
    try model.load(f.weightDictionary(file), pool: pool)
    let input = f.input!
    let n = input.shape[0]
    let labels = f.labels!.labels(n)
    let workspace = Workspace(model, batch: n, pool: pool, gradients: true)
    workspace.task = ClassificationTask()
    workspace.setInput(channelsLast(input.values, input.shape))
    var own: [String: [Float]] = [:]
    let loss = labels.withUnsafeBufferPointer { labels in
      workspace.targets = Targets(labels: labels.baseAddress)
      return workspace.forward(samples: n, training: true, loss: true)
    }
    own["loss"] = [Float(loss)]
    own["logits"] = workspace.outputs(n)
    workspace.backward(wantsInputGradient: true)
    own["gradient.input"] = channelsFirst(workspace.inputGradients(n), input.shape)
    for (name, tensor) in model.gradients(workspace.gradient) { own["gradient.\(name)"] = tensor.values }
    for (name, tensor) in model.stateDictionary { own["after.\(name)"] = tensor.values }
    workspace.forward(samples: n, training: false)
    own["evalLogits"] = workspace.outputs(n)

    #expect(abs(loss - f.loss!) <= 1e-6 * f.loss!)
    var all: [Discrepancy] = []
    for reference in f.reference {
      let d = Discrepancy(reference, try #require(own[reference.name], "\(reference.name)"), file)
      #expect(d.error <= d.bar, "\(d.name): error \(d.error), bar \(d.bar)")
      #expect(d.normError <= d.bar, "\(d.name): its norm differs by \(d.normError), bar \(d.bar)")
      all.append(d)
    }
    #expect(all.count >= 3 + model.weights.count)
    Discrepancy.show("\(name), \(threads) threads", all)
  }

  @Test(
    "many steps of an optimizer end at PyTorch's weights to 1e-4",
    arguments: ["lenet5-sgd", "lenet5-nesterov", "mlp-adam", "mlp-adamw"])
  func manySteps(name: String) throws {
    let (f, file) = try NetworkFixture.read(name)
    let pool = ThreadPool(threads: 2)
    let model = try makeNetwork(name)
    try model.load(f.weightDictionary(file), pool: pool)
    let batches = f.batches!
    let n = batches[0].input.shape[0]
    let options = f.optimizer!
    let optimizer = try Optimizer(options.optimizer, weightDecay: options.weight_decay ?? 0, model: model)
    let workspace = Workspace(model, batch: n, pool: pool, gradients: true)
    workspace.task = ClassificationTask()
    let trainer = Trainer(workspace: workspace, optimizer: optimizer)
    let pattern = f.pattern!.values
    for (step, batch) in batches.enumerated() {
      let labels = batch.labels.labels(n)
      var input = batch.input.values
      let size = input.count / n
      for s in 0..<n { for i in 0..<size { input[s * size + i] += pattern[Int(labels[s]) * size + i] } }
      workspace.setInput(channelsLast(input, batch.input.shape))
      let loss = try labels.withUnsafeBufferPointer { labels in
        workspace.targets = Targets(labels: labels.baseAddress)
        return try trainer.step(samples: n, rate: options.lr)
      }
      #expect(abs(loss - f.losses![step]) <= 1e-5 * f.losses![step], "step \(step)")
    }
    var own: [String: [Float]] = [:]
    for (name, tensor) in model.stateDictionary { own["after.\(name)"] = tensor.values }
    var all: [Discrepancy] = []
    for reference in f.reference {
      let d = Discrepancy(reference, try #require(own[reference.name]), file)
      #expect(d.error <= 1e-4, "\(d.name): error \(d.error)")
      #expect(d.normError <= 1e-4, "\(d.name)")
      all.append(d)
    }
    #expect(all.count == model.stateDictionary.count)
    Discrepancy.show(name, all)
  }

  @Test("a state dict saved by PyTorch loads, and goes out again unchanged: names, shapes, order, every bit")
  func safetensors() throws {
    let pool = ThreadPool(threads: 1)
    let saved = try Safetensors.read(NetworkFixture.url("grouped.weights.safetensors").path)
    let model = try makeGrouped()
    try model.load(saved.tensors.map { ($0.name, $0.array.tensor) }, pool: pool)
    let out = model.stateDictionary
    #expect(Set(out.map(\.name)) == Set(saved.names))
    for (name, tensor) in out { #expect(tensor == saved[name]!.tensor, "\(name)") }

    // Through a file of our own, and into another model.
    let bytes = try Safetensors.encode(out.map { Safetensors.NamedArray($0.name, $0.tensor) })
    let again = try Safetensors.parse(bytes, name: "own.safetensors")
    let other = try makeGrouped()
    try other.load(again.tensors.map { ($0.name, $0.array.tensor) }, pool: pool)
    for (a, b) in zip(other.stateDictionary, out) {
      #expect(a.name == b.name)
      #expect(a.tensor == b.tensor)
    }
    // The same weights as the fixture's formulas.
    let (f, file) = try NetworkFixture.read("grouped")
    for (name, tensor) in f.weightDictionary(file) { #expect(tensor == saved[name]!.tensor, "\(name)") }
  }
}

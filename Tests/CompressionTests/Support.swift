import LinearAlgebra
import NeuralNetworks
import Testing

@testable import Compression

/// Tests run side by side, and a pool serves one of them at a time.
var testPool: ThreadPool { ThreadPool(threads: 2) }

/// A network by name with weights, batch-norm vectors and running statistics that are all its own.
func network(
  _ name: String, input: Shape? = nil, options: ArchitectureOptions = ArchitectureOptions(), seed: UInt64 = 1
) throws -> Model {
  let architecture = try #require(Architecture.named(name))
  let model = try architecture.make(input ?? architecture.usualInput, architecture.usualClasses, options)
  try randomize(model, seed: seed)
  return model
}

func randomize(_ model: Model, seed: UInt64 = 1) throws {
  try model.initialize(.kaimingUniform, seed: seed, pool: testPool)
  var owner = 1000
  func uniforms(_ n: Int) -> [Float] {
    owner += 1
    return RandomStream(seed: seed, purpose: RandomStream.purpose(kind: 99, owner: owner)).uniforms(n)
  }
  for node in model.nodes {
    for p in node.layer.parameters + node.layer.buffers.map(\.parameter) {
      let isPositive = p.name == "weight" || p.name == "running_var"
      p.tensor = Tensor(shape: [p.count], values: uniforms(p.count).map { isPositive ? 0.5 + $0 : 0.4 * $0 - 0.2 })
    }
  }
}

/// Keeps the channels of each prunable layer by a rule that knows nothing of their weights.
func arbitraryChoice(_ groups: ChannelGroups, share: Double, seed: UInt64 = 3) -> [[Double]] {
  groups.layers.indices.map { l in
    RandomStream(seed: seed, purpose: RandomStream.purpose(kind: 98, owner: l)).uniforms(groups.layers[l].channels)
      .map { Double($0) }
  }
}

/// Logits of inputs that are functions of the seed alone, [count, outputs].
func logits(_ model: Model, count: Int, batch: Int = 100, seed: UInt64 = 5) -> [Float] {
  let workspace = Workspace(model, batch: batch, pool: testPool, gradients: false)
  let outputs = model.output.shape.count
  var result: [Float] = []
  for first in stride(from: 0, to: count, by: batch) {
    let n = min(batch, count - first)
    RandomStream(seed: seed, purpose: 77, index: UInt64(first)).fillGaussian(
      workspace.input, count: n * model.inputShape.count)
    workspace.forward(samples: n, training: false)
    result += UnsafeBufferPointer(start: workspace.output, count: n * outputs)
  }
  return result
}

/// The largest difference, relative to the largest value.
func difference(_ a: [Float], _ b: [Float]) -> Float {
  guard a.count == b.count, let largest = a.map({ abs($0) }).max(), largest > 0 else { return .infinity }
  return zip(a, b).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) } / largest
}

/// A batch of inputs and classes of a fixed rule.
func fill(_ workspace: Workspace, _ labels: UnsafeMutablePointer<Int32>, samples: Int, step: Int) {
  let model = workspace.model
  RandomStream(seed: 11, purpose: 78, index: UInt64(step)).fillGaussian(
    workspace.input, count: samples * model.inputShape.count)
  for i in 0..<samples { labels[i] = Int32((i * 3 + step) % model.output.shape.count) }
  workspace.targets = Targets(labels: UnsafePointer(labels))
}

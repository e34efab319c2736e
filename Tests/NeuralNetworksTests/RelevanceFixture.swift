import Datasets
import Foundation
import LinearAlgebra

@testable import NeuralNetworks

/// What Fixtures/Relevance/relevance.py computed for one of its networks.
struct RelevanceFixture: Decodable {
  let weights: [WeightEntry]
  let input: Formula
  let labels: [Int32]
  let counts: [Int]
  let accuracy: [Double]
  let weight: [Double]

  static let classes = 5

  static func read(_ name: String) throws -> (fixture: RelevanceFixture, file: SafetensorsFile) {
    let json = try Data(contentsOf: NetworkFixture.url("Relevance/relevance.json"))
    return (
      try JSONDecoder().decode([String: RelevanceFixture].self, from: json)[name]!,
      try Safetensors.read(NetworkFixture.url("Relevance/relevance.safetensors").path)
    )
  }

  /// The network, with its weights.
  func model(_ name: String, pool: ThreadPool) throws -> Model {
    var b = ModelBuilder(inputShape: Shape(height: 12, width: 12, channels: 3))
    switch name {
    case "vgg": try Self.vgg(&b)
    case "residual": try Self.residual(&b)
    default: try Self.branches(&b)
    }
    let model = try b.model()
    let empty = try Safetensors.read(NetworkFixture.url("Relevance/relevance.safetensors").path)
    try model.load(weights.map { ($0.name, $0.tensor(empty)) }, pool: pool)
    return model
  }

  private static func block(_ b: inout ModelBuilder, _ n: Int, _ channels: Int, _ outputs: Int) throws {
    try b.add("conv\(n)", Conv2D(channels: channels, outputs: outputs, kernel: (3, 3), padding: 1))
    try b.add("bn\(n)", BatchNorm(channels: outputs))
    try b.add("relu\(n)", ReLU())
  }

  private static func vgg(_ b: inout ModelBuilder) throws {
    try block(&b, 1, 3, 8)
    try block(&b, 2, 8, 10)
    try b.add("pool1", MaxPool(PoolingWindow(size: 2)))
    try block(&b, 3, 10, 16)
    try b.add("pool2", MaxPool(PoolingWindow(size: 3, stride: 2, padding: 1)))
    try b.addLinear("fc1", 20)
    try b.add("relu4", ReLU())
    try b.add("dropout", Dropout(rate: 0.5))
    try b.addLinear("fc2", classes)
  }

  private static func residual(_ b: inout ModelBuilder) throws {
    try b.add("conv1", Conv2D(channels: 3, outputs: 8, kernel: (3, 3), padding: 1, bias: false))
    try b.add("bn1", BatchNorm(channels: 8))
    try b.add("relu", ReLU())
    try b.addBasicBlock("layer1.0", outputs: 8, stride: 1, shortcut: .projection)
    try b.addBasicBlock("layer2.0", outputs: 16, stride: 2, shortcut: .projection)
    try b.addBasicBlock("layer2.1", outputs: 16, stride: 1, shortcut: .projection)
    try b.add("avgpool", AveragePool(nil))
    try b.addLinear("fc", classes)
  }

  private static func branches(_ b: inout ModelBuilder) throws {
    try block(&b, 1, 3, 8)
    let entry = b.last
    try b.add("left", Conv2D(channels: 8, outputs: 8, kernel: (3, 3), padding: 1, groups: 4))
    let left = try b.add("leftrelu", ReLU())
    try b.add(
      "right", Conv2D(channels: 8, outputs: 6, kernel: (3, 3), padding: 2, dilation: 2), inputs: [entry])
    let right = try b.add("rightrelu", ReLU())
    try b.add("joined", Concatenate(), inputs: [left, right])
    try b.add("pool", AveragePool(PoolingWindow(size: 2)))
    try b.add("last", Conv2D(channels: 14, outputs: 12, kernel: (1, 1)))
    try b.add("lastrelu", ReLU())
    try b.addLinear("fc", classes)
  }
}

/// Keeps, for every node that a pass reaches, what is made of its relevance.
final class RelevanceRecorder: Observer {
  /// By node: [samples, channels], means over positions; and [samples], sums.
  private(set) var means: [String: [Float]] = [:]
  private(set) var sums: [String: [Double]] = [:]
  private(set) var magnitudes: [String: [Double]] = [:]

  init(_ model: Model, samples: Int) {
    for node in model.nodes {
      means[node.name] = [Float](repeating: .nan, count: samples * node.shape.channels)
      sums[node.name] = [Double](repeating: .nan, count: samples)
      magnitudes[node.name] = sums[node.name]
    }
  }

  func observe(_ node: Node, samples: Range<Int>, relevance: UnsafeBufferPointer<Float>) {
    let (c, n) = (node.shape.channels, node.shape.count)
    for s in samples {
      let r = relevance[(s - samples.lowerBound) * n..<(s - samples.lowerBound + 1) * n].map(Double.init)
      lock.withLock {
        sums[node.name]![s] = r.reduce(0, +)
        magnitudes[node.name]![s] = r.reduce(0) { $0 + abs($1) }
        for k in 0..<c {
          let sum = stride(from: k, to: n, by: c).reduce(0) { $0 + r[$1] }
          means[node.name]![s * c + k] = Float(sum / Double(n / c))
        }
      }
    }
  }

  private let lock = NSLock()
}

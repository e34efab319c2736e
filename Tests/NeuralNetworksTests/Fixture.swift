import Datasets
import Foundation
import LinearAlgebra

@testable import NeuralNetworks

// Reads the fixtures that Fixtures/README.md specifies; the names here are its names.

/// A tensor that is computed, not stored.
struct Formula: Decodable, Sendable {
  let shape: [Int]
  let stream: UInt64
  let scale: Double
  let offset: Double
  let choice: [UInt64]?

  static func splitmix64(_ c: UInt64) -> UInt64 {
    var z = c &+ 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  var values: [Float] {
    let count = shape.reduce(1, *)
    let row = count / shape[0]
    return (0..<count).map { i in
      let s = stream + (choice?[i / row] ?? 0)
      let bits = Self.splitmix64(s << 32 &+ UInt64(i)) >> 40
      return Float((Double(bits) * 0x1p-23 - 1) * scale + offset)
    }
  }

  var tensor: Tensor { Tensor(shape: shape, values: values) }
}

struct LabelFormula: Decodable, Sendable {
  let stream: UInt64
  let classes: UInt64
  let values: [Int32]?

  func labels(_ count: Int) -> [Int32] {
    (0..<count).map { Int32(Formula.splitmix64(stream << 32 &+ UInt64($0)) >> 40 % classes) }
  }
}

/// A tensor of a state dict: by formula, or stored in the safetensors file.
struct WeightEntry: Decodable, Sendable {
  let name: String
  let shape: [Int]
  let stored: String?
  let stream: UInt64?
  let scale: Double?
  let offset: Double?
  let choice: [UInt64]?

  func tensor(_ file: SafetensorsFile) -> Tensor {
    if let stored { return file[stored]!.tensor }
    return Formula(shape: shape, stream: stream!, scale: scale!, offset: offset!, choice: choice).tensor
  }
}

struct Reference: Decodable, Sendable {
  let name: String
  let shape: [Int]
  let sampled: Bool
  let largestIndex: Int?
  let maxAbs: Double
  let l2: Double
  let float32Error: [String: Double]
}

struct NetworkFixture: Decodable, Sendable {
  struct Batch: Decodable, Sendable {
    let input: Formula
    let labels: LabelFormula
  }
  struct OptimizerOptions: Decodable, Sendable {
    let kind: String
    let lr: Float
    let momentum: Float?
    let weight_decay: Float?
    let nesterov: Bool?
    let betas: [Float]?
    let eps: Float?

    var optimizer: OptimizerKind {
      if kind == "SGD" { return .sgd(momentum: momentum ?? 0, nesterov: nesterov ?? false) }
      return .adam(
        beta1: betas?[0] ?? 0.9, beta2: betas?[1] ?? 0.999, epsilon: eps ?? 1e-8, decoupled: kind == "AdamW")
    }
  }
  let weights: [WeightEntry]
  let reference: [Reference]
  // One step.
  let input: Formula?
  let labels: LabelFormula?
  let loss: Double?
  // Many steps.
  let optimizer: OptimizerOptions?
  let pattern: Formula?
  let batches: [Batch]?
  let losses: [Double]?

  static func url(_ file: String) -> URL {
    Bundle.module.resourceURL!.appendingPathComponent("Fixtures").appendingPathComponent(file)
  }

  static func read(_ name: String) throws -> (fixture: NetworkFixture, file: SafetensorsFile) {
    let json = try Data(contentsOf: url("\(name).json"))
    return (
      try JSONDecoder().decode(NetworkFixture.self, from: json),
      try Safetensors.read(url("\(name).safetensors").path)
    )
  }

  func weightDictionary(_ file: SafetensorsFile) -> [NamedTensor] { weights.map { ($0.name, $0.tensor(file)) } }
}

/// How far one tensor is from PyTorch's float64, in the README's measure.
struct Discrepancy {
  let name: String
  /// max|a − b| / max|b|
  let error: Double
  /// 3 × PyTorch's own float32 error, that not below 1e-6.
  let bar: Double
  /// | ‖a‖ − ‖b‖ | / ‖b‖ over the whole tensor, samples or not.
  let normError: Double

  init(_ reference: Reference, _ own: [Float], _ file: SafetensorsFile) {
    let expected = file[reference.name]!.doubles
    let count = reference.shape.reduce(1, *)
    precondition(own.count == count, "\(reference.name): \(own.count) values for a shape \(reference.shape)")
    let indices =
      reference.sampled
      ? (0..<512).map { $0 * 1_000_003 % count } + [reference.largestIndex!] : Array(0..<count)
    precondition(indices.count == expected.count)
    var largest = 0.0
    for (k, i) in indices.enumerated() {
      let d = abs(Double(own[i]) - expected[k])
      largest = d.isFinite ? max(largest, d) : .infinity
    }
    name = reference.name
    error = largest / reference.maxAbs
    bar = 3 * max(1e-6, reference.float32Error.values.max()!)
    let norm = own.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    normError = abs(norm - reference.l2) / reference.l2
  }

  /// Prints the worst of several when SIMENGINE_SHOW_ERRORS is set, for the tables of Documentation.
  static func show(_ title: String, _ all: [Discrepancy]) {
    guard ProcessInfo.processInfo.environment["SIMENGINE_SHOW_ERRORS"] != nil else { return }
    let worst = all.max { $0.error / $0.bar < $1.error / $1.bar }!
    print("errors | \(title) | \(worst.name) | \(worst.error) | \(worst.bar) | \(worst.error / worst.bar)")
  }
}

/// max|a − b| / max|b|
func largestError(_ a: [Float], _ b: [Double]) -> Double {
  precondition(a.count == b.count)
  var difference = 0.0
  var scale = 0.0
  for (x, y) in zip(a, b) {
    let d = abs(Double(x) - y)
    difference = d.isFinite ? max(difference, d) : .infinity
    scale = max(scale, abs(y))
  }
  return difference / scale
}

// MARK: Layouts

/// PyTorch's [N, C, H, W] (or [N, C]) in the engine's order [N, H, W, C].
func channelsLast(_ values: [Float], _ shape: [Int]) -> [Float] {
  guard shape.count == 4 else { return values }
  let (n, c, h, w) = (shape[0], shape[1], shape[2], shape[3])
  var result = [Float](repeating: 0, count: values.count)
  for s in 0..<n {
    for k in 0..<c { for p in 0..<(h * w) { result[(s * h * w + p) * c + k] = values[(s * c + k) * h * w + p] } }
  }
  return result
}

/// The inverse of `channelsLast`; `shape` is PyTorch's.
func channelsFirst(_ values: [Float], _ shape: [Int]) -> [Float] {
  guard shape.count == 4 else { return values }
  let (n, c, h, w) = (shape[0], shape[1], shape[2], shape[3])
  var result = [Float](repeating: 0, count: values.count)
  for s in 0..<n {
    for k in 0..<c { for p in 0..<(h * w) { result[(s * c + k) * h * w + p] = values[(s * h * w + p) * c + k] } }
  }
  return result
}

/// The engine's shape of one sample of PyTorch's [N, C, H, W] or [N, features].
func sampleShape(_ shape: [Int]) -> Shape {
  shape.count == 4 ? Shape(height: shape[2], width: shape[3], channels: shape[1]) : Shape(features: shape[1])
}

extension Workspace {
  func setInput(_ values: [Float]) {
    values.withUnsafeBufferPointer { input.update(from: $0.baseAddress!, count: $0.count) }
  }
  func outputs(_ samples: Int) -> [Float] {
    Array(UnsafeBufferPointer(start: output, count: samples * model.output.shape.count))
  }
  func inputGradients(_ samples: Int) -> [Float] {
    Array(UnsafeBufferPointer(start: inputGradient, count: samples * model.inputShape.count))
  }
}

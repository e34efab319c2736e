import Foundation
import LinearAlgebra

@testable import NeuralNetworks

// What a user of the library would write: new hardware, a new layer, a new observer. Each is one conformance.

/// Weights as differences of two "conductances" in Float64, multiplied by plain loops.
final class PairArray: WeightArray {
  private(set) var outputs: Int
  private(set) var inputs: Int
  private var plus: [Double]
  private var minus: [Double]
  let updatesInArray: Bool
  var activity = Activity()
  private(set) var preparedSteps: [Int] = []

  init(_ weights: Tensor, updatesInArray: Bool) {
    outputs = weights.shape[0]
    inputs = weights.shape[1]
    plus = weights.values.map { 0.5 + Double($0) / 2 }
    minus = weights.values.map { 0.5 - Double($0) / 2 }
    self.updatesInArray = updatesInArray
  }

  func scratchFloats(rows: Int) -> Int { rows * outputs }
  func prepare(step: Int, workers: Int, pool: ThreadPool) throws { preparedSteps.append(step) }
  func needsCalibration(training: Bool) -> Bool { false }
  func finishCalibration(training: Bool) {}

  func forward(
    _ x: UnsafePointer<Float>, _ ldx: Int, rows: Int, _ y: UnsafeMutablePointer<Float>, _ ldy: Int,
    _ context: ReadContext
  ) {
    for r in 0..<rows {
      for o in 0..<outputs {
        var sum = 0.0
        for i in 0..<inputs { sum += Double(x[r * ldx + i]) * (plus[o * inputs + i] - minus[o * inputs + i]) }
        y[r * ldy + o] = Float(sum)
        // Scratch is this worker's own for the whole read.
        context.scratch[r * outputs + o] = Float(sum)
      }
    }
    for r in 0..<rows { for o in 0..<outputs { precondition(y[r * ldy + o] == context.scratch[r * outputs + o]) } }
  }

  func backward(
    _ dy: UnsafePointer<Float>, _ lddy: Int, rows: Int, _ dx: UnsafeMutablePointer<Float>, _ lddx: Int,
    _ context: ReadContext
  ) {
    for r in 0..<rows {
      for i in 0..<inputs {
        var sum = 0.0
        for o in 0..<outputs { sum += Double(dy[r * lddy + o]) * (plus[o * inputs + i] - minus[o * inputs + i]) }
        dx[r * lddx + i] = Float(sum)
      }
    }
  }

  private func change(_ delta: (Int) -> Double) {
    for k in plus.indices {
      plus[k] += delta(k) / 2
      minus[k] -= delta(k) / 2
    }
    activity.pulses += UInt64(2 * plus.count)
  }

  func outerProduct(_ gradient: UnsafePointer<Float>, rate: Float, step: Int, pool: ThreadPool) {
    change { -Double(rate) * Double(gradient[$0]) }
  }

  func apply(delta: UnsafePointer<Float>, step: Int, pool: ThreadPool) { change { Double(delta[$0]) } }

  func program(_ weights: Tensor, pool: ThreadPool) throws {
    plus = weights.values.map { 0.5 + Double($0) / 2 }
    minus = weights.values.map { 0.5 - Double($0) / 2 }
  }

  var weights: Tensor {
    Tensor(shape: [outputs, inputs], values: zip(plus, minus).map { Float($0 - $1) })
  }

  var plainWeights: UnsafeMutablePointer<Float>? { nil }

  func select(outputs keptOutputs: [Int], inputs keptInputs: [Int]) throws {
    let kept = keptOutputs.flatMap { o in keptInputs.map { o * inputs + $0 } }
    plus = kept.map { plus[$0] }
    minus = kept.map { minus[$0] }
    outputs = keptOutputs.count
    inputs = keptInputs.count
  }

  var state: [NamedTensor] {
    [("plus", plus), ("minus", minus)].map { ($0, Tensor(shape: [$1.count], values: $1.map(Float.init))) }
  }

  func restore(_ state: [String: Tensor]) throws {
    guard let p = state["plus"], let m = state["minus"], p.count == plus.count, m.count == minus.count else {
      throw ModelError("the checkpoint holds no pairs")
    }
    plus = p.values.map(Double.init)
    minus = m.values.map(Double.init)
  }
}

struct PairHardware: Hardware {
  var updatesInArray = false
  func makeArray(weights: Tensor, name: String, owner: Int, pool: ThreadPool) throws -> any WeightArray {
    PairArray(weights, updatesInArray: updatesInArray)
  }
}

/// y = tanh(a·x + b), a and b for each channel: smooth, so that finite differences are clean; with parameters, buffers
/// untouched; its backward reads its output, so that no later layer may write over it.
final class SmoothUnit: Layer {
  private let scale: Parameter
  private let shift: Parameter
  private var shape = Shape(features: 1)

  init(channels: Int) {
    scale = Parameter("scale", count: channels, fill: 1)
    shift = Parameter("shift", count: channels)
  }

  var kind: String { "smooth-unit" }
  var parameters: [Parameter] { [scale, shift] }
  var readsOutputInBackward: Bool { true }

  func outputShape(_ inputs: [Shape]) throws -> Shape {
    guard inputs[0].channels == scale.count else { throw ModelError("\(scale.count) channels are wanted") }
    shape = inputs[0]
    return shape
  }

  func forward(_ p: Piece) {
    let c = shape.channels
    for i in 0..<(p.samples * shape.count) {
      p.output[i] = Float(tanh(Double(scale.values[i % c] * p.input()[i] + shift.values[i % c])))
    }
  }

  func backward(_ p: Piece) {
    let c = shape.channels
    let dx = p.inputGradient()
    let dScale = p.gradient(scale)
    let dShift = p.gradient(shift)
    for i in 0..<(p.samples * shape.count) {
      let y = p.output[i]
      let d = p.outputGradient[i] * (1 - y * y)
      dScale?[i % c] += d * p.input()[i]
      dShift?[i % c] += d
      dx?[i] = d * scale.values[i % c]
    }
  }
}

/// y = −x in its input's memory: the tightest test of what may be shared with whom.
final class Negation: Layer {
  private var shape = Shape(features: 1)
  var kind: String { "negation" }
  var runsInPlace: Bool { true }
  func outputShape(_ inputs: [Shape]) throws -> Shape {
    shape = inputs[0]
    return shape
  }
  func forward(_ p: Piece) { for i in 0..<(p.samples * shape.count) { p.output[i] = -p.input()[i] } }
  func backward(_ p: Piece) {
    guard let dx = p.inputGradient() else { return }
    for i in 0..<(p.samples * shape.count) { dx[i] = -p.outputGradient[i] }
  }
}

/// Adds ½·strength·Σ activation² of one node, averaged over the batch, to the loss.
final class ActivationPenalty: Observer {
  let node: Node
  let strength: Float
  let batch: Int
  /// Penalty by sample: pieces run on several threads, each has its own samples.
  private let bySample: UnsafeMutablePointer<Double>

  init(_ node: Node, strength: Float, batch: Int) {
    self.node = node
    self.strength = strength
    self.batch = batch
    bySample = .allocate(capacity: batch)
    bySample.initialize(repeating: 0, count: batch)
  }

  deinit { bySample.deallocate() }

  var penalty: Double { (0..<batch).reduce(0) { $0 + bySample[$1] } / Double(batch) }

  func observe(_ node: Node, samples: Range<Int>, activation: UnsafeBufferPointer<Float>) {
    guard node === self.node else { return }
    let n = node.shape.count
    for (k, s) in samples.enumerated() {
      bySample[s] = (0..<n).reduce(0.0) { $0 + 0.5 * Double(strength) * pow(Double(activation[k * n + $1]), 2) }
    }
  }

  func inject(
    _ node: Node, samples: Range<Int>, activation: UnsafeBufferPointer<Float>,
    gradient: UnsafeMutableBufferPointer<Float>
  ) {
    guard node === self.node else { return }
    for i in activation.indices { gradient[i] += strength / Float(batch) * activation[i] }
  }
}

// MARK: Gradients by finite differences

/// A batch through a model with a loss, whose gradients are held against central differences.
final class GradientCheck {
  let model: Model
  let pool: ThreadPool
  let workspace: Workspace
  let samples: Int
  private let input: [Float]
  private let labels: UnsafeMutablePointer<Int32>
  /// What observers add to the loss.
  var penalty: () -> Double = { 0 }

  init(_ model: Model, samples: Int, threads: Int = 2, seed: UInt64 = 1) throws {
    self.model = model
    self.samples = samples
    pool = ThreadPool(threads: threads)
    try model.initialize(.xavierUniform, seed: seed, pool: pool)
    workspace = Workspace(model, batch: samples, pool: pool, gradients: true)
    workspace.task = ClassificationTask()
    input = RandomStream(seed: seed, purpose: 99).gaussians(samples * model.inputShape.count)
    let classes = model.output.shape.count
    labels = .allocate(capacity: samples)
    for s in 0..<samples { labels[s] = Int32((s * 7 + s / 5) % classes) }
    workspace.targets = Targets(labels: labels)
    workspace.setInput(input)
  }

  deinit { labels.deallocate() }

  func loss() -> Double {
    let task = workspace.forward(samples: samples, training: true, loss: true)
    return task + penalty()
  }

  /// The worst |finite difference − g·v| / (|g|·|v|) over tensors and directions: along the gradient and at random.
  /// Where g is all but zero (a bias before a batch-norm) a hundredth of the largest tensor's |g| stands for it.
  func worstDisagreement() throws -> (name: String, error: Double) {
    _ = loss()
    workspace.backward(wantsInputGradient: true)
    let gradients = model.gradients(workspace.gradient)
    let inputGradient = Array(UnsafeBufferPointer(start: workspace.inputGradient, count: input.count))
    let state = model.stateDictionary
    func norm(_ g: [Float]) -> Double { g.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot() }
    let floor = 0.01 * max(norm(inputGradient), gradients.map { norm($0.tensor.values) }.max() ?? 0)
    var worst = ("", 0.0)
    func check(_ name: String, _ g: [Float], at: [Float], _ set: ([Float]) throws -> Void) throws {
      let size = max(floor, norm(g))
      // Along the gradient, unless it is all rounding, and at random.
      for direction in (norm(g) < floor ? 1 : 0)..<2 {
        let random = RandomStream(seed: 77, purpose: 98, index: UInt64(g.count)).gaussians(g.count)
        let v = zip(g, random).map { direction == 0 ? Double($0) / size : Double($1) / Double(g.count).squareRoot() }
        let slope = zip(g, v).reduce(0.0) { $0 + Double($1.0) * $1.1 }
        let vNorm = v.reduce(0.0) { $0 + $1 * $1 }.squareRoot()
        // A step that changes the loss by some thousandths, and no value by more than a hundredth.
        let h = min(0.01, 0.003 / size)
        try set(zip(at, v).map { Float(Double($0) + h * $1) })
        let up = loss()
        try set(zip(at, v).map { Float(Double($0) - h * $1) })
        let down = loss()
        try set(at)
        let error = abs((up - down) / (2 * h) - slope) / (size * vNorm)
        if !(error <= worst.1) { worst = (name, error) }
      }
    }
    for (name, gradient) in gradients {
      let place = state.firstIndex { $0.name == name }!
      try check(name, gradient.values, at: state[place].tensor.values) { values in
        var changed = state
        changed[place].tensor = Tensor(shape: state[place].tensor.shape, values: values)
        try model.load(changed, pool: pool)
      }
    }
    try check("input", inputGradient, at: input) { workspace.setInput($0) }
    return worst
  }
}

import LinearAlgebra

/// A layer's weights by sign, for the αβ rule.
///
/// W⁺ and W⁻ stand side by side in a twin of the layer, which has twice the outputs and no bias, so that one product each
/// way does both: [z⁺, z⁻] = twin(x) forward, and with s⁺ = α·R/z⁺, s⁻ = −β·R/z⁻ backward R_in = x ∘ (W⁺ᵀs⁺ + W⁻ᵀs⁻).
/// Samples are taken a few at a time, so that z stays in the cache between the two.
///
/// Where the twin is a convolution by Winograd's algorithm its sums are as exact as the largest in their tile, while
/// relevance is divided by the small ones too: outputs with a z far below its channel's largest are left out of the
/// products and done one by one (`SplitWeights+Exact.swift`).
public final class SplitWeights {
  private let weights: Weights
  let twin: any Layer
  let input: Shape
  let output: Shape
  private let groups: Int
  /// Samples of one product.
  private let blockSamples: Int
  private let blockFloats: Int
  private let savedFloats: Int
  private let shared: Storage
  /// The twin's sums are Winograd's.
  private let isByTiles: Bool
  /// What `relevance` wants of a worker's scratch memory.
  let scratchFloats: Int

  /// Floats of [z⁺, z⁻] that are aimed at.
  private static let blockTarget = 128 << 10
  private static let slack = 64

  /// - Parameter countsViolations: whether outputs that do not conserve relevance are counted; costs a pass over them,
  ///   and plain sums, which are 0 where they should be.
  /// - Throws: `ModelError` when the layer cannot be built twice as wide.
  init?(_ node: Node, countsViolations: Bool) throws {
    guard let weights = node.layer.weights.first, let twin = try node.layer.makeSplitTwin() else { return nil }
    if countsViolations { (twin as? Conv2D)?.requestedMethod = .patches }
    self.countsViolations = countsViolations
    self.weights = weights
    self.twin = twin
    input = node.inputShapes[0]
    output = node.shape
    groups = weights.arrays.count
    let doubled = try twin.outputShape([input])
    let memory = twin.memory(inputs: [input], output: doubled)
    blockSamples = min(Workspace.pieceSize, max(1, Self.blockTarget / doubled.count))
    isByTiles = (twin as? Conv2D)?.geometry.method == .winograd
    blockFloats =
      blockSamples * doubled.count + (isByTiles ? Self.dividingFloats(output, samples: blockSamples) : 0) + Self.slack
    savedFloats = memory.savedFloats == 0 ? 0 : Workspace.pieceSize * memory.savedFloats + Self.slack
    scratchFloats = blockFloats + savedFloats + memory.scratchFloats + Self.slack
    shared = Storage(count: memory.sharedFloats + Self.slack)
    violating = .allocate(capacity: Self.workers)
    violating.initialize(repeating: (0, 0), count: Self.workers)
  }

  deinit { violating.deallocate() }

  /// Reads the weights anew: those that the arrays' devices hold, without parasitics and converters.
  ///
  /// - Parameter factor: of each output, by which a batch-norm behind the layer scales it.
  func load(scaledBy factor: [Float]?) {
    let matrix = weights.matrix
    let inputs = weights.inputs
    let groupOutputs = output.channels / groups
    matrix.withUnsafeBufferPointer { w in
      for (g, array) in twin.weights[0].arrays.enumerated() {
        let plus = array.plainWeights!
        let minus = plus + groupOutputs * inputs
        for o in 0..<groupOutputs {
          let scale = factor.map { $0[g * groupOutputs + o] } ?? 1
          let row = w.baseAddress! + (g * groupOutputs + o) * inputs
          for k in 0..<inputs {
            let value = scale * row[k]
            plus[o * inputs + k] = max(value, 0)
            minus[o * inputs + k] = min(value, 0)
          }
        }
      }
    }
    for backward in [false, true] {
      for task in 0..<twin.preparationTasks(backward: backward) {
        twin.prepare(task: task, backward: backward, shared: shared.base)
      }
    }
  }

  // MARK: The rule

  /// `Layer.relevance` of the layer whose weights these are.
  func relevance(_ p: Piece, _ rule: RelevanceRule) {
    guard let target = p.inputGradient() else { return }
    var t = p
    let z = p.scratch!
    t.savedFloats = z + blockFloats
    t.scratch = t.savedFloats + savedFloats
    t.shared = shared.base
    t.training = false
    t.output = z
    t.outputGradient = z
    for first in stride(from: 0, to: p.samples, by: blockSamples) {
      t.samples = min(blockSamples, p.samples - first)
      var x = p.input() + first * input.count
      var gradient: UnsafeMutablePointer<Float>? = target + first * input.count
      withUnsafeMutablePointer(to: &x) { x in
        withUnsafeMutablePointer(to: &gradient) { gradient in
          t.inputPointers = x
          t.inputGradientPointers = gradient
          twin.forward(t)
          let r = p.outputGradient + first * output.count
          if countsViolations { count(z, r, t.samples * output.pixels, rule, p.worker) }
          var exact = UnsafeBufferPointer<UInt32>(start: nil, count: 0)
          if isByTiles {
            exact = divideLarge(z, r, samples: t.samples, rule)
          } else {
            divide(z, r, t.samples * output.pixels, rule)
          }
          twin.backward(t)
          for o in exact { addExact(Int(o), x.pointee, r[Int(o)], rule, to: target + first * input.count) }
        }
      }
      kernels.multiplyEach(t.samples * input.count, x, target + first * input.count)
    }
  }

  /// z⁺ ← α·R/z⁺, z⁻ ← −β·R/z⁻.
  private func divide(_ z: UnsafeMutablePointer<Float>, _ r: UnsafePointer<Float>, _ rows: Int, _ rule: RelevanceRule) {
    let n = output.channels / groups
    let (alpha, beta, e) = (rule.alpha, -rule.beta, RelevanceRule.stabilizer)
    var (z, r) = (z, r)
    for _ in 0..<(rows * groups) {
      for i in 0..<n { z[i] = alpha * r[i] / (z[i] + (z[i] < 0 ? -e : e)) }
      z += n
      for i in 0..<n { z[i] = beta * r[i] / (z[i] + (z[i] > 0 ? e : -e)) }
      z += n
      r += n
    }
  }

  // MARK: Outputs that do not conserve

  private static let workers = 64
  /// By worker: outputs with relevance, and those of them that hand on more or less than they have.
  private var violating: UnsafeMutablePointer<(all: Int, not: Int)>
  private let countsViolations: Bool
  /// An output that hands on something else than its relevance by more than this share violates conservation.
  public static let conservationTolerance: Float = 0.01

  private func count(
    _ z: UnsafePointer<Float>, _ r: UnsafePointer<Float>, _ rows: Int, _ rule: RelevanceRule, _ worker: Int
  ) {
    let n = output.channels / groups
    let e = RelevanceRule.stabilizer
    var (all, not) = (0, 0)
    for row in 0..<(rows * groups) {
      let plus = z + 2 * row * n
      let minus = plus + n
      for i in 0..<n where r[row * n + i] != 0 {
        let share =
          rule.alpha * plus[i] / (plus[i] + (plus[i] < 0 ? -e : e))
          - rule.beta * minus[i] / (minus[i] + (minus[i] > 0 ? e : -e))
        all += 1
        if !(abs(share - 1) <= Self.conservationTolerance) { not += 1 }
      }
    }
    violating[worker].all += all
    violating[worker].not += not
  }

  /// Outputs with relevance since the last call, and those of them that did not conserve it.
  func takeViolations() -> (all: Int, not: Int) {
    var sum = (all: 0, not: 0)
    for worker in 0..<Self.workers {
      sum.all += violating[worker].all
      sum.not += violating[worker].not
      violating[worker] = (0, 0)
    }
    return sum
  }
}

import LinearAlgebra
import NeuralNetworks

/// s(c) = mean over samples and positions of max(0, a), a the channel's activation behind batch-norm and ReLU
/// (arXiv 2003.02800). Where a residual sum comes before the ReLU the rectified value is taken all the same: signed
/// means would cancel.
public struct MeanActivation: ChannelCriterion, OptionlessCriterion {
  public static let name = "mean-activation"
  public static let documentation =
    "The mean activation behind the ReLU, over samples and positions (arXiv 2003.02800)."
  public let needs = CriterionNeeds.samples
  public init() {}

  public func scores(_ context: ScoringContext) throws -> [[Double]] {
    let workspace = context.workspace(gradients: false)
    let sums = ChannelSums(context.layers, capacity: workspace.capacity)
    workspace.observers = [sums]
    try context.forEachBatch(workspace) { samples, _ in sums.add(samples.count) }
    return sums.means
  }
}

/// s(c) = mean over samples of |mean over positions of g·a|, g = ∂loss/∂a: how much the loss would change, to first
/// order, were the channel zero (P. Molchanov et al., arXiv 1611.06440).
public struct Taylor: ChannelCriterion, OptionlessCriterion {
  public static let name = "taylor"
  public static let documentation = "The change of the loss without the channel, to first order (arXiv 1611.06440)."
  public let needs = CriterionNeeds.samples
  public init() {}

  public func scores(_ context: ScoringContext) throws -> [[Double]] {
    let workspace = context.workspace(gradients: true)
    let sums = ChannelSums(context.layers, capacity: workspace.capacity, ofGradients: true)
    workspace.observers = [sums]
    try context.forEachBatch(workspace) { samples, _ in
      workspace.backward(wantsInputGradient: true, wantsParameterGradient: false)
      // Gradients are those of the batch's mean loss.
      sums.add(samples.count, factor: Double(samples.count))
    }
    return sums.means
  }
}

/// Sums over samples, for each channel of each layer, of what a sample's activations come to.
private final class ChannelSums: Observer {
  private let layers: [PrunableLayer]
  private let ofGradients: Bool
  /// Of each layer, [capacity, channels]: samples are observed by several threads, and summed in their order.
  private let values: [Storage]
  private var sums: [[Double]]
  private var samples = 0

  init(_ layers: [PrunableLayer], capacity: Int, ofGradients: Bool = false) {
    self.layers = layers
    self.ofGradients = ofGradients
    values = layers.map { Storage(count: capacity * $0.channels) }
    sums = layers.map { [Double](repeating: 0, count: $0.channels) }
  }

  func observe(_ node: Node, samples: Range<Int>, activation: UnsafeBufferPointer<Float>) {
    guard !ofGradients, let l = layers.firstIndex(where: { $0.end === node }) else { return }
    forEachPixel(l, samples) { to, at in
      for c in 0..<layers[l].channels { to[c] += max(0, activation[at + c]) }
    }
  }

  func inject(
    _ node: Node, samples: Range<Int>, activation: UnsafeBufferPointer<Float>,
    gradient: UnsafeMutableBufferPointer<Float>
  ) {
    guard ofGradients, let l = layers.firstIndex(where: { $0.end === node }) else { return }
    forEachPixel(l, samples) { to, at in
      for c in 0..<layers[l].channels { to[c] += activation[at + c] * gradient[at + c] }
    }
  }

  /// Zeroes the samples' values, lets `body` add each pixel's, and divides by their number.
  private func forEachPixel(_ l: Int, _ samples: Range<Int>, _ body: (UnsafeMutablePointer<Float>, Int) -> Void) {
    let n = layers[l].channels
    let pixels = layers[l].end.shape.pixels
    for (i, s) in samples.enumerated() {
      let to = values[l].base + s * n
      to.update(repeating: 0, count: n)
      for p in 0..<pixels { body(to, (i * pixels + p) * n) }
      for c in 0..<n { to[c] /= Float(pixels) }
    }
  }

  func add(_ count: Int, factor: Double = 1) {
    for l in layers.indices {
      let n = layers[l].channels
      for s in 0..<count { for c in 0..<n { sums[l][c] += factor * Double(abs(values[l].base[s * n + c])) } }
    }
    samples += count
  }

  var means: [[Double]] { sums.map { $0.map { $0 / Double(max(1, samples)) } } }
}

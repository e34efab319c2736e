import LinearAlgebra

/// y = γ·(x − μ)/√(σ² + ε) + β for each channel (Ioffe and Szegedy, arXiv 1502.03167).
///
/// While training μ and σ² are the mean and (biased) variance over the batch and its pixels, and the running statistics
/// move towards them by `momentum` (the variance unbiased, as in PyTorch); otherwise the running statistics are used.
/// Sums are taken piece by piece, in Float64, and combined in piece order.
///
/// Backward: dβ = Σ dy, dγ = Σ dy·x̂, dx = γ/√(σ²+ε) · (dy − (dβ + x̂·dγ)/n).
public final class BatchNorm: Layer {
  public private(set) var channels: Int
  public let epsilon: Float
  public let momentum: Float
  private let scale: Parameter
  private let shift: Parameter
  private let runningMean: Parameter
  private let runningVariance: Parameter
  private var shape: Shape

  public init(channels: Int, epsilon: Float = 1e-5, momentum: Float = 0.1) {
    self.channels = channels
    self.epsilon = epsilon
    self.momentum = momentum
    scale = Parameter("weight", count: channels, fill: 1)
    shift = Parameter("bias", count: channels)
    runningMean = Parameter("running_mean", count: channels)
    runningVariance = Parameter("running_var", count: channels, fill: 1)
    shape = Shape(features: channels)
  }

  public var kind: String { "batch-norm" }
  public var parameters: [Parameter] { [scale, shift] }
  public var buffers: [(name: String, parameter: Parameter)] {
    [("running_mean", runningMean), ("running_var", runningVariance)]
  }

  public func outputShape(_ inputs: [Shape]) throws -> Shape {
    guard inputs[0].channels == channels else {
      throw ModelError("a batch-norm of \(channels) channels cannot follow an output of \(inputs[0])")
    }
    shape = inputs[0]
    return shape
  }

  public func select(outputs: [Int], inputs: [[Int]]) throws {
    for p in [scale, shift, runningMean, runningVariance] { p.select(outputs) }
    channels = outputs.count
  }

  public func memory(inputs: [Shape], output: Shape) -> LayerMemory {
    var m = LayerMemory()
    m.pieceSums = 2 * channels
    m.batchSums = 4 * channels
    m.scratchFloats = 5 * channels
    return m
  }

  public func isTwoPhase(training: Bool) -> Bool { training }

  // pieceSums: [mean, Σ(x−mean)²] forward, [Σ dy, Σ dy·x̂] backward.
  // batchSums: [mean, 1/√(σ²+ε), Σ dy / n, Σ dy·x̂ / n].

  public func forward(_ p: Piece) {
    let rows = p.samples * shape.pixels
    if p.training && p.phase == 0 {
      kernels.moments(rows, channels, p.input(), p.scratch, p.pieceSums, p.pieceSums + channels)
      return
    }
    let factor = p.scratch!
    let offset = factor + channels
    for c in 0..<channels {
      let mean = p.training ? p.batchSums[c] : Double(runningMean.values[c])
      let inverse =
        p.training ? p.batchSums[channels + c] : 1 / (Double(runningVariance.values[c]) + Double(epsilon)).squareRoot()
      factor[c] = Float(inverse) * scale.values[c]
      offset[c] = Float(Double(shift.values[c]) - mean * inverse * Double(scale.values[c]))
    }
    kernels.norm(rows, channels, p.input(), factor, offset, p.output)
  }

  public func reduceForward(_ b: BatchSums) {
    let unbiased = Double(b.samples * shape.pixels)
    for c in 0..<channels {
      // Chan, Golub and LeVeque's combination of means and squared deviations.
      var count = 0.0
      var mean = 0.0
      var squares = 0.0
      for piece in 0..<b.pieces {
        let n = Double(b.samples(inPiece: piece) * shape.pixels)
        let sums = b.pieceSums + piece * 2 * channels
        let delta = sums[c] - mean
        let total = count + n
        mean += delta * n / total
        squares += sums[channels + c] + delta * delta * count * n / total
        count = total
      }
      let variance = squares / count
      b.batchSums[c] = mean
      b.batchSums[channels + c] = 1 / (variance + Double(epsilon)).squareRoot()
      let m = Double(momentum)
      runningMean.values[c] = Float((1 - m) * Double(runningMean.values[c]) + m * mean)
      if unbiased > 1 {
        runningVariance.values[c] = Float(
          (1 - m) * Double(runningVariance.values[c]) + m * squares / (unbiased - 1))
      }
    }
  }

  public func backward(_ p: Piece) {
    let rows = p.samples * shape.pixels
    let x = UnsafePointer(p.input())
    let dy = UnsafePointer(p.outputGradient!)
    let mean = p.scratch!
    let inverse = mean + channels
    for c in 0..<channels {
      mean[c] = p.training ? Float(p.batchSums[c]) : runningMean.values[c]
      inverse[c] =
        p.training
        ? Float(p.batchSums[channels + c])
        : Float(1 / (Double(runningVariance.values[c]) + Double(epsilon)).squareRoot())
    }
    if !p.training {
      // Statistics are constants: the layer is affine.
      if let dGamma = p.gradient(scale), let dBeta = p.gradient(shift) {
        for r in 0..<rows {
          for c in 0..<channels {
            let i = r * channels + c
            dBeta[c] += dy[i]
            dGamma[c] += dy[i] * (x[i] - mean[c]) * inverse[c]
          }
        }
      }
      guard let dx = p.inputGradient() else { return }
      for r in 0..<rows {
        for c in 0..<channels { dx[r * channels + c] = dy[r * channels + c] * inverse[c] * scale.values[c] }
      }
      return
    }
    if p.phase == 0 {
      kernels.normSums(rows, channels, x, dy, mean, inverse, p.pieceSums)
      return
    }
    guard let dx = p.inputGradient() else { return }
    let a = inverse + channels
    let b = a + channels
    let d = b + channels
    for c in 0..<channels {
      let k = inverse[c] * scale.values[c]
      // dx = k·dy − k·(dβ/n) − k·x̂·(dγ/n) = a·dy + b·x + d
      a[c] = k
      b[c] = -k * Float(p.batchSums[3 * channels + c]) * inverse[c]
      d[c] = -k * Float(p.batchSums[2 * channels + c])
    }
    kernels.normGradient(rows, channels, x, dy, mean, a, b, d, dx)
  }

  /// Relevance passes as it is; the rule may have the norm folded into the weights before.
  public func relevance(_ p: Piece, _ rule: RelevanceRule, _ split: SplitWeights?) {
    guard let r = p.inputGradient(), r != p.outputGradient else { return }
    r.update(from: p.outputGradient, count: p.samples * shape.count)
  }
  public var passesRelevance: Bool { true }

  public func reduceBackward(_ b: BatchSums) {
    let n = Double(b.samples * shape.pixels)
    for c in 0..<channels {
      var shiftSum = 0.0
      var scaleSum = 0.0
      for piece in 0..<b.pieces {
        let sums = b.pieceSums + piece * 2 * channels
        shiftSum += sums[c]
        scaleSum += sums[channels + c]
      }
      b.batchSums[2 * channels + c] = shiftSum / n
      b.batchSums[3 * channels + c] = scaleSum / n
      b.gradient(shift)?[c] += Float(shiftSum)
      b.gradient(scale)?[c] += Float(scaleSum)
    }
  }

  /// The layer at inference as y = factor·x + shift.
  var affine: (factor: [Float], shift: [Float]) {
    var factor = [Float](repeating: 0, count: channels)
    var offset = factor
    for c in 0..<channels {
      let inverse = 1 / (Double(runningVariance.values[c]) + Double(epsilon)).squareRoot()
      factor[c] = Float(inverse * Double(scale.values[c]))
      offset[c] = Float(Double(shift.values[c]) - Double(runningMean.values[c]) * inverse * Double(scale.values[c]))
    }
    return (factor, offset)
  }

  /// Makes the layer y = x + offset at inference.
  func becomeShift(_ offset: [Float]) {
    for c in 0..<channels {
      runningMean.values[c] = 0
      runningVariance.values[c] = 1 - epsilon
      scale.values[c] = 1
      shift.values[c] = offset[c]
    }
  }
}

import CKernels
import LinearAlgebra
import NeuralNetworks

extension CrossbarArray {
  /// Elements of one task of an update; a multiple of 32, so that random numbers fall on whole groups.
  static let updateBlock = 4096

  public var updatesInArray: Bool { parameters.update == .outerProduct }

  public func outerProduct(_ gradient: UnsafePointer<Float>, rate: Float, step: Int, pool: ThreadPool) {
    updateGradient = gradient
    updateRate = rate
    updateStep = step
    let blocks = (xPlus.count + Self.updateBlock - 1) / Self.updateBlock
    pool.run(count: blocks, context: Unmanaged.passUnretained(self).toOpaque()) { context, item, worker in
      Unmanaged<CrossbarArray>.fromOpaque(context).takeUnretainedValue().updateBlock(item, worker)
    }
  }

  private func updateBlock(_ item: Int, _ worker: Int) {
    let at = item * Self.updateBlock
    let n = min(Self.updateBlock, xPlus.count - at)
    let device = parameters.device
    // One pulse to both devices of a pair changes the weight by 2·S·p at the bound; push-pull shares the change.
    var pulse = CKPulse(
      pulseScale: Float(1 / (2 * Double(weightRange) * device.pulseStep)), pulseStep: Float(device.pulseStep),
      nonlinearity: Float(device.updateNonlinearity), noise: Float(device.updateNoise), weightScale: weightRange)
    let stream = RandomPurpose.pulseUpdate.stream(seed: seed, owner: owner, index: UInt64(updateStep))
    counters[worker].pulses += kernels.pulseUpdate(
      n, &pulse, stream.c, at, updateGradient + at, updateRate, xPlus.base + at, xMinus.base + at)
    computeEffectiveWeights(at..<at + n)
  }

  public func apply(delta: UnsafePointer<Float>, step: Int, pool: ThreadPool) {
    let half = 1 / (2 * weightRange)
    var written = 0
    let noisy = parameters.device.programmingNoise > 0
    let noise = noisy ? programmingNoise(index: UInt64(step) + 1) : nil
    for i in 0..<xPlus.count where delta[i] != 0 {
      xPlus.base[i] = programmed(xPlus.base[i] + delta[i] * half, noise?.plus[i] ?? 0)
      xMinus.base[i] = programmed(xMinus.base[i] - delta[i] * half, noise?.minus[i] ?? 0)
      written += 2
    }
    counters[0].programmedDevices += UInt64(written)
    computeEffectiveWeights(0..<xPlus.count)
  }

  public func program(_ weights: Tensor, pool: ThreadPool) throws {
    guard weights.shape == [outputs, inputs] else {
      throw ModelError("weights of shape \(weights.shape) do not fit an array of [\(outputs), \(inputs)]")
    }
    let bad = weights.withUnsafeBufferPointer { $0.firstIndex { !$0.isFinite } }
    if let bad {
      throw ModelError(
        "weight [\(bad / inputs), \(bad % inputs)] is \(weights.values[bad]); a device can be programmed to finite weights "
          + "only")
    }
    let half = 1 / (2 * weightRange)
    let noise = parameters.device.programmingNoise > 0 ? programmingNoise(index: 0) : nil
    weights.withUnsafeBufferPointer { w in
      for i in 0..<w.count {
        xPlus.base[i] = programmed(0.5 + w[i] * half, noise?.plus[i] ?? 0)
        xMinus.base[i] = programmed(0.5 - w[i] * half, noise?.minus[i] ?? 0)
      }
    }
    counters[0].programmedDevices += UInt64(2 * weights.count)
    refreshedAt = -1
    setFixedRange()
    computeEffectiveWeights(0..<xPlus.count)
  }

  /// The state that programming reaches: the nearest level, plus noise, within the bounds.
  private func programmed(_ x: Float, _ noise: Float) -> Float {
    var target = min(1, max(0, x))
    let steps = parameters.device.levels - 1
    if steps > 0 { target = (target * Float(steps)).rounded(.toNearestOrEven) / Float(steps) }
    return min(1, max(0, target + noise))
  }

  private func programmingNoise(index: UInt64) -> (plus: [Float], minus: [Float]) {
    let sigma = Float(parameters.device.programmingNoise)
    let stream = RandomPurpose.programming.stream(seed: seed, owner: owner, index: index)
    let both = stream.gaussians(2 * xPlus.count).map { $0 * sigma }
    return (Array(both[..<xPlus.count]), Array(both[xPlus.count...]))
  }
}

/// Crossbars as the place for a model's weights.
public struct CrossbarHardware: Hardware {
  public let parameters: CrossbarParameters
  /// Keys update and programming noise.
  public let seed: UInt64

  public init(_ parameters: CrossbarParameters, seed: UInt64) {
    self.parameters = parameters
    self.seed = seed
  }

  public func makeArray(weights: Tensor, name: String, owner: Int, pool: ThreadPool) throws -> any WeightArray {
    do {
      return try CrossbarArray(weights: weights, parameters: parameters, owner: owner, seed: seed, pool: pool)
    } catch let
      error as CircuitError
    { throw ModelError("layer \(name): \(error.description)") }
  }
}

import LinearAlgebra

/// Writing states, in one go or until they are right.
extension DevicePlane {
  /// Writes states: the nearest level plus programming noise, within the bounds; with `writeVerify`, again and again
  /// until what is read lies within the tolerance of the level aimed at.
  ///
  /// May run on several threads for disjoint ranges. The plane must not be aged.
  ///
  /// - Parameters:
  ///   - range: elements; starts at a multiple of 32.
  ///   - targets: wanted states, one per element of the range.
  ///   - mask: which of them to write; nil is all.
  ///   - stream: element e of the stream is the noise of device e. Bits 48 to 62 of the index must be free: the
  ///     iterations of a write-verify loop are counted there.
  /// - Returns: programming events, and devices that were not within the tolerance after the last of them (0 when the
  ///   loop is open). Stuck devices take all the events of the loop, or one.
  @discardableResult
  public func program(
    _ range: Range<Int>, targets: UnsafePointer<Float>, mask: UnsafePointer<Bool>? = nil, stream: RandomStream
  ) -> (pulses: Int, failed: Int) {
    precondition(range.lowerBound % 32 == 0 && range.upperBound <= count && age == 0)
    var pulses = 0
    var failed = 0
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 3 * Self.programBlock) { scratch in
      withUnsafeTemporaryAllocation(of: Bool.self, capacity: Self.programBlock) { pending in
        var at = range.lowerBound
        while at < range.upperBound {
          let end = min(range.upperBound, at + Self.programBlock)
          let offset = at - range.lowerBound
          for i in 0..<(end - at) { pending[i] = mask.map { $0[offset + i] } ?? true }
          let done = programBlock(
            at..<end, targets + offset, pending.baseAddress!, scratch.baseAddress!, stream)
          pulses += done.pulses
          failed += done.failed
          at = end
        }
      }
    }
    return (pulses, failed)
  }

  private static let programBlock = 1024

  /// - Parameter scratch: three times `programBlock`.
  private func programBlock(
    _ range: Range<Int>, _ targets: UnsafePointer<Float>, _ pending: UnsafeMutablePointer<Bool>,
    _ scratch: UnsafeMutablePointer<Float>, _ stream: RandomStream
  ) -> (pulses: Int, failed: Int) {
    let (at, n) = (range.lowerBound, range.count)
    let states = x.base + at
    let (aims, deviations, noise) = (scratch, scratch + Self.programBlock, scratch + 2 * Self.programBlock)
    let isNoisy = aim(n, targets, aims, deviations)
    let iterations = device.writeVerify.map { max(1, $0.maxIterations) } ?? 1
    let (low, high) = (lower.map { $0.base + at }, upper.map { $0.base + at })
    var pulses = 0
    var left = 0
    for iteration in 0..<iterations {
      if isNoisy {
        let again = RandomStream(
          seed: stream.seed, purpose: stream.purpose, index: stream.index | UInt64(iteration) << 48)
        again.fillGaussian(noise, count: n, first: at)
      }
      for i in 0..<n where pending[i] {
        pulses += 1
        let state = isNoisy ? aims[i] + deviations[i] * noise[i] : aims[i]
        states[i] = min(high?[i] ?? 1, max(low?[i] ?? 0, state))
        // A target that is not a number must show.
        if targets[i] != targets[i] { states[i] = targets[i] }
      }
      pin(range)
      guard let verify = device.writeVerify else { break }
      left = 0
      for i in 0..<n where pending[i] {
        if abs(states[i] - aims[i]) <= Float(verify.tolerance) { pending[i] = false } else { left += 1 }
      }
      if left == 0 { break }
    }
    if let persistent { (persistent.base + at).update(from: states, count: n) }
    return (pulses, left)
  }

  /// The level nearest to each target and its noise; true if there is any.
  private func aim(
    _ n: Int, _ targets: UnsafePointer<Float>, _ aims: UnsafeMutablePointer<Float>,
    _ deviations: UnsafeMutablePointer<Float>
  ) -> Bool {
    if let levels {
      let count = device.levelTable.count
      let (x, sigma, middles) = (levels.base, levels.base + count, levels.base + 2 * count)
      for i in 0..<n {
        // The first middle between two levels that is not below the target.
        var (low, high) = (0, count - 1)
        while low < high {
          let at = (low + high) / 2
          if middles[at] < targets[i] { low = at + 1 } else { high = at }
        }
        (aims[i], deviations[i]) = (x[low], sigma[low])
      }
      return device.levelTable.contains { $0.sigma > 0 }
    }
    let steps = Float(device.levels - 1)
    // Adding and taking away 1.5·2²³ rounds half to even.
    let magic: Float = 12_582_912
    for i in 0..<n {
      let target = min(1, max(0, targets[i]))
      aims[i] = steps > 0 ? ((target * steps + magic) - magic) / steps : target
      deviations[i] = Float(device.programmingNoise)
    }
    guard !device.programmingNoiseTerms.isEmpty else { return device.programmingNoise > 0 }
    for i in 0..<n { deviations[i] = Float(device.programmingDeviation(at: Double(aims[i]))) }
    return true
  }
}

import LinearAlgebra
import NeuralNetworks

extension CrossbarArray {
  /// Noise between the cells and the result of a conversion.
  var hasReadNoise: Bool { parameters.converters.adcNoise > 0 }

  /// Adds read noise to the partial sums of one strip.
  ///
  /// - Parameters:
  ///   - vectors: [n, lines of all strips], in units of the full scale.
  ///   - pass: number of slice, stream and strip within the read, of `passes`.
  ///   - firstRow: number of the first vector within the read.
  func addReadNoise(
    _ vectors: UnsafePointer<Float>, _ n: Int, _ line: Int, _ lines: Int, _ slice: CrossbarSlice, pass: Int,
    passes: Int, step: Float, isForward: Bool, firstRow: Int, _ context: ReadContext,
    _ variance: UnsafeMutablePointer<Float>, _ partial: UnsafeMutablePointer<Float>
  ) {
    let to = isForward ? outputs : inputs
    let sigma = step * Float(parameters.converters.adcNoise)
    variance.update(repeating: sigma * sigma, count: to)
    let group = (to + 31) / 32 * 32
    for r in 0..<n {
      let row = context.row + firstRow + r
      let sample = context.sample + UInt64(row / context.rowsPerSample)
      let place = row % context.rowsPerSample
      let purpose = RandomPurpose.read.stream(seed: seed, owner: owner).purpose + (isForward ? 0 : 1)
      kernels.addNoise(
        to, RandomStream(seed: seed, purpose: purpose + UInt32(2 * firstPlane), index: sample).c,
        (place * passes + pass) * group, variance, partial + r * to)
    }
  }
}

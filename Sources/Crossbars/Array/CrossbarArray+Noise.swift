import LinearAlgebra
import NeuralNetworks

// Noise of a read, at the input of an ADC, in units of weight × full-scale input. A current I is p·V_read·(G_max − G_min)
// / gain for a partial sum p; the physics of the sources is `ReadNoise`.
extension CrossbarArray {
  private var hasDeviceNoise: Bool {
    let noise = parameters.device.readNoise
    return noise.bandwidth > 0 || noise.flicker > 0
  }

  /// Noise between the cells and the result of a conversion; telegraph noise is in the devices' conductances.
  var hasReadNoise: Bool { parameters.converters.adcNoise > 0 || hasDeviceNoise }

  /// Derives variances from the devices as they are.
  func updateNoise() {
    guard hasDeviceNoise, !noiseIsCurrent else { return }
    noiseIsCurrent = true
    let noise = parameters.device.readNoise
    let floor = floor
    let range = parameters.device.conductanceRange
    for slice in slices {
      let gain = Double(gain(slice))
      // Σ over the planes of g and of σ²·g², g in units of G_max − G_min, σ of flicker noise.
      let uniform = Float(noise.flickerDeviation)
      let sum = Storage(count: count)
      let squares = slice.noise?.squares ?? Storage(count: count)
      squares.base.update(repeating: 0, count: count)
      for plane in slice.planes {
        let (x, f) = (plane.x.base, plane.factors?.base)
        for e in 0..<count {
          let g = (x[e] + floor) * (f?[e] ?? 1)
          sum.base[e] += g
          let sigma =
            noise.flickerExponent == 0 ? uniform : Float(noise.flickerDeviation(at: Double(g / (1 + floor))))
          squares.base[e] += sigma * sigma * g * g
        }
      }
      let scale = Float(gain * gain)
      for e in 0..<count { squares.base[e] *= scale }
      // 4kTB·ΣG as a variance of the partial sum.
      let perSiemens = noise.thermalDeviation(conductance: 1) * gain / (parameters.converters.readVoltage * range)
      let thermal = Float(perSiemens * perSiemens * range)
      let forward = Storage(count: rowTiles * outputs)
      let backward = Storage(count: columnTiles * inputs)
      for o in 0..<outputs {
        for i in 0..<inputs {
          let v = thermal * sum.base[o * inputs + i]
          forward.base[i / parameters.rows * outputs + o] += v
          backward.base[o / parameters.columns * inputs + i] += v
        }
      }
      slice.noise = SliceNoise(squares: squares, forward: forward, backward: backward)
    }
  }

  /// Adds read noise to the partial sums of one strip.
  ///
  /// - Parameters:
  ///   - vectors: row r of the strip begins at vectors + r·(lines of all strips) + line; in units of the full scale.
  ///   - pass: number of slice, stream, strip and repetition within the read, of `passes`.
  ///   - step: of the ADC, 0 without one.
  ///   - firstRow: number of the first vector within the read.
  func addReadNoise(
    _ vectors: UnsafePointer<Float>, _ n: Int, strip: Int, _ line: Int, _ lines: Int, _ slice: CrossbarSlice, pass: Int,
    passes: Int, step: Float, isForward: Bool, firstRow: Int, _ context: ReadContext,
    _ variance: UnsafeMutablePointer<Float>, _ partial: UnsafeMutablePointer<Float>
  ) {
    let (from, to) = isForward ? (inputs, outputs) : (outputs, inputs)
    let sigma = step * Float(parameters.converters.adcNoise)
    if let noise = slice.noise, parameters.device.readNoise.flicker > 0 {
      // Σ V²·G²: the squares of the inputs through the squares of the conductances.
      let squared = variance + n * to
      for r in 0..<n {
        let v = vectors + r * from + line
        for i in 0..<lines { squared[r * lines + i] = v[i] * v[i] }
      }
      let squares = noise.squares.base + (isForward ? line : line * inputs)
      BLAS.gemm(false, isForward, m: n, n: to, k: lines, squared, lines, squares, inputs, variance, to)
    } else {
      variance.update(repeating: 0, count: n * to)
    }
    let thermal = slice.noise.map { (isForward ? $0.forward : $0.backward).base + strip * to }
    let purpose =
      RandomPurpose.read.stream(seed: seed, owner: owner).purpose + (isForward ? 0 : 1) + UInt32(2 * firstPlane)
    let group = (to + 31) / 32 * 32
    for r in 0..<n {
      let v = variance + r * to
      for j in 0..<to { v[j] += sigma * sigma + (thermal?[j] ?? 0) }
      let row = context.row + firstRow + r
      let sample = context.sample + UInt64(row / context.rowsPerSample)
      let place = row % context.rowsPerSample
      kernels.addNoise(
        to, RandomStream(seed: seed, purpose: purpose, index: sample).c, (place * passes + pass) * group, v,
        partial + r * to)
    }
  }
}

/// Variances of a slice's read noise.
struct SliceNoise {
  /// gain²·Σ over the planes of σ²·g², [outputs, inputs]: flicker noise for a full-scale input.
  let squares: Storage
  /// Thermal noise at every ADC, [row tiles, outputs] and [column tiles, inputs].
  let forward: Storage
  let backward: Storage
}

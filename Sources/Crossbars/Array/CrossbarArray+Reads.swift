import CKernels
import LinearAlgebra
import NeuralNetworks

extension CrossbarArray {
  /// Vectors that are converted, multiplied and converted back together: their partial sums stay in the cache.
  static let readBlock = 256

  // MARK: Ranges

  private var hasAutomaticADC: Bool {
    if case .automatic = parameters.converters.adcRange { return parameters.converters.adcBits > 0 }
    return false
  }
  private var hasAutomaticDAC: Bool {
    if case .automatic = parameters.converters.dacRange { return true }
    return false
  }

  public func needsCalibration(training: Bool) -> Bool {
    if hasAutomaticDAC && (inputRanges.forward == 0 || (training && inputRanges.backward == 0)) { return true }
    guard hasAutomaticADC else { return false }
    for slice in slices where slice.ranges.forward == 0 || (training && slice.ranges.backward == 0) { return true }
    return false
  }

  public func finishCalibration(training: Bool) {
    if hasAutomaticDAC {
      if inputRanges.forward == 0 { inputRanges.forward = 1 }
      if training && inputRanges.backward == 0 { inputRanges.backward = 1 }
    }
    guard hasAutomaticADC else { return }
    for slice in slices {
      if slice.ranges.forward == 0 { slice.ranges.forward = weightRange }
      if training && slice.ranges.backward == 0 { slice.ranges.backward = weightRange }
    }
  }

  /// Widens ranges that calibrate themselves to hold a forward read of one full input alone.
  func widenRanges(forUnitInput input: Int) {
    if hasAutomaticDAC { inputRanges.forward = max(inputRanges.forward, 1) }
    guard hasAutomaticADC else { return }
    for slice in slices {
      let w = slice.forward.weights.base + input
      var most = weightRange * 1e-6
      for o in 0..<outputs { most = max(most, abs(w[o * inputs])) }
      slice.ranges.forward = max(slice.ranges.forward, most)
    }
  }

  /// The ADC range of a fixed current, in units of weight × full-scale input: I = V_read · p · (G_max − G_min) / gain.
  func setFixedRange() {
    guard case .fixed(let ampere) = parameters.converters.adcRange else { return }
    for slice in slices {
      let range = Float(
        ampere * Double(gain(slice)) / (parameters.converters.readVoltage * parameters.device.conductanceRange))
      slice.ranges = (range, range)
    }
  }

  // MARK: Memory

  /// Floats of all strips' packed weights.
  private func panelFloats(isForward: Bool) -> Int {
    let (from, to) = isForward ? (inputs, outputs) : (outputs, inputs)
    let strip = isForward ? parameters.rows : parameters.columns
    return stride(from: 0, to: from, by: strip).reduce(0) {
      $0 + Int(kernels.panelFloats(Int32(min(strip, from - $1)), Int32(to)))
    }
  }

  public func scratchFloats(rows: Int) -> Int {
    let block = min(rows, Self.readBlock)
    let most = max(inputs, outputs)
    // Converted vectors, their scales and one strip's partial sums, for either direction.
    var floats = block * (inputs + outputs + most) + block + 64
    // The digits of a stream, or the squares of the inputs and the noise's variance.
    if parameters.converters.streams > 1 || hasReadNoise { floats += 2 * block * most + 64 }
    if hasReadNoise { floats += block * most }
    if parameters.converters.boundManagement > 0 { floats += block + most }
    return floats
  }

  /// What one read works on: places in the scratch memory, none of them shared.
  private struct ReadMemory {
    var converted: UnsafeMutablePointer<Float>
    var scales: UnsafeMutablePointer<Float>
    var partial: UnsafeMutablePointer<Float>
    var digits: UnsafeMutablePointer<Float>
    var variance: UnsafeMutablePointer<Float>
    var boundScales: UnsafeMutablePointer<Float>
    var boundRow: UnsafeMutablePointer<Float>
  }

  private func memory(_ scratch: UnsafeMutablePointer<Float>, rows: Int, from: Int) -> ReadMemory {
    let block = min(rows, Self.readBlock)
    let most = max(inputs, outputs)
    let converted = scratch
    let scales = converted + block * from
    let partial = scales + block
    var next = partial + block * most
    let digits = next
    var variance = next
    if parameters.converters.streams > 1 || hasReadNoise {
      variance = digits + block * most
      next = variance + (hasReadNoise ? 2 : 1) * block * most
    }
    let boundScales = next
    let boundRow = next + block
    return ReadMemory(
      converted: converted, scales: scales, partial: partial, digits: digits, variance: variance,
      boundScales: boundScales, boundRow: boundRow)
  }

  // MARK: Reads

  public func forward(
    _ x: UnsafePointer<Float>, _ ldx: Int, rows: Int, _ y: UnsafeMutablePointer<Float>, _ ldy: Int,
    _ context: ReadContext
  ) {
    read(x, ldx, rows, y, ldy, isForward: true, context)
    counters[context.worker].forwardReads += UInt64(rows)
  }

  public func backward(
    _ dy: UnsafePointer<Float>, _ lddy: Int, rows: Int, _ dx: UnsafeMutablePointer<Float>, _ lddx: Int,
    _ context: ReadContext
  ) {
    read(dy, lddy, rows, dx, lddx, isForward: false, context)
    counters[context.worker].backwardReads += UInt64(rows)
  }

  private func matrix(_ slice: CrossbarSlice, isForward: Bool) -> EffectiveMatrix {
    isForward ? slice.forward : slice.backward ?? slice.forward
  }

  /// One read in either direction: sums over the lines of `from`, a strip of tiles at a time.
  private func read(
    _ x: UnsafePointer<Float>, _ ldx: Int, _ rows: Int, _ y: UnsafeMutablePointer<Float>, _ ldy: Int, isForward: Bool,
    _ context: ReadContext
  ) {
    let (from, to) = isForward ? (inputs, outputs) : (outputs, inputs)
    let strip = isForward ? parameters.rows : parameters.columns
    let converters = parameters.converters
    let dacLevels = Converters.levels(converters.dacBits)
    let adcLevels = Converters.levels(converters.adcBits)
    let counter = counters + context.worker
    let offset = offsetConstant
    let noisy = hasReadNoise
    let isLinear = !isForward || !hasNonlinearCells
    let isPlain = dacLevels == 0 && converters.dacRange == .vector && !noisy && isLinear

    if isPlain && adcLevels == 0 && slices.count == 1 && offset == 0 {
      product(x, ldx, rows, 0, from, y, ldy, matrix(slices[0], isForward: isForward).weights.base, isForward)
      return
    }
    let memory = memory(context.scratch, rows: rows, from: from)
    if context.calibrating {
      calibrate(x, ldx, rows, isForward: isForward, memory)
    }
    var fixedInput: Float = 0
    switch converters.dacRange {
    case .vector: break
    case .fixed(let range): fixedInput = Float(range)
    case .automatic: fixedInput = isForward ? inputRanges.forward : inputRanges.backward
    }
    // Without converters and noise between them streams add up to what they came from.
    let isOneMatrix = adcLevels == 0 && !noisy && isLinear
    let streams = isOneMatrix ? 1 : converters.streams
    // Sums that nothing happens to before their conversion stay in registers.
    let isFused = adcLevels > 0 && !noisy && converters.boundManagement == 0 && isLinear
    let strips = (from + strip - 1) / strip

    for (k, slice) in slices.enumerated() {
      let weights = matrix(slice, isForward: isForward).weights.base
      let range = isForward ? slice.ranges.forward : slice.ranges.backward
      let step = adcLevels == 0 ? 1 : range / adcLevels
      let packed = matrix(slice, isForward: isForward).packed
      let panels =
        !isFused
        ? nil
        : (isForward ? packed.forward : packed.backward).get(count: panelFloats(isForward: isForward)) {
          pack(weights, from, to, strip, isForward, $0)
        }
      var done = 0
      while done < rows {
        let n = min(Self.readBlock, rows - done)
        let clips = kernels.quantizeRows(
          n, from, x + done * ldx, ldx, dacLevels, fixedInput, memory.converted, from, memory.scales)
        if k == 0 { counter.pointee.dacClips += clips }
        let target = y + done * ldy
        if isOneMatrix {
          // Nothing happens between tiles: they are one matrix.
          product(memory.converted, from, n, 0, from, memory.partial, to, weights, isForward)
          kernels.accumulateScaled(n, to, memory.partial, to, memory.scales, k == 0 ? 1 : 0, target, ldy)
        } else {
          for stream in 0..<streams {
            var vectors = memory.converted
            var gain: Float = 1
            if streams > 1 {
              let bits = converters.streamBits
              kernels.streamDigits(
                n * from, memory.converted, dacLevels, Int32(stream * bits), Int32(bits), memory.digits)
              vectors = memory.digits
              gain = Float((1 << bits) - 1) * Float(1 << (stream * bits)) / dacLevels
            }
            var panel = panels
            for s in 0..<strips {
              let line = s * strip
              let lines = min(strip, from - line)
              let isFirst = k == 0 && stream == 0 && s == 0
              if let packed = panel {
                counter.pointee.adcClips += kernels.multiplyConverted(
                  Int32(n), vectors + line, from, Int32(lines), packed, Int32(to), memory.scales, step, adcLevels, gain,
                  isFirst ? 1 : 0, target, ldy)
                panel = packed + Int(kernels.panelFloats(Int32(lines), Int32(to)))
                continue
              }
              sums(vectors, from, n, line, lines, memory.partial, to, slice: k, isForward)
              let pass = (k * streams + stream) * strips + s
              let passes = slices.count * streams * strips * (converters.boundManagement + 1)
              if noisy {
                addReadNoise(
                  vectors, n, strip: s, line, lines, slice, pass: pass, passes: passes,
                  step: adcLevels == 0 ? 0 : step, isForward: isForward, firstRow: done, context, memory.variance,
                  memory.partial)
              }
              var scales = memory.scales
              if converters.boundManagement > 0 {
                manageBounds(
                  vectors, n, line, lines, slice: k, range, memory, isForward, requantizes: streams == 1, counter
                ) { row, vector, sums, repetition in
                  guard noisy else { return }
                  addReadNoise(
                    vector - line, 1, strip: s, line, lines, slice,
                    pass: pass + repetition * slices.count * streams * strips, passes: passes, step: step,
                    isForward: isForward, firstRow: done + row, context, memory.variance, sums)
                }
                scales = memory.boundScales
              }
              if adcLevels > 0 {
                counter.pointee.adcClips += kernels.accumulateConverted(
                  n, to, memory.partial, to, scales, step, adcLevels, gain, isFirst ? 1 : 0, target, ldy)
              } else {
                if gain != 1 { for e in 0..<(n * to) { memory.partial[e] *= gain } }
                kernels.accumulateScaled(n, to, memory.partial, to, scales, isFirst ? 1 : 0, target, ldy)
              }
            }
          }
        }
        if offset != 0 && k == slices.count - 1 {
          for r in 0..<n {
            var sum: Float = 0
            let row = memory.converted + r * from
            for i in 0..<from { sum += row[i] }
            let constant = offset * memory.scales[r] * sum
            let out = target + r * ldy
            for j in 0..<to { out[j] -= constant }
          }
        }
        done += n
      }
    }
    let reads = slices.count * converters.streams
    let across = isForward ? parameters.columns : parameters.rows
    if dacLevels > 0 {
      counter.pointee.dacConversions += UInt64(rows * from * ((to + across - 1) / across) * converters.streams)
    }
    if adcLevels > 0 { counter.pointee.adcConversions += UInt64(rows * to * strips * reads) }
    // Every converted sum is added to those of other tiles, slices and streams.
    if adcLevels > 0 { counter.pointee.shiftAdds += UInt64(rows * to * strips * reads) }
  }

  private func pack(
    _ weights: UnsafePointer<Float>, _ from: Int, _ to: Int, _ strip: Int, _ isForward: Bool,
    _ panels: UnsafeMutablePointer<Float>
  ) {
    var panel = panels
    for line in stride(from: 0, to: from, by: strip) {
      let lines = min(strip, from - line)
      // B[line][j]: W[j, line] forward, W[line, j] backward.
      kernels.packPanels(
        Int32(lines), Int32(to), weights + (isForward ? line : line * inputs), isForward ? 1 : inputs,
        isForward ? inputs : 1, nil, panel)
      panel += Int(kernels.panelFloats(Int32(lines), Int32(to)))
    }
  }

  /// Partial sums of one strip of tiles: what its circuits make of x[:, line ..< line + lines].
  private func sums(
    _ x: UnsafePointer<Float>, _ ldx: Int, _ rows: Int, _ line: Int, _ lines: Int, _ y: UnsafeMutablePointer<Float>,
    _ ldy: Int, slice k: Int, _ isForward: Bool
  ) {
    if isForward && hasNonlinearCells {
      cellSums(x, ldx, rows, line, slice: k, y, ldy)
    } else {
      product(x, ldx, rows, line, lines, y, ldy, matrix(slices[k], isForward: isForward).weights.base, isForward)
    }
  }

  /// y = x[:, line ..< line + lines] · the weights of those lines.
  @inline(__always)
  private func product(
    _ x: UnsafePointer<Float>, _ ldx: Int, _ rows: Int, _ line: Int, _ lines: Int, _ y: UnsafeMutablePointer<Float>,
    _ ldy: Int, _ weights: UnsafePointer<Float>, _ isForward: Bool
  ) {
    if isForward {
      BLAS.gemm(false, true, m: rows, n: outputs, k: lines, x + line, ldx, weights + line, inputs, y, ldy)
    } else {
      BLAS.gemm(false, false, m: rows, n: inputs, k: lines, x + line, ldx, weights + line * inputs, inputs, y, ldy)
    }
  }

  // MARK: Bound management

  /// Reads vectors whose partial sums leave the ADC's range again with halved inputs, as often as allowed; what the
  /// halving took is given back digitally, through `boundScales`.
  /// - Parameter addNoise: adds the noise of a repetition (1, 2, …) of one row's read to its sums.
  private func manageBounds(
    _ vectors: UnsafePointer<Float>, _ n: Int, _ line: Int, _ lines: Int, slice k: Int, _ range: Float,
    _ memory: ReadMemory, _ isForward: Bool, requantizes: Bool,
    _ counter: UnsafeMutablePointer<Activity>,
    addNoise: (
      _ row: Int, _ vector: UnsafePointer<Float>, _ sums: UnsafeMutablePointer<Float>, _ repetition: Int
    ) -> Void
  ) {
    let (from, to) = isForward ? (inputs, outputs) : (outputs, inputs)
    let levels = Converters.levels(parameters.converters.dacBits)
    for r in 0..<n {
      memory.boundScales[r] = memory.scales[r]
      let sums = memory.partial + r * to
      func clips() -> Bool {
        var most: Float = 0
        for j in 0..<to { most = max(most, abs(sums[j])) }
        return most > range
      }
      var factor: Float = 1
      for repetition in 0..<parameters.converters.boundManagement where clips() {
        factor *= 2
        let source = vectors + r * from + line
        for i in 0..<lines {
          let half = source[i] / factor
          memory.boundRow[i] = levels > 0 && requantizes ? (half * levels).rounded(.toNearestOrEven) / levels : half
        }
        // The row holds the strip's lines alone.
        self.sums(memory.boundRow - line, from, 1, line, lines, sums, to, slice: k, isForward)
        addNoise(r, memory.boundRow, sums, repetition + 1)
        counter.pointee.boundRepeats += 1
      }
      memory.boundScales[r] *= factor
    }
  }

  // MARK: Calibration

  /// Widens the converters' ranges to hold the given percentile of these vectors' inputs and partial sums. Runs on one
  /// thread, between steps, and may allocate.
  private func calibrate(
    _ x: UnsafePointer<Float>, _ ldx: Int, _ rows: Int, isForward: Bool, _ memory: ReadMemory
  ) {
    let (from, to) = isForward ? (inputs, outputs) : (outputs, inputs)
    let strip = isForward ? parameters.rows : parameters.columns
    let converters = parameters.converters
    var fixedInput: Float = 0
    switch converters.dacRange {
    case .vector: break
    case .fixed(let range): fixedInput = Float(range)
    case .automatic(let percentile):
      var histogram = MagnitudeHistogram()
      for r in 0..<rows { histogram.add(x + r * ldx, from) }
      let range = max(histogram.range(percentile), 1e-20)
      if isForward {
        inputRanges.forward = max(inputRanges.forward, range)
        fixedInput = inputRanges.forward
      } else {
        inputRanges.backward = max(inputRanges.backward, range)
        fixedInput = inputRanges.backward
      }
    }
    guard case .automatic(let percentile) = converters.adcRange, converters.adcBits > 0 else { return }
    let levels = Converters.levels(converters.dacBits)
    for (k, slice) in slices.enumerated() {
      var histogram = MagnitudeHistogram()
      for done in stride(from: 0, to: rows, by: Self.readBlock) {
        let n = min(Self.readBlock, rows - done)
        _ = kernels.quantizeRows(
          n, from, x + done * ldx, ldx, levels, fixedInput, memory.converted, from, memory.scales)
        for stream in 0..<converters.streams {
          var vectors = memory.converted
          if converters.streams > 1 {
            let bits = converters.streamBits
            kernels.streamDigits(n * from, memory.converted, levels, Int32(stream * bits), Int32(bits), memory.digits)
            vectors = memory.digits
          }
          for line in stride(from: 0, to: from, by: strip) {
            sums(vectors, from, n, line, min(strip, from - line), memory.partial, to, slice: k, isForward)
            histogram.add(memory.partial, n * to)
          }
        }
      }
      // A layer whose gradient has vanished still needs a step that is not zero.
      let range = max(histogram.range(percentile), weightRange * 1e-6)
      if isForward {
        slice.ranges.forward = max(slice.ranges.forward, range)
      } else {
        slice.ranges.backward = max(slice.ranges.backward, range)
      }
    }
  }
}

/// Counts magnitudes in bins of at most 1/128 of their value.
struct MagnitudeHistogram {
  // By the upper half of a magnitude's bits.
  private var bins = [Int](repeating: 0, count: 1 << 15)

  mutating func add(_ values: UnsafePointer<Float>, _ count: Int) {
    bins.withUnsafeMutableBufferPointer { bins in
      for i in 0..<count { bins[Int(abs(values[i]).bitPattern >> 16)] &+= 1 }
    }
  }

  /// The upper end of the bin below which the share `percentile` of all magnitudes lies; 0 where that is not finite.
  func range(_ percentile: Double) -> Float {
    let wanted = max(1, Int((percentile * Double(bins.reduce(0, +))).rounded(.up)))
    var bin = 0
    var seen = bins[0]
    while seen < wanted && bin < bins.count - 1 {
      bin += 1
      seen += bins[bin]
    }
    let upper = Float(bitPattern: UInt32(bin + 1) << 16)
    return upper.isFinite ? upper : 0
  }
}

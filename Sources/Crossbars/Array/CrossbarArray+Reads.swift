import LinearAlgebra
import NeuralNetworks

extension CrossbarArray {
  /// Vectors that are converted, multiplied and converted back together: their partial sums stay in the cache.
  static let readBlock = 256

  /// From this many vectors on a read packs the weights of each strip once and multiplies them in registers: a BLAS call
  /// for one strip would spend its time packing.
  static let packedRows = 64

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
    // Converted vectors, their scales and one strip's partial sums, for either direction.
    let vectors = block * (inputs + outputs + max(inputs, outputs)) + block + 64
    return vectors + (rows >= Self.packedRows ? max(panelFloats(isForward: true), panelFloats(isForward: false)) : 0)
  }

  public func needsCalibration(training: Bool) -> Bool {
    parameters.converters.adcBits > 0 && isAutomatic && (forwardRange == 0 || (training && backwardRange == 0))
  }

  public func finishCalibration(training: Bool) {
    guard isAutomatic else { return }
    if forwardRange == 0 { forwardRange = weightRange }
    if training && backwardRange == 0 { backwardRange = weightRange }
  }

  private var isAutomatic: Bool {
    if case .automatic = parameters.converters.adcRange { return true }
    return false
  }

  public func forward(
    _ x: UnsafePointer<Float>, _ ldx: Int, rows: Int, _ y: UnsafeMutablePointer<Float>, _ ldy: Int,
    _ context: ReadContext
  ) {
    read(
      x, ldx, rows, from: inputs, y, ldy, to: outputs, weights: effective.base, strip: parameters.rows,
      isForward: true, context)
    counters[context.worker].forwardReads += UInt64(rows)
  }

  public func backward(
    _ dy: UnsafePointer<Float>, _ lddy: Int, rows: Int, _ dx: UnsafeMutablePointer<Float>, _ lddx: Int,
    _ context: ReadContext
  ) {
    read(
      dy, lddy, rows, from: outputs, dx, lddx, to: inputs, weights: (effectiveBack ?? effective).base,
      strip: parameters.columns, isForward: false, context)
    counters[context.worker].backwardReads += UInt64(rows)
  }

  /// One read in either direction: `to` sums over `from` lines, a strip of tiles at a time.
  private func read(
    _ x: UnsafePointer<Float>, _ ldx: Int, _ rows: Int, from: Int, _ y: UnsafeMutablePointer<Float>, _ ldy: Int,
    to: Int, weights: UnsafePointer<Float>, strip: Int, isForward: Bool, _ context: ReadContext
  ) {
    let converters = parameters.converters
    let dacLevels = Converters.levels(converters.dacBits)
    let adcLevels = Converters.levels(converters.adcBits)
    var fixedInput: Float = 0
    if case .fixed(let range) = converters.dacRange { fixedInput = Float(range) }
    let counter = counters + context.worker

    if dacLevels == 0 && adcLevels == 0 && fixedInput == 0 {
      product(x, ldx, rows, 0, from, from, y, ldy, to, weights, isForward)
      return
    }
    let converted = context.scratch
    let scales = converted + min(rows, Self.readBlock) * from
    let partial = scales + min(rows, Self.readBlock)
    if context.calibrating && adcLevels > 0 {
      calibrate(x, ldx, rows, from: from, to: to, weights, strip, isForward, dacLevels, fixedInput, context.scratch)
    }
    let panels = partial + min(rows, Self.readBlock) * max(inputs, outputs)
    let packs = adcLevels > 0 && rows >= Self.packedRows
    if packs {
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
    var done = 0
    while done < rows {
      let n = min(Self.readBlock, rows - done)
      counter.pointee.dacClips += kernels.quantizeRows(
        n, from, x + done * ldx, ldx, dacLevels, fixedInput, converted, from, scales)
      let target = y + done * ldy
      if adcLevels == 0 {
        // Nothing happens between tiles: they are one matrix.
        product(converted, from, n, 0, from, from, partial, to, to, weights, isForward)
        kernels.accumulateScaled(n, to, partial, to, scales, 1, target, ldy)
      } else {
        let step = (isForward ? forwardRange : backwardRange) / adcLevels
        var line = 0
        var panel = panels
        while line < from {
          let lines = min(strip, from - line)
          if packs {
            kernels.multiplyPanels(
              Int32(n), converted + line, from, 1, Int32(lines), 0, panel, Int32(to), partial, to, Int32(to))
            panel += Int(kernels.panelFloats(Int32(lines), Int32(to)))
          } else {
            product(converted, from, n, line, lines, from, partial, to, to, weights, isForward)
          }
          counter.pointee.adcClips += kernels.accumulateConverted(
            n, to, partial, to, scales, step, adcLevels, line == 0 ? 1 : 0, target, ldy)
          line += lines
        }
      }
      done += n
    }
    let fromTiles = (from + strip - 1) / strip
    let across = isForward ? parameters.columns : parameters.rows
    if dacLevels > 0 { counter.pointee.dacConversions += UInt64(rows * from * ((to + across - 1) / across)) }
    if adcLevels > 0 { counter.pointee.adcConversions += UInt64(rows * to * fromTiles) }
  }

  /// y = x[:, line ..< line + lines] · the weights of those lines.
  @inline(__always)
  private func product(
    _ x: UnsafePointer<Float>, _ ldx: Int, _ rows: Int, _ line: Int, _ lines: Int, _ from: Int,
    _ y: UnsafeMutablePointer<Float>, _ ldy: Int, _ to: Int, _ weights: UnsafePointer<Float>, _ isForward: Bool
  ) {
    if isForward {
      BLAS.gemm(false, true, m: rows, n: to, k: lines, x + line, ldx, weights + line, inputs, y, ldy)
    } else {
      BLAS.gemm(false, false, m: rows, n: to, k: lines, x + line, ldx, weights + line * inputs, inputs, y, ldy)
    }
  }

  /// Widens the ADC's range to hold the given percentile of these vectors' partial sums. Runs on one thread, between
  /// steps, and may allocate.
  private func calibrate(
    _ x: UnsafePointer<Float>, _ ldx: Int, _ rows: Int, from: Int, to: Int, _ weights: UnsafePointer<Float>,
    _ strip: Int, _ isForward: Bool, _ dacLevels: Float, _ fixedInput: Float, _ scratch: UnsafeMutablePointer<Float>
  ) {
    guard case .automatic(let percentile) = parameters.converters.adcRange else { return }
    let scales = scratch + min(rows, Self.readBlock) * from
    let partial = scales + min(rows, Self.readBlock)
    // A histogram over the upper half of the bits of a magnitude: bins of at most 1/128 of their value.
    var histogram = [Int](repeating: 0, count: 1 << 15)
    histogram.withUnsafeMutableBufferPointer { histogram in
      for done in stride(from: 0, to: rows, by: Self.readBlock) {
        let n = min(Self.readBlock, rows - done)
        _ = kernels.quantizeRows(n, from, x + done * ldx, ldx, dacLevels, fixedInput, scratch, from, scales)
        for line in stride(from: 0, to: from, by: strip) {
          product(scratch, from, n, line, min(strip, from - line), from, partial, to, to, weights, isForward)
          for i in 0..<(n * to) { histogram[Int(abs(partial[i]).bitPattern >> 16)] &+= 1 }
        }
      }
    }
    let total = histogram.reduce(0, +)
    let wanted = max(1, Int((percentile * Double(total)).rounded(.up)))
    var bin = 0
    var seen = histogram[0]
    while seen < wanted {
      bin += 1
      seen += histogram[bin]
    }
    let upper = Float(bitPattern: UInt32(bin + 1) << 16)
    // A layer whose gradient has vanished still needs a step that is not zero.
    let range = max(upper.isFinite ? upper : 0, weightRange * 1e-6)
    if isForward { forwardRange = max(forwardRange, range) } else { backwardRange = max(backwardRange, range) }
  }

  /// The ADC range of a fixed current, in units of weight × scaled input: I = V_read · p · (G_max − G_min) / S.
  func setFixedRange() {
    guard case .fixed(let ampere) = parameters.converters.adcRange else { return }
    let perUnit = parameters.converters.readVoltage * parameters.device.conductanceRange / Double(weightRange)
    forwardRange = Float(ampere / perUnit)
    backwardRange = forwardRange
  }
}

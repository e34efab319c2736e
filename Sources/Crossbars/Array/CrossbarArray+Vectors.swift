import CKernels
import LinearAlgebra
import NeuralNetworks

/// Vectors of an in-array update under way.
struct VectorPairs {
  var x: UnsafePointer<Float>!
  var ldx = 0
  var dy: UnsafePointer<Float>!
  var lddy = 0
  var rows = 0
  var first = 0
  /// Stochastic trains of all lines, vector by vector: those of the word lines, then those of the bit lines; nil where
  /// pulses are rounded. A line has `words` words, `inputLines` (`outputLines`) apart.
  var trains: UnsafeMutablePointer<UInt32>?
  var words = 0
  var inputLines = 0
  var outputLines = 0

  /// Words of one vector's trains, and one that is not 0 where the vector holds what is not a number.
  var trainWords: Int { words * (inputLines + outputLines) + 1 }
}

/// Updates by one vector after another.
///
/// - `rounded`: every device gets |x·dy|·rate/step pulses, rounded stochastically on its own.
/// - `trains`: as hardware does it. Every line gets a stochastic train for each vector, a device steps where its two
///   trains coincide (T. Gokmen and Y. Vlasov, Front. Neurosci. 10, 333, 2016). Devices of a line share its train, so
///   their counts are correlated, and work is by lines and coincidences rather than by devices:
///
///       P(pulse of word line i) = a·|x_i|,  P(pulse of bit line j) = b·|dy_j|,  slots·a·b = rate / weight of a pulse,
///       a·max|x| = b·max|dy| (the update management of AIHWKit); what would exceed 1 is held there
extension CrossbarArray {
  public func outerProducts(
    _ x: UnsafePointer<Float>, _ ldx: Int, _ dy: UnsafePointer<Float>, _ lddy: Int, rows: Int, first: Int, rate: Float,
    step: Int, pool: ThreadPool
  ) {
    updateVectors = VectorPairs(x: x, ldx: ldx, dy: dy, lddy: lddy, rows: rows, first: first)
    updateRate = rate
    updateStep = step
    reserveScratch(threads: pool.threads)
    let context = Unmanaged.passUnretained(self).toOpaque()
    if slots > 0 {
      reserveTrains(rows: rows)
      pool.run(count: rows, context: context) { context, item, _ in
        Unmanaged<CrossbarArray>.fromOpaque(context).takeUnretainedValue().drawTrains(vector: item)
      }
    }
    pool.run(count: outputs, context: context) { context, item, worker in
      let array = Unmanaged<CrossbarArray>.fromOpaque(context).takeUnretainedValue()
      if array.updateVectors.trains == nil {
        array.updateRounded(output: item, worker)
      } else {
        array.updateByTrains(output: item, worker)
      }
    }
  }

  private func index(ofVector r: Int) -> UInt64 { UInt64(updateStep) << 32 | UInt64(updateVectors.first + r) }

  /// Lines rounded up to whole groups of random numbers.
  private static func padded(_ lines: Int) -> Int { (lines + 31) / 32 * 32 }

  /// One output's devices take all vectors in order, each device's pulses rounded.
  private func updateRounded(output: Int, _ worker: Int) {
    let v = updateVectors
    var given = 0.0
    for r in 0..<v.rows where v.dy[r * v.lddy + output] != 0 {
      given += roundedPulses(output: output, vector: r, worker)
    }
    counters[worker].pulses += UInt64(given) * UInt64(slices[0].planes.count)
  }

  /// - Returns: pulses given to each plane, 0 where they are none.
  private func roundedPulses(output: Int, vector r: Int, _ worker: Int) -> Double {
    let v = updateVectors
    let pulses = workerScratch[worker].base
    let at = output * inputs
    let position = output * Self.padded(inputs)
    let index = index(ofVector: r)
    let total = kernels.pulseCounts(
      inputs, v.x + r * v.ldx, v.dy[r * v.lddy + output] * -updateRate * pulsesPerWeight,
      stream(.vectorUpdate, index: index, plane: nil).c, position, 0, pulses)
    if total == 0 { return 0 }
    for (p, plane) in slices[0].planes.enumerated() {
      plane.applyPulses(
        at..<at + inputs, pulses: pulses, sign: p == 0 ? 1 : -1,
        stream: stream(.vectorUpdate, index: index, plane: p), first: position)
    }
    return total > 0 ? total : 0
  }

  // MARK: Trains

  /// Memory for the trains of so many vectors, and for a worker's coincidences.
  private func reserveTrains(rows: Int) {
    updateVectors.words = (Int(slots) + 31) / 32
    updateVectors.inputLines = Self.padded(inputs)
    updateVectors.outputLines = Self.padded(outputs)
    let wanted = rows * updateVectors.trainWords
    if (trainMemory?.count ?? 0) < wanted { trainMemory = Storage(count: wanted) }
    updateVectors.trains = UnsafeMutableRawPointer(trainMemory!.base).assumingMemoryBound(to: UInt32.self)
  }

  private func drawTrains(vector r: Int) {
    let v = updateVectors
    let (x, dy) = (v.x + r * v.ldx, v.dy + r * v.lddy)
    let (most, mostOut) = (Self.magnitude(x, inputs), Self.magnitude(dy, outputs))
    let perSlot = abs(updateRate) * pulsesPerWeight / Float(slots)
    // A vector of zeros moves nothing; one that is not a number must reach the devices (`updateByTrains`).
    let isFinite = (most * mostOut).isFinite
    let isUsable = most > 0 && mostOut > 0 && isFinite
    let root = (perSlot * most * mostOut).squareRoot()
    let stream = stream(.vectorUpdate, index: index(ofVector: r), plane: nil).c
    let own = v.trains! + r * v.trainWords
    own[v.trainWords - 1] = isFinite ? 0 : 1
    kernels.pulseTrains(inputs, x, isUsable ? root / most : 0, slots, stream, 0, own, v.inputLines)
    kernels.pulseTrains(
      outputs, dy, isUsable ? root / mostOut : 0, slots, stream, v.inputLines, own + v.words * v.inputLines,
      v.outputLines)
  }

  /// The largest magnitude; not finite where some element is not.
  private static func magnitude(_ x: UnsafePointer<Float>, _ n: Int) -> Float {
    var most: Float = 0
    var sum: Float = 0
    for i in 0..<n {
      most = max(most, abs(x[i]))
      // 0 but for infinities and what is not a number.
      sum += x[i] * 0
    }
    return most + sum
  }

  /// One output's devices take all vectors in order, a pulse for each coincidence.
  private func updateByTrains(output: Int, _ worker: Int) {
    let v = updateVectors
    // Places and counts of the devices that get pulses.
    let places = UnsafeMutableRawPointer(workerScratch[worker].base).assumingMemoryBound(to: UInt32.self)
    let counts = workerScratch[worker].base + v.inputLines + 32
    let at = output * inputs
    let position = output * v.inputLines
    let planes = slices[0].planes
    var given = 0.0
    for r in 0..<v.rows {
      let dy = v.dy[r * v.lddy + output]
      if dy == 0 { continue }
      let x = v.x + r * v.ldx
      let trains = v.trains! + r * v.trainWords
      let own = trains + v.words * v.inputLines + output
      if trains[v.trainWords - 1] != 0 {
        given += roundedPulses(output: output, vector: r, worker)
        continue
      }
      let some = kernels.coincidences(
        inputs, trains, v.inputLines, own, v.outputLines, Int32(v.words), x, dy * -updateRate, places, counts)
      if some == 0 { continue }
      for i in 0..<some { given += Double(abs(counts[i])) }
      let index = index(ofVector: r)
      for (p, plane) in planes.enumerated() {
        plane.applyPulses(
          to: some, of: at..<at + inputs, places, counts, sign: p == 0 ? 1 : -1,
          stream: stream(.vectorUpdate, index: index, plane: p), first: position)
      }
    }
    counters[worker].pulses += UInt64(given) * UInt64(planes.count)
  }
}

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
  /// pulses are rounded. A line has `words` words, `lines` apart.
  var trains: UnsafeMutablePointer<UInt32>?
  var words = 0
  var lines = 0

  /// Words of one vector's trains, and one that is 0 where the vector holds what is not a number.
  var trainWords: Int { words * lines + 1 }
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
      pool.run(count: rows, context: context) { context, item, worker in
        Unmanaged<CrossbarArray>.fromOpaque(context).takeUnretainedValue().drawTrains(vector: item, worker)
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
    updateVectors.lines = Self.padded(inputs + outputs)
    let wanted = rows * updateVectors.trainWords
    if (trainMemory?.count ?? 0) < wanted { trainMemory = Storage(count: wanted) }
    updateVectors.trains = UnsafeMutableRawPointer(trainMemory!.base).assumingMemoryBound(to: UInt32.self)
  }

  private func drawTrains(vector r: Int, _ worker: Int) {
    let v = updateVectors
    let probabilities = workerScratch[worker].base
    let perSlot = abs(updateRate) * pulsesPerWeight / Float(slots)
    let own = v.trains! + r * v.trainWords
    let isFinite = kernels.pulseLines(inputs, v.x + r * v.ldx, outputs, v.dy + r * v.lddy, perSlot, probabilities)
    // What is not a number must reach the devices (`updateByTrains`).
    own[v.trainWords - 1] = UInt32(isFinite)
    let stream = stream(.vectorUpdate, index: index(ofVector: r), plane: nil).c
    kernels.pulseTrains(inputs + outputs, probabilities, slots, stream, 0, own, v.lines)
  }

  /// One output's devices take all vectors in order, a pulse for each coincidence.
  private func updateByTrains(output: Int, _ worker: Int) {
    let v = updateVectors
    // Places and counts of the devices that get pulses.
    let places = UnsafeMutableRawPointer(workerScratch[worker].base).assumingMemoryBound(to: UInt32.self)
    let counts = workerScratch[worker].base + Self.padded(inputs) + 32
    let at = output * inputs
    let position = output * Self.padded(inputs)
    let planes = slices[0].planes
    var given = 0.0
    for r in 0..<v.rows {
      let dy = v.dy[r * v.lddy + output]
      if dy == 0 { continue }
      let x = v.x + r * v.ldx
      let trains = v.trains! + r * v.trainWords
      let own = trains + inputs + output
      if trains[v.trainWords - 1] == 0 {
        given += roundedPulses(output: output, vector: r, worker)
        continue
      }
      let some = kernels.coincidences(
        inputs, trains, v.lines, own, v.lines, Int32(v.words), x, dy * -updateRate, places, counts)
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

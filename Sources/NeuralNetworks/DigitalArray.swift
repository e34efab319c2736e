import LinearAlgebra

/// The ideal array: weights in memory, one GEMM a read.
public final class DigitalArray: WeightArray {
  public private(set) var outputs: Int
  public private(set) var inputs: Int
  /// [outputs, inputs], and what a selection left unused behind.
  private var storage: Storage
  private var count: Int { outputs * inputs }
  private var reads: UnsafeMutablePointer<(forward: UInt64, backward: UInt64)>
  private static let workers = 64
  /// Multiply–accumulates beyond (modulo 2⁶⁴) all reads at the present size: those of reads before a `select`.
  private var earlierWork: UInt64 = 0

  /// - weights: [outputs, inputs]
  public init(_ weights: Tensor) {
    outputs = weights.shape[0]
    inputs = weights.shape[1]
    let copy = Storage(count: weights.count)
    weights.withUnsafeBufferPointer { copy.base.update(from: $0.baseAddress!, count: $0.count) }
    storage = copy
    reads = .allocate(capacity: Self.workers)
    reads.initialize(repeating: (0, 0), count: Self.workers)
  }

  deinit { reads.deallocate() }

  public func scratchFloats(rows: Int) -> Int { 0 }
  public func prepare(step: Int, workers: Int, pool: ThreadPool) throws {
    precondition(workers <= Self.workers)
  }
  public func needsCalibration(training: Bool) -> Bool { false }
  public func finishCalibration(training: Bool) {}

  public func forward(
    _ x: UnsafePointer<Float>, _ ldx: Int, rows: Int, _ y: UnsafeMutablePointer<Float>, _ ldy: Int,
    _ context: ReadContext
  ) {
    BLAS.gemm(false, true, m: rows, n: outputs, k: inputs, x, ldx, storage.base, inputs, y, ldy)
    reads[context.worker].forward += UInt64(rows)
  }

  public func backward(
    _ dy: UnsafePointer<Float>, _ lddy: Int, rows: Int, _ dx: UnsafeMutablePointer<Float>, _ lddx: Int,
    _ context: ReadContext
  ) {
    // Below a million multiplications OpenBLAS (0.3.21, AVX-512) allocates in this product, which a training step must
    // not.
    if (rows * outputs * inputs <= 1_000_000) {
      kernels.multiplySmall(
        Int32(rows), Int32(inputs), Int32(outputs), dy, lddy, storage.base, inputs, dx, lddx)
    } else {
      BLAS.gemm(false, false, m: rows, n: inputs, k: outputs, dy, lddy, storage.base, inputs, dx, lddx)
    }
    reads[context.worker].backward += UInt64(rows)
  }

  /// Counts reads that a layer made of `plainWeights` itself, by a faster way to the same product.
  @inline(__always) func countReads(forward: Int = 0, backward: Int = 0, worker: Int) {
    reads[worker].forward += UInt64(forward)
    reads[worker].backward += UInt64(backward)
  }

  public var updatesInArray: Bool { false }

  public func outerProduct(_ gradient: UnsafePointer<Float>, rate: Float, step: Int, pool: ThreadPool) {
    let w = storage.base
    for i in 0..<count { w[i] -= rate * gradient[i] }
  }

  public func apply(delta: UnsafePointer<Float>, step: Int, pool: ThreadPool) {
    let w = storage.base
    for i in 0..<count { w[i] += delta[i] }
  }

  public func program(_ weights: Tensor, pool: ThreadPool) throws {
    guard weights.shape == [outputs, inputs] else {
      throw ModelError("weights of shape \(weights.shape) do not fit an array of [\(outputs), \(inputs)]")
    }
    weights.withUnsafeBufferPointer { storage.base.update(from: $0.baseAddress!, count: $0.count) }
  }

  public var weights: Tensor {
    Tensor(shape: [outputs, inputs], elements: UnsafeBufferPointer(start: storage.base, count: count))
  }

  public var plainWeights: UnsafeMutablePointer<Float>? { storage.base }

  public func select(outputs keptOutputs: [Int], inputs keptInputs: [Int]) throws {
    let old = storage
    let oldInputs = inputs
    let before = activity
    guard keptOutputs.allSatisfy({ $0 >= 0 && $0 < outputs }), keptInputs.allSatisfy({ $0 >= 0 && $0 < oldInputs }),
      !keptOutputs.isEmpty, !keptInputs.isEmpty
    else { throw ModelError("a selection must keep at least one output and input, all of them within the array") }
    // In place as long as half of it stays used: fresh pages cost more than moving what is left.
    let rise = [keptOutputs, keptInputs].allSatisfy { zip($0, $0.dropFirst()).allSatisfy { $0 < $1 } }
    let left = keptOutputs.count * keptInputs.count
    if !rise || 2 * left < storage.count { storage = Storage(uninitialized: left) }
    outputs = keptOutputs.count
    inputs = keptInputs.count
    let columns = runs(keptInputs)
    var to = storage.base
    for o in keptOutputs { to = copy(columns, of: old.base + o * oldInputs, to: to) }
    activity = before
  }

  public var state: [NamedTensor] { [("weights", weights)] }

  public func restore(_ state: [String: Tensor]) throws {
    guard let weights = state["weights"], weights.shape == [outputs, inputs] else {
      throw ModelError("the checkpoint holds no weights of shape [\(outputs), \(inputs)]")
    }
    weights.withUnsafeBufferPointer { storage.base.update(from: $0.baseAddress!, count: $0.count) }
  }

  public var activity: Activity {
    get {
      var a = Activity()
      for worker in 0..<Self.workers {
        a.forwardReads += reads[worker].forward
        a.backwardReads += reads[worker].backward
      }
      a.multiplyAccumulates = earlierWork &+ (a.forwardReads + a.backwardReads) &* UInt64(outputs * inputs)
      return a
    }
    set {
      reads.update(repeating: (0, 0), count: Self.workers)
      reads[0] = (newValue.forwardReads, newValue.backwardReads)
      earlierWork =
        newValue.multiplyAccumulates &- (newValue.forwardReads + newValue.backwardReads) &* UInt64(outputs * inputs)
    }
  }
}

/// Weights in memory.
public struct DigitalHardware: Hardware {
  public init() {}
  public func makeArray(weights: Tensor, name: String, owner: Int, pool: ThreadPool) throws -> any WeightArray {
    DigitalArray(weights)
  }
}

/// Ideal products of two activations: one GEMM.
public final class DigitalProductArray: ProductArray {
  public init() {}
  public func multiply(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, transposed: Bool, m: Int, n: Int, k: Int,
    _ c: UnsafeMutablePointer<Float>, _ context: ReadContext
  ) {
    BLAS.gemm(false, transposed, m: m, n: n, k: k, a, k, b, transposed ? k : n, c, n)
  }
}

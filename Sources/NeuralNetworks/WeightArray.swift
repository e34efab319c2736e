import LinearAlgebra

/// What a read of an array may depend on besides its operands.
public struct ReadContext {
  /// Scratch memory names: one per thread that reads at the same time.
  public var worker: Int
  /// Number, counted over the whole run, of the sample that the first row belongs to; keys read noise.
  public var sample: UInt64
  /// Place of the first row among the rows of its sample, and how many a sample has: the rows of a convolution are its
  /// output pixels.
  public var row: Int
  public var rowsPerSample: Int
  /// Scratch floats of this worker, at least `WeightArray.scratchFloats(rows:)`.
  public var scratch: UnsafeMutablePointer<Float>
  /// True in a pass of one piece, alone, whose operands set the ranges of converters that calibrate themselves.
  public var calibrating: Bool
  /// True in the passes of a training step.
  public var training: Bool

  public init(
    worker: Int, sample: UInt64, row: Int = 0, rowsPerSample: Int = 1, scratch: UnsafeMutablePointer<Float>,
    calibrating: Bool = false, training: Bool = false
  ) {
    self.worker = worker
    self.sample = sample
    self.row = row
    self.rowsPerSample = rowsPerSample
    self.scratch = scratch
    self.calibrating = calibrating
    self.training = training
  }
}

/// Counters of what an array did: the one source for energy, accelerator models and sparsity.
public struct Activity: Equatable, Sendable {
  /// Multiply–accumulates that a digital processor would have done.
  public var multiplyAccumulates: UInt64 = 0
  /// Vectors read through the array, forward and backward.
  public var forwardReads: UInt64 = 0
  public var backwardReads: UInt64 = 0
  /// Conversions, and how many of them clipped.
  public var dacConversions: UInt64 = 0
  public var dacClips: UInt64 = 0
  public var adcConversions: UInt64 = 0
  public var adcClips: UInt64 = 0
  /// Strips of tiles read again with halved inputs because an ADC clipped.
  public var boundRepeats: UInt64 = 0
  /// Devices that a read drove, over all reads: vectors × streams × devices.
  public var cellReads: UInt64 = 0
  /// Converted sums added digitally, over tiles, slices and streams.
  public var shiftAdds: UInt64 = 0
  /// Write pulses over all devices by in-array updates; devices written by programming.
  public var pulses: UInt64 = 0
  public var programmedDevices: UInt64 = 0

  public init() {}

  public static func += (a: inout Activity, b: Activity) {
    for (_, path) in fields { a[keyPath: path] += b[keyPath: path] }
  }

  /// What was done since the counters stood at `b`.
  public static func - (a: Activity, b: Activity) -> Activity {
    var result = a
    for (_, path) in fields { result[keyPath: path] &-= b[keyPath: path] }
    return result
  }

  private static let fields: [(name: String, path: WritableKeyPath<Activity, UInt64> & Sendable)] = [
    ("multiplyAccumulates", \.multiplyAccumulates), ("forwardReads", \.forwardReads),
    ("backwardReads", \.backwardReads), ("dacConversions", \.dacConversions), ("dacClips", \.dacClips),
    ("adcConversions", \.adcConversions), ("adcClips", \.adcClips), ("boundRepeats", \.boundRepeats),
    ("cellReads", \.cellReads),
    ("shiftAdds", \.shiftAdds), ("pulses", \.pulses), ("programmedDevices", \.programmedDevices),
  ]

  /// Name and value of every counter, in a fixed order.
  public var counters: [(name: String, value: UInt64)] { Self.fields.map { ($0.name, self[keyPath: $0.path]) } }

  /// The counters as a tensor for a checkpoint, [counters, 3]: a Float32 holds integers to 2²⁴ exactly.
  public var tensor: Tensor {
    let parts = counters.flatMap { c in (0..<3).map { Float(c.value >> (24 * UInt64($0)) & 0xFF_FFFF) } }
    return Tensor(shape: [Self.fields.count, 3], values: parts)
  }

  /// - Throws: `ModelError` when the tensor is not one made by `tensor`.
  public init(_ tensor: Tensor) throws {
    guard tensor.shape == [Self.fields.count, 3] else {
      throw ModelError("activity counters of shape \(tensor.shape) are not [\(Self.fields.count), 3]")
    }
    let v = tensor.values
    guard v.allSatisfy({ $0 >= 0 && $0 < 0x1p24 }) else {
      throw ModelError("activity counters are whole numbers below 2²⁴ in three parts")
    }
    for (i, field) in Self.fields.enumerated() {
      self[keyPath: field.path] = UInt64(v[3 * i]) | UInt64(v[3 * i + 1]) << 24 | UInt64(v[3 * i + 2]) << 48
    }
  }
}

/// One tensor of an array's or layer's state, by name.
public typealias NamedTensor = (name: String, tensor: Tensor)

/// Where a weight matrix W [outputs, inputs] lives, and the physics by which it is multiplied and changed.
///
/// Layers own arrays and know nothing of what is inside; new hardware is one new conformance. `forward` and `backward`
/// are called from several threads at once, each with its own `ReadContext.worker`; everything else from one thread,
/// between batches.
public protocol WeightArray: AnyObject {
  var outputs: Int { get }
  var inputs: Int { get }

  /// Scratch floats that a read of `rows` vectors wants.
  func scratchFloats(rows: Int) -> Int

  /// Called before a batch is read: refresh what is derived from the devices. `step` counts updates since the start; −1
  /// reads the array as it is, refreshed only if it never was.
  func prepare(step: Int, workers: Int, pool: ThreadPool) throws

  /// True while converter ranges have yet to be set by a calibrating pass: those of forward reads, and of backward
  /// reads when training.
  func needsCalibration(training: Bool) -> Bool

  /// Ends a calibrating pass, which read forward and, when training, backward; ranges that no read has set (nobody reads
  /// the first layer backward) are then settled all the same.
  func finishCalibration(training: Bool)

  /// y = x · Wᵀ.  - x: [rows, inputs], row length `ldx`   - y: [rows, outputs], row length `ldy`
  func forward(
    _ x: UnsafePointer<Float>, _ ldx: Int, rows: Int, _ y: UnsafeMutablePointer<Float>, _ ldy: Int,
    _ context: ReadContext)

  /// dx = dy · W.  - dy: [rows, outputs]   - dx: [rows, inputs]
  func backward(
    _ dy: UnsafePointer<Float>, _ lddy: Int, rows: Int, _ dx: UnsafeMutablePointer<Float>, _ lddx: Int,
    _ context: ReadContext)

  /// True when learning happens by `outerProduct`, in the array; else a digital optimizer calls `apply`.
  var updatesInArray: Bool { get }

  /// W ← W − rate · G as the array's devices do it, where G = dyᵀ·x summed over the batch is the charge collected at
  /// each cross point.  - gradient: [outputs, inputs]
  func outerProduct(_ gradient: UnsafePointer<Float>, rate: Float, step: Int, pool: ThreadPool)

  /// True when the array wants every vector of a batch (`outerProducts`) instead of their sum (`outerProduct`).
  var updatesPerVector: Bool { get }

  /// Part of an in-array update: W ← W − rate · dyᵀ·x for one vector after another. All vectors of a batch follow in
  /// order; `finishOuterProducts` ends it.
  ///
  /// - x: [rows, inputs], row length `ldx`   - dy: [rows, outputs], row length `lddy`
  /// - first: number of the first vector within the batch; keys the update's random numbers.
  func outerProducts(
    _ x: UnsafePointer<Float>, _ ldx: Int, _ dy: UnsafePointer<Float>, _ lddy: Int, rows: Int, first: Int, rate: Float,
    step: Int, pool: ThreadPool)
  func finishOuterProducts(pool: ThreadPool)

  /// W ← W + delta as well as the array can be programmed.  - delta: [outputs, inputs]
  func apply(delta: UnsafePointer<Float>, step: Int, pool: ThreadPool)

  /// Writes a whole weight matrix.  - weights: [outputs, inputs]
  func program(_ weights: Tensor, pool: ThreadPool) throws

  /// The weights that the devices hold, read without parasitics or converters.  - Returns: [outputs, inputs]
  var weights: Tensor { get }

  /// Direct access to the weights where they are plain memory (digital arrays), else nil.
  var plainWeights: UnsafeMutablePointer<Float>? { get }

  /// Keeps the given outputs and inputs, in the given order; the devices that stay keep their state.
  func select(outputs: [Int], inputs: [Int]) throws

  /// What a checkpoint must hold for the array to go on exactly as it was.
  var state: [NamedTensor] { get }
  func restore(_ state: [String: Tensor]) throws

  /// What the array did since it was made, or since this was last set.
  var activity: Activity { get set }
}

extension WeightArray {
  public var updatesPerVector: Bool { false }
  public func outerProducts(
    _ x: UnsafePointer<Float>, _ ldx: Int, _ dy: UnsafePointer<Float>, _ lddy: Int, rows: Int, first: Int, rate: Float,
    step: Int, pool: ThreadPool
  ) { preconditionFailure("the array updates once a batch") }
  public func finishOuterProducts(pool: ThreadPool) {}
}

/// An array that holds its layer's bias too, on lines of its own: reads add it, and updates move it with the weights.
public protocol BiasedArray: WeightArray {
  /// Writes a whole weight matrix and the bias.  - weights: [outputs, inputs]   - bias: [outputs]
  func program(_ weights: Tensor, bias: Tensor, pool: ThreadPool) throws
  /// What the devices hold of the bias, [outputs].
  func readBias(into bias: UnsafeMutablePointer<Float>)
  /// What the next `outerProduct` (the bias's gradient) or `apply` (its change) does to the bias, [outputs].
  func setBias(change: UnsafePointer<Float>)
}

/// How a layer gets its arrays: a piece of hardware as the configuration describes it.
public protocol Hardware {
  /// As the other form, for hardware that may hold the bias [outputs] as well: the array is then a `BiasedArray`.
  func makeArray(weights: Tensor, bias: Tensor?, name: String, owner: Int, pool: ThreadPool) throws -> any WeightArray
  /// An array holding `weights` [outputs, inputs]. `name` is the layer's, `owner` numbers the array within the model
  /// and keys its random numbers.
  func makeArray(weights: Tensor, name: String, owner: Int, pool: ThreadPool) throws -> any WeightArray
}

extension Hardware {
  public func makeArray(
    weights: Tensor, bias: Tensor?, name: String, owner: Int, pool: ThreadPool
  ) throws -> any WeightArray {
    try makeArray(weights: weights, name: name, owner: owner, pool: pool)
  }
}

/// Products of two activations, such as attention's Q·Kᵀ and P·V, on the hardware of choice.
public protocol ProductArray: AnyObject {
  /// C = A · op(B).  - A: [m, k]   - B: [k, n], or [n, k] when `transposed`   - C: [m, n]
  func multiply(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, transposed: Bool, m: Int, n: Int, k: Int,
    _ c: UnsafeMutablePointer<Float>, _ context: ReadContext)
}

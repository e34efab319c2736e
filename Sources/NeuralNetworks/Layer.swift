import LinearAlgebra

/// What a layer wants to keep between its forward and backward pass, or while it runs, beside its output.
public struct LayerMemory {
  /// Kept from forward to backward, per sample.
  public var savedFloats = 0
  public var savedBytes = 0
  /// Partial sums of a piece, and results of the whole batch (batch-norm statistics), in Float64.
  public var pieceSums = 0
  public var batchSums = 0
  /// Scratch of a worker while it runs one piece.
  public var scratchFloats = 0
  /// What a layer derives from its weights before a pass (`Layer.prepare`), shared by all pieces.
  public var sharedFloats = 0

  public init() {}
}

/// What a layer sees of one piece of a batch: up to sixteen consecutive samples.
///
/// All pointers start at the piece's first sample. Gradients of inputs are written, not added to: where a node feeds
/// several others the workspace adds. A trivial value: no reference is counted while it is passed around.
public struct Piece {
  /// Number of the piece in the batch, and of the thread that runs it (names scratch memory only).
  public var index = 0
  public var worker = 0
  /// Samples in the piece, place of its first in the batch, samples in the batch.
  public var samples = 0
  public var first = 0
  public var batch = 0
  /// Number of the piece's first sample over the whole run, and of the step; key random numbers.
  public var globalSample: UInt64 = 0
  public var step = 0
  public var seed: UInt64 = 0
  public var training = false
  public var calibrating = false
  /// True when weights' gradients are to be written, false when they are to be added to. Vectors' are always added to.
  public var startsGradient = true
  /// 0, or 1 for the second pass of a layer that needs sums over the batch in between.
  public var phase = 0

  var inputPointers: UnsafeMutablePointer<UnsafeMutablePointer<Float>>! = nil
  var inputGradientPointers: UnsafeMutablePointer<UnsafeMutablePointer<Float>?>! = nil
  public var output: UnsafeMutablePointer<Float>! = nil
  /// dL/d(output); the layer may overwrite it when it runs in place.
  public var outputGradient: UnsafeMutablePointer<Float>! = nil
  public var savedFloats: UnsafeMutablePointer<Float>! = nil
  public var savedBytes: UnsafeMutablePointer<UInt8>! = nil
  public var pieceSums: UnsafeMutablePointer<Double>! = nil
  public var batchSums: UnsafeMutablePointer<Double>! = nil
  public var scratch: UnsafeMutablePointer<Float>! = nil
  /// What `Layer.prepare` derived from the weights.
  public var shared: UnsafeMutablePointer<Float>! = nil
  /// The gradient of this piece, all parameters of the model flat, to be added to; nil in a pass for inputs alone.
  var gradient: UnsafeMutablePointer<Float>? = nil

  /// - Returns: the activation of the i-th input, [samples, input shape].
  @inline(__always) public func input(_ i: Int = 0) -> UnsafeMutablePointer<Float> { inputPointers[i] }

  /// - Returns: where dL/d(i-th input) goes, or nil when nobody wants it.
  @inline(__always) public func inputGradient(_ i: Int = 0) -> UnsafeMutablePointer<Float>? { inputGradientPointers[i] }

  /// Where the gradient of a parameter is added, or nil when nobody wants it.
  @inline(__always) public func gradient(_ p: Parameter) -> UnsafeMutablePointer<Float>? {
    gradient.map { $0 + p.offset }
  }
  @inline(__always) public func gradient(_ w: Weights) -> UnsafeMutablePointer<Float>? {
    gradient.map { $0 + w.offset }
  }

  /// - Parameters:
  ///   - sample: the sample within the piece that the first row belongs to.
  ///   - row, rowsPerSample: the first row's place in its sample, and how many rows a sample has.
  @inline(__always) public func readContext(
    scratch: UnsafeMutablePointer<Float>, sample: Int = 0, row: Int = 0, rowsPerSample: Int = 1
  ) -> ReadContext {
    ReadContext(
      worker: worker, sample: globalSample + UInt64(sample), row: row, rowsPerSample: rowsPerSample, scratch: scratch,
      calibrating: calibrating, training: training)
  }
}

/// Parameters and an arithmetic pair, forward and backward; nothing of a run.
///
/// `forward` fills `piece.output` from the inputs; `backward` fills the inputs' gradients and adds to the parameters'
/// from `piece.outputGradient`. Both run for every piece of a batch, at the same time on several threads, so a layer
/// changes nothing of its own in them; what it must keep goes into the piece's memory.
public protocol Layer: AnyObject {
  /// The layer's kind as a user writes it in a configuration.
  var kind: String { get }
  func outputShape(_ inputs: [Shape]) throws -> Shape
  /// Digital vectors.
  var parameters: [Parameter] { get }
  /// Weight matrices on arrays.
  var weights: [Weights] { get }
  /// Values that are not learnt by gradient but belong to the model's state (running statistics), by name.
  var buffers: [(name: String, parameter: Parameter)] { get }
  func memory(inputs: [Shape], output: Shape) -> LayerMemory
  func forward(_ piece: Piece)
  func backward(_ piece: Piece)

  /// Hands the relevance of the output, `piece.outputGradient`, to the inputs' `piece.inputGradient`: in memory, order
  /// and number of calls like `backward` after a forward pass in evaluation mode, by a rule instead of by derivatives.
  ///
  /// - Parameter split: the layer's weights by sign, for a layer that has some.
  func relevance(_ piece: Piece, _ rule: RelevanceRule, _ split: SplitWeights?)
  /// False where no rule is known; a `RelevancePass` through such a layer is refused.
  var passesRelevance: Bool { get }
  /// An empty layer of the same products with twice the outputs: for each group first W⁺, then W⁻. nil without weights.
  func makeSplitTwin() throws -> (any Layer)?

  /// Number of independent tasks by which the layer fills its shared memory (weights packed or transformed) before
  /// every forward pass, and every backward pass; 0 when it derives nothing.
  func preparationTasks(backward: Bool) -> Int
  func prepare(task: Int, backward: Bool, shared: UnsafeMutablePointer<Float>)

  /// The output may share the input's memory (the layer's backward needs its output, not its input).
  var runsInPlace: Bool { get }
  /// The layer's backward reads its own output, so the next layer must not overwrite it.
  var readsOutputInBackward: Bool { get }
  /// The layer only reinterprets its input's memory; its passes, which copy, run only where that cannot be shared.
  var isView: Bool { get }

  /// True when the pass needs sums over the batch between two phases: `forward` and `backward` then run twice for
  /// every piece (`piece.phase` 0 and 1) with `reduceForward` or `reduceBackward` in between, on one thread.
  func isTwoPhase(training: Bool) -> Bool
  func reduceForward(_ batch: BatchSums)
  func reduceBackward(_ batch: BatchSums)

  /// Number of independent tasks by which the weights' gradient over the whole batch is computed after the backward
  /// pass, or 0 when `backward` adds it piece by piece. A function of shapes alone.
  func gradientTasks(batch: Int) -> Int
  /// One such task.  - input: [batch, input shape]   - outputGradient: [batch, output shape]   - gradient: flat
  func weightGradient(
    task: Int, of tasks: Int, batch: Int, input: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
    gradient: UnsafeMutablePointer<Float>)

  /// Hands every vector of the batch to the arrays that update per vector, sample by sample.
  /// - input: [batch, input shape]   - outputGradient: [batch, output shape]
  func updateArrays(
    batch: Int, input: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>, rate: Float, step: Int,
    scratch: UnsafeMutablePointer<Float>, pool: ThreadPool)

  /// Multiply–accumulates for one sample, forward.
  func multiplyAccumulates(inputs: [Shape], output: Shape) -> Int

  /// Which of its output channels are left when only the given channels of each input are; nil when it makes channels
  /// of its own (a convolution, a linear layer), which stay or go by choice. All in its present numbering, rising.
  func channels(keeping inputs: [[Int]]) -> [Int]?
  /// Keeps the given channels of its outputs, `channels(keeping: inputs)` where that is not nil, and of each input. The
  /// model is wired anew afterwards.
  /// - Throws: `ModelError` when it cannot lose them.
  func select(outputs: [Int], inputs: [[Int]]) throws
}

/// The sums of all pieces of a batch, for a layer's `reduceForward` and `reduceBackward`.
public struct BatchSums {
  /// [pieces, LayerMemory.pieceSums]
  public var pieceSums: UnsafeMutablePointer<Double>
  /// [LayerMemory.batchSums]
  public var batchSums: UnsafeMutablePointer<Double>
  public var pieces: Int
  public var samples: Int
  public var training: Bool
  /// The model's flat gradient of piece 0, for parameters whose gradient is a sum over the batch.
  var gradient: UnsafeMutablePointer<Float>?

  public func gradient(_ p: Parameter) -> UnsafeMutablePointer<Float>? { gradient.map { $0 + p.offset } }
  /// Samples of a piece: sixteen but for the last.
  public func samples(inPiece i: Int) -> Int { min(Workspace.pieceSize, samples - i * Workspace.pieceSize) }
}

extension Layer {
  public func relevance(_ piece: Piece, _ rule: RelevanceRule, _ split: SplitWeights?) {
    preconditionFailure("no rule is known for the relevance of a layer of kind \(kind)")
  }
  public var passesRelevance: Bool { false }
  public func makeSplitTwin() throws -> (any Layer)? { nil }
  public var parameters: [Parameter] { [] }
  public var weights: [Weights] { [] }
  public var buffers: [(name: String, parameter: Parameter)] { [] }
  public func memory(inputs: [Shape], output: Shape) -> LayerMemory { LayerMemory() }
  public func preparationTasks(backward: Bool) -> Int { 0 }
  public func prepare(task: Int, backward: Bool, shared: UnsafeMutablePointer<Float>) {}
  public var runsInPlace: Bool { false }
  public var readsOutputInBackward: Bool { false }
  public var isView: Bool { false }
  public func isTwoPhase(training: Bool) -> Bool { false }
  public func reduceForward(_ batch: BatchSums) {}
  public func reduceBackward(_ batch: BatchSums) {}
  public func gradientTasks(batch: Int) -> Int { 0 }
  public func weightGradient(
    task: Int, of tasks: Int, batch: Int, input: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
    gradient: UnsafeMutablePointer<Float>
  ) {}
  public func updateArrays(
    batch: Int, input: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>, rate: Float, step: Int,
    scratch: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {}
  public func multiplyAccumulates(inputs: [Shape], output: Shape) -> Int { 0 }
  public func channels(keeping inputs: [[Int]]) -> [Int]? { weights.isEmpty ? inputs[0] : nil }
  public func select(outputs: [Int], inputs: [[Int]]) throws {
    guard weights.isEmpty, parameters.isEmpty else { throw ModelError("a layer of kind \(kind) cannot lose channels") }
  }
}

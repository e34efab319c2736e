import LinearAlgebra

/// y = x · Wᵀ + b
///
/// - x: [batch, inputs]   - W: [outputs, inputs]   - y: [batch, outputs]
///
/// Backward: dx = dy · W, dW = dyᵀ · x, db = Σ_batch dy. dW is one product over the whole batch, cut into blocks of
/// outputs: by pieces of sixteen samples it would be all memory traffic.
public final class Linear: Layer {
  public private(set) var outputs: Int
  private let weight: Weights
  private let bias: Parameter?

  /// - Parameter input: the shape that was flattened into the inputs (1 × 1 × n for plain features).
  public init(input: Shape, outputs: Int, bias: Bool = true) {
    self.outputs = outputs
    weight = Weights("weight", outputs: outputs, patch: input, isConvolution: false)
    self.bias = bias ? Parameter("bias", count: outputs) : nil
    weight.bias = self.bias
  }

  public var kind: String { "linear" }
  public var weights: [Weights] { [weight] }
  public var parameters: [Parameter] { bias.map { [$0] } ?? [] }

  public func outputShape(_ inputs: [Shape]) throws -> Shape {
    guard inputs[0].count == weight.inputs else {
      throw ModelError("a linear layer of \(weight.inputs) inputs cannot follow an output of \(inputs[0])")
    }
    return Shape(features: outputs)
  }

  public func memory(inputs: [Shape], output: Shape) -> LayerMemory {
    var m = LayerMemory()
    m.scratchFloats = weight.arrays[0].scratchFloats(rows: Workspace.pieceSize)
    return m
  }

  public func forward(_ p: Piece) {
    weight.arrays[0].forward(
      p.input(), weight.inputs, rows: p.samples, p.output, outputs, p.readContext(scratch: p.scratch))
    if let bias, !weight.holdsBias { kernels.addBias(p.samples, outputs, bias.values, p.output, outputs) }
  }

  public func backward(_ p: Piece) {
    if let bias, let db = p.gradient(bias) { kernels.columnSums(p.samples, outputs, p.outputGradient, outputs, db) }
    if let dx = p.inputGradient() {
      weight.arrays[0].backward(
        p.outputGradient, outputs, rows: p.samples, dx, weight.inputs, p.readContext(scratch: p.scratch))
    }
  }

  /// The αβ rule.
  public func relevance(_ p: Piece, _ rule: RelevanceRule, _ split: SplitWeights?) { split?.relevance(p, rule) }
  public var passesRelevance: Bool { true }
  public func makeSplitTwin() throws -> (any Layer)? { Linear(input: weight.patch, outputs: 2 * outputs, bias: false) }

  public func gradientTasks(batch: Int) -> Int {
    min(max(1, outputs / 16), max(1, batch * outputs * weight.inputs >> 20) + 1)
  }

  public func weightGradient(
    task: Int, of tasks: Int, batch: Int, input: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
    gradient: UnsafeMutablePointer<Float>
  ) {
    let from = outputs * task / tasks
    let to = outputs * (task + 1) / tasks
    let n = weight.inputs
    BLAS.gemm(
      true, false, m: to - from, n: n, k: batch, outputGradient + from, outputs, input, n,
      gradient + weight.offset + from * n, n)
  }

  public func updateArrays(
    batch: Int, input: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>, rate: Float, step: Int,
    scratch: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let array = weight.arrays[0]
    guard array.updatesPerVector else { return }
    array.outerProducts(
      input, weight.inputs, outputGradient, outputs, rows: batch, first: 0, rate: rate, step: step, pool: pool)
    array.finishOuterProducts(pool: pool)
  }

  public func select(outputs: [Int], inputs: [[Int]]) throws {
    try weight.select(outputs: outputs, inputs: inputs[0])
    bias?.select(outputs)
    self.outputs = outputs.count
  }

  public func multiplyAccumulates(inputs: [Shape], output: Shape) -> Int { weight.count }
}

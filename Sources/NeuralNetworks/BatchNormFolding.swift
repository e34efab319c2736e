import LinearAlgebra

extension Model {
  /// Folds every batch-norm that directly and alone follows a convolution or linear layer into its weights:
  /// W' = W·γ/√(σ²+ε), b' = β + (b − μ)·γ/√(σ²+ε); the norm keeps only what a layer
  /// without a bias cannot take, a shift. For inference: the statistics of a batch no longer belong to the layer.
  ///
  /// - Throws: what programming the arrays throws.
  public func foldBatchNorm(pool: ThreadPool) throws {
    for node in nodes {
      guard let norm = node.layer as? BatchNorm, node.inputs[0] >= 0 else { continue }
      let before = nodes[node.inputs[0]]
      let consumers = nodes.filter { $0.inputs.contains(node.inputs[0]) }.count
      guard let w = before.layer.weights.first, consumers == 1 else { continue }
      var matrix = w.matrix
      let (factor, shift) = norm.affine
      let bias = before.layer.parameters.first { $0.name == "bias" }
      let inputs = w.inputs
      matrix.withUnsafeMutableBufferPointer { m in
        for o in 0..<w.outputs { for k in 0..<inputs { m[o * inputs + k] *= factor[o] } }
      }
      var left = shift
      if let bias {
        for o in 0..<w.outputs {
          bias.values[o] = bias.values[o] * factor[o] + shift[o]
          left[o] = 0
        }
      }
      try w.program(matrix, pool: pool)
      norm.becomeShift(left)
    }
  }
}

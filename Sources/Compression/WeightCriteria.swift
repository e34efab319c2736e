import LinearAlgebra
import NeuralNetworks

/// s(c) = Σ |W[c, ·, ·, ·]|, the sum of a filter's absolute weights (H. Li et al., arXiv 1608.08710; in training:
/// arXiv 2003.02800).
public struct L1Norm: ChannelCriterion, OptionlessCriterion {
  public static let name = "l1"
  public static let documentation = "The sum of a filter's absolute weights (arXiv 1608.08710)."
  public let needs = CriterionNeeds.nothing
  public init() {}

  public func scores(_ context: ScoringContext) -> [[Double]] {
    context.layers.map { layer in
      let weights = layer.node.layer.weights[0]
      let n = weights.inputs
      return weights.matrix.withUnsafeBufferPointer { w in
        (0..<weights.outputs).map { o in
          var sum = 0.0
          for i in o * n..<(o + 1) * n { sum += Double(abs(w[i])) }
          return sum
        }
      }
    }
  }
}

/// s(c) uniform in 0 … 1, drawn anew for every event: the control that every other criterion must beat (D. Mittal et
/// al., arXiv 1801.10447).
public struct RandomChoice: ChannelCriterion, OptionlessCriterion {
  public static let name = "random"
  public static let documentation = "Drawn anew for every event: the control of every other criterion."
  public let needs = CriterionNeeds.nothing
  public init() {}

  public func scores(_ context: ScoringContext) -> [[Double]] {
    context.layers.enumerated().map { i, layer in
      // One for each channel that was built: what is left is scored alike whether the others were removed or silenced.
      let structure = context.model.structure[layer.name]
      let drawn = RandomPurpose.pruning.stream(seed: context.seed, owner: i, index: UInt64(context.event))
        .uniforms(structure?.channels ?? layer.channels)
      return (structure?.kept ?? Array(0..<layer.channels)).map { Double(drawn[$0]) }
    }
  }
}

/// s(c) = |γ_c|, the scale of the batch-norm behind the filter (Z. Liu et al., arXiv 1708.06519).
public struct BatchNormScale: ChannelCriterion, OptionlessCriterion {
  public static let name = "batch-norm-scale"
  public static let documentation = "The absolute scale of the batch-norm behind the filter (arXiv 1708.06519)."
  public let needs = CriterionNeeds.batchNorm
  public init() {}

  public func scores(_ context: ScoringContext) throws -> [[Double]] {
    try context.layers.map { layer in
      guard let scale = layer.norm?.layer.parameters.first(where: { $0.name == "weight" }) else {
        throw ModelError("layer \(layer.name) has no batch-norm of its own, whose scale \"\(Self.name)\" looks at")
      }
      return scale.tensor.values.map { Double(abs($0)) }
    }
  }
}

/// s(c) = Σ_j ‖W[c] − W[j]‖₂: filters near the geometric median of their layer can be replaced by the others (Y. He et
/// al., arXiv 1811.00250).
public struct GeometricMedian: ChannelCriterion, OptionlessCriterion {
  public static let name = "geometric-median"
  public static let documentation = "The sum of a filter's distances to the others of its layer (arXiv 1811.00250)."
  public let needs = CriterionNeeds.nothing
  public init() {}

  public func scores(_ context: ScoringContext) -> [[Double]] {
    zip(context.layers, context.isAlive).map { layer, isAlive in
      let weights = layer.node.layer.weights[0]
      let (m, n) = (weights.outputs, weights.inputs)
      // ‖a − b‖² = a·a + b·b − 2·a·b, all products at once.
      var products = Tensor(shape: [m, m])
      weights.matrix.withUnsafeBufferPointer { w in
        products.withUnsafeMutableBufferPointer {
          BLAS.gemm(false, true, m: m, n: m, k: n, w.baseAddress!, n, w.baseAddress!, n, $0.baseAddress!, m)
        }
      }
      return products.withUnsafeBufferPointer { p in
        (0..<m).map { c in
          var sum = 0.0
          for j in 0..<m where j != c && isAlive[j] {
            sum += max(0, Double(p[c * m + c]) + Double(p[j * m + j]) - 2 * Double(p[c * m + j])).squareRoot()
          }
          return sum
        }
      }
    }
  }
}

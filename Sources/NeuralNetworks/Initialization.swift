import LinearAlgebra

/// The law by which weights are drawn; biases start at zero except with `pytorch`.
public enum Initialization: String, CaseIterable, Sendable {
  /// U(−a, a), a = √(6 / fan-in) (He et al., arXiv 1502.01852, for ReLU).
  case kaimingUniform = "kaiming-uniform"
  /// N(0, 2 / fan-in).
  case kaimingNormal = "kaiming-normal"
  /// U(−a, a), a = √(6 / (fan-in + fan-out)) (Glorot and Bengio, AISTATS 2010).
  case xavierUniform = "xavier-uniform"
  /// N(0, 2 / (fan-in + fan-out)).
  case xavierNormal = "xavier-normal"
  /// U(−1/√fan-in, 1/√fan-in) for weights and biases: what PyTorch's layers start from.
  case pytorch
}

extension Model {
  /// Draws all weights anew, as a function of the seed and each layer's place.
  public func initialize(_ law: Initialization, seed: UInt64, pool: ThreadPool) throws {
    for (i, node) in nodes.enumerated() {
      for (k, w) in node.layer.weights.enumerated() {
        let fanIn = Double(w.inputs)
        let fanOut = Double(w.fanOut)
        let stream = RandomPurpose.initialization.stream(seed: seed, owner: 2 * i, index: UInt64(k))
        var values: [Float]
        switch law {
        case .kaimingNormal, .xavierNormal:
          let sigma = (2 / (law == .kaimingNormal ? fanIn : fanIn + fanOut)).squareRoot()
          values = stream.gaussians(w.count).map { $0 * Float(sigma) }
        case .kaimingUniform, .xavierUniform, .pytorch:
          let bound =
            law == .kaimingUniform
            ? (6 / fanIn).squareRoot() : law == .pytorch ? 1 / fanIn.squareRoot() : (6 / (fanIn + fanOut)).squareRoot()
          values = stream.uniforms(w.count).map { (2 * $0 - 1) * Float(bound) }
        }
        // Drawn in PyTorch's order, so that a network does not depend on how the engine lays out its patches.
        let torch = Tensor(shape: w.torchShape, values: values)
        try w.program(w.matrix(fromTorch: torch), pool: pool)
        if law == .pytorch, let bias = node.layer.parameters.first(where: { $0.name == "bias" }) {
          let bound = Float(1 / fanIn.squareRoot())
          bias.tensor = Tensor(
            shape: [bias.count],
            values: RandomPurpose.initialization.stream(seed: seed, owner: 2 * i + 1).uniforms(bias.count)
              .map { (2 * $0 - 1) * bound })
        }
      }
    }
  }
}

/// How a layer's relevance is shared out among its inputs: the αβ rule of layer-wise relevance propagation (Bach et al.,
/// PLOS ONE 10(7), 2015), as gradual channel pruning by feature relevance uses it (Aketi et al., arXiv 2002.09958).
///
/// For an output j of a convolution or a fully connected layer, with w⁺ = max(w, 0), w⁻ = min(w, 0) and no bias,
///
///     z⁺_j = Σ_i x_i·w⁺_ij      z⁻_j = Σ_i x_i·w⁻_ij
///     R_i  = Σ_j x_i·(α·w⁺_ij / z⁺_j − β·w⁻_ij / z⁻_j)·R_j
///
/// so that j hands on (α − β)·R_j = R_j where it has contributions of both signs, α·R_j where it has positive ones
/// alone, −β·R_j where it has negative ones alone. Inputs are not split by sign: behind a ReLU they have none, and images
/// that were shifted below zero make z small and relevance large.
///
/// Everything else conserves relevance by itself: ReLU and dropout hand it on as it is, max-pooling to the largest value
/// of the window, average pooling and sums in proportion to the values, and at a fork what comes back is added.
public struct RelevanceRule: Equatable, Sendable {
  /// What becomes of a batch-norm.
  public enum BatchNormRule: String, CaseIterable, Sendable {
    /// Relevance passes it as if it were not there: the published method.
    case ignored
    /// The weights before it are multiplied by γ/√(σ² + ε) for the propagation, so that a channel counts by what the
    /// next layer sees of it; one that no weights precede is passed as it is.
    case folded
  }

  public let alpha: Float
  public let beta: Float
  public let batchNorm: BatchNormRule

  /// Added to denominators, away from zero.
  static let stabilizer: Float = 1e-9

  /// - Throws: `ModelError` unless α − β = 1 and β ≥ 0: relevance would not be conserved.
  public init(alpha: Double = 2, beta: Double = 1, batchNorm: BatchNormRule = .ignored) throws {
    guard alpha.isFinite, beta >= 0, abs(alpha - beta - 1) < 1e-9 else {
      throw ModelError("α − β must be 1 and β not below 0, or relevance is not conserved; α is \(alpha), β is \(beta)")
    }
    self.alpha = Float(alpha)
    self.beta = Float(beta)
    self.batchNorm = batchNorm
  }

  /// The published method: α = 2, β = 1, batch-norm ignored.
  public static let published = RelevanceRule()

  private init() {
    (alpha, beta, batchNorm) = (2, 1, .ignored)
  }
}

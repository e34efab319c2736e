import LinearAlgebra

/// The learning rate over the epochs of a run, as a factor of the configured rate.
public struct Schedule: Equatable, Sendable {
  public enum Kind: Equatable, Sendable {
    case constant
    /// × factor every `interval` epochs.
    case step(interval: Int, factor: Double)
    /// × factor at each of the given epochs.
    case milestones([Int], factor: Double)
    /// ½(1 + cos(π·t/T)) between 1 and `floor` (Loshchilov and Hutter, arXiv 1608.03983).
    case cosine(floor: Double)
  }

  public let kind: Kind
  /// Epochs over which the rate rises linearly from zero; fractions are allowed.
  public let warmup: Double
  public let epochs: Int

  public init(_ kind: Kind, warmup: Double = 0, epochs: Int) {
    self.kind = kind
    self.warmup = warmup
    self.epochs = epochs
  }

  /// The factor for an update that begins at `epoch` + `fraction`, where 0 ≤ fraction < 1.
  ///
  /// Steps and milestones change between epochs; warm-up and cosine move with every update.
  public func factor(epoch: Int, fraction: Double) -> Double {
    let t = Double(epoch) + fraction
    if t < warmup { return t / warmup }
    switch kind {
    case .constant: return 1
    case .step(let interval, let factor): return Elementary.pow(factor, Double(epoch / max(1, interval)))
    case .milestones(let at, let factor): return Elementary.pow(factor, Double(at.filter { epoch >= $0 }.count))
    case .cosine(let floor):
      let span = max(1e-12, Double(epochs) - warmup)
      let progress = min(1, (t - warmup) / span)
      return floor + (1 - floor) * 0.5 * (1 + Elementary.cos(.pi * progress))
    }
  }
}

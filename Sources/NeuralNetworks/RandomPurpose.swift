import LinearAlgebra

/// What random numbers are drawn for. The raw values are part of the meaning of a seed: never renumber.
public enum RandomPurpose: Int, Sendable {
  case initialization = 1
  case dataOrder = 2
  case augmentation = 3
  case dropout = 4
  case deviceVariation = 5
  case pulseUpdate = 6
  case programming = 7
  case read = 8
  case split = 9
  case tileSample = 10
  case vectorUpdate = 11
  case weightNoise = 20
  case circuitConductance = 21
  case circuitVoltage = 22
  case circuitMove = 23
  case pruning = 30
  case imbalance = 31

  /// The stream of this purpose for one owner (a layer, an array) and index (a sample number, a step, an epoch).
  public func stream(seed: UInt64, owner: Int = 0, index: UInt64 = 0) -> RandomStream {
    RandomStream(seed: seed, purpose: RandomStream.purpose(kind: rawValue, owner: owner), index: index)
  }
}

import LinearAlgebra

/// An array whose devices change by themselves after they were programmed: drift, loss of retention.
public protocol AgeingArray: WeightArray {
  /// Makes the devices as old as this, counted from their programming: what reads see changes, what was programmed does
  /// not, so that any age can follow any other and 0 is the array as it was written. Converters keep the ranges that
  /// they were calibrated to.
  ///
  /// - Throws: what refreshing the array throws.
  func age(seconds: Double, pool: ThreadPool) throws
}

extension Model {
  /// Every array that ages.
  public var ageingArrays: [any AgeingArray] {
    weights.flatMap { $0.weights.arrays.compactMap { $0 as? any AgeingArray } }
  }
}

/// An array whose reads can fail: they are solved on the spot, and not every circuit settles.
public protocol FallibleReads: WeightArray {
  /// What went wrong since this was last asked; what was read then is not a number.
  func takeReadFailure() -> ModelError?
}

/// An array that verifies what it writes.
public protocol VerifiedArray: WeightArray {
  /// Writes that were given up while the device was off its level, since the weights were last written as a whole; nil
  /// where nothing is verified.
  var unreachedWrites: Int? { get }
}

extension Model {
  /// Over all arrays that verify what they write; nil where none does.
  public var unreachedWrites: Int? {
    let counts = weights.flatMap { $0.weights.arrays.compactMap { ($0 as? any VerifiedArray)?.unreachedWrites } }
    return counts.isEmpty ? nil : counts.reduce(0, +)
  }
}

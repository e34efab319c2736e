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

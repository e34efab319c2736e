/// What a model is asked to do: its loss, its metrics, the meaning of its outputs. Accuracy is not wired into training.
public protocol ModelTask: AnyObject {
  /// The loss of some samples, and its gradient.
  ///
  /// - outputs: [samples, outputs]   - targets: the batch's targets, of which `first` is this piece's first sample
  /// - gradient: [samples, outputs], filled with d(mean loss over the batch)/d(outputs); may be nil
  /// - Returns: the sum (not the mean) of the samples' losses.
  func loss(
    outputs: UnsafePointer<Float>, count: Int, samples: Int, targets: Targets, first: Int, batch: Int,
    gradient: UnsafeMutablePointer<Float>?
  ) -> Double

  /// Collects the metrics of an evaluation, batch by batch.
  func makeScores() -> any Scores
}

/// The targets of a batch: a class for each sample, or a row of values.
public struct Targets {
  public var labels: UnsafePointer<Int32>?
  public var values: UnsafePointer<Float>?
  public init(labels: UnsafePointer<Int32>? = nil, values: UnsafePointer<Float>? = nil) {
    self.labels = labels
    self.values = values
  }
}

/// Metrics gathered over an evaluation.
public protocol Scores: AnyObject {
  /// - outputs: [samples, outputs]
  func add(outputs: UnsafePointer<Float>, count: Int, samples: Int, targets: Targets)
  /// Name and value, fractions in 0…1 for accuracies.
  var metrics: [(name: String, value: Double)] { get }
}

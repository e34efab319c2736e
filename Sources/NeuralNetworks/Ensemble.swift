import Glibc

/// Models that answer together.
public final class Ensemble {
  public enum Combination: String, CaseIterable, Sendable {
    /// The mean of the members' probabilities (softmax of their outputs).
    case meanProbability = "mean-probability"
    /// The mean of the members' outputs.
    case meanOutput = "mean-output"
    /// Each member's answer is a vote; votes that tie are decided by the mean probability.
    case vote
  }

  public let members: [Model]
  public let combination: Combination

  /// - Throws: `ModelError` without members, or when they differ in input or output shape.
  public init(_ members: [Model], _ combination: Combination) throws {
    guard let first = members.first else { throw ModelError("an ensemble needs members") }
    for m in members where m.inputShape != first.inputShape || m.output.shape != first.output.shape {
      throw ModelError(
        "an ensemble's members must agree in shape: \(first.inputShape) → \(first.output.shape) and "
          + "\(m.inputShape) → \(m.output.shape) do not")
    }
    self.members = members
    self.combination = combination
  }

  /// Combines the members' outputs.
  ///
  /// - outputs: one [samples, count] for each member   - result: [samples, count]; its largest value is the answer
  public static func combine(
    _ outputs: [UnsafePointer<Float>], count: Int, samples: Int, _ combination: Combination,
    into result: UnsafeMutablePointer<Float>
  ) {
    let share = 1 / Float(outputs.count)
    for s in 0..<samples {
      let y = result + s * count
      for j in 0..<count { y[j] = 0 }
      for member in outputs {
        let o = member + s * count
        if combination == .meanOutput {
          for j in 0..<count { y[j] += share * o[j] }
          continue
        }
        var largest = 0
        for j in 1..<max(1, count) where o[j] > o[largest] { largest = j }
        var sum: Float = 0
        for j in 0..<count { sum += expf(o[j] - o[largest]) }
        // Probabilities sum to at most 1, so two votes always outweigh them.
        for j in 0..<count { y[j] += share * expf(o[j] - o[largest]) / sum }
        if combination == .vote { y[largest] += 2 }
      }
    }
  }
}

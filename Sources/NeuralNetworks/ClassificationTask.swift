import CKernels
import Glibc
import LinearAlgebra

/// One class for each sample.
public final class ClassificationTask: ModelTask {
  /// Loss function of a classification.
  public enum Loss: String, CaseIterable, Sendable {
    /// −Σ t·ln softmax(outputs), t the one-hot target, smoothed.
    case crossEntropy = "cross-entropy"
    /// Mean over the outputs of (outputs − one-hot)², as PyTorch's MSELoss over one-hot targets.
    case meanSquaredError = "mean-squared-error"
  }

  public let loss: Loss
  public let labelSmoothing: Float

  /// - Parameter labelSmoothing: ε in t = (1 − ε)·one-hot + ε/classes (Szegedy et al., arXiv 1512.00567); 0 ≤ ε < 1.
  public init(loss: Loss = .crossEntropy, labelSmoothing: Float = 0) {
    self.loss = loss
    self.labelSmoothing = labelSmoothing
  }

  public func loss(
    outputs: UnsafePointer<Float>, count: Int, samples: Int, targets: Targets, first: Int, batch: Int,
    gradient: UnsafeMutablePointer<Float>?
  ) -> Double {
    guard let labels = targets.labels else { preconditionFailure("a classification wants labels") }
    var total = 0.0
    let scale = 1 / Float(batch)
    for s in 0..<samples {
      let y = outputs + s * count
      let label = Int(labels[first + s])
      let g = gradient.map { $0 + s * count }
      switch loss {
      case .crossEntropy: total += crossEntropy(y, count, label, scale, g)
      case .meanSquaredError:
        let n = Float(count)
        for j in 0..<count {
          let d = y[j] - (j == label ? 1 : 0)
          total += Double(d) * Double(d) / Double(n)
          g?[j] = 2 * d / n * scale
        }
      }
    }
    return total
  }

  private func crossEntropy(
    _ y: UnsafePointer<Float>, _ n: Int, _ label: Int, _ scale: Float, _ g: UnsafeMutablePointer<Float>?
  ) -> Double {
    var largest = Double(y[0])
    for j in 1..<max(1, n) where Double(y[j]) > largest { largest = Double(y[j]) }
    var sum = 0.0
    for j in 0..<n { sum += exp(Double(y[j]) - largest) }
    let logSum = log(sum)
    let smooth = Double(labelSmoothing)
    var total = -(1 - smooth) * (Double(y[label]) - largest - logSum)
    if smooth > 0 {
      for j in 0..<n { total -= smooth / Double(n) * (Double(y[j]) - largest - logSum) }
    }
    if let g {
      let uniform = smooth / Double(n)
      for j in 0..<n {
        let p = exp(Double(y[j]) - largest) / sum
        let t = (j == label ? 1 - smooth : 0) + uniform
        g[j] = Float((p - t) * Double(scale))
      }
    }
    return total
  }

  public func makeScores() -> any Scores { ClassificationScores() }
}

/// Top-1 and top-5 accuracy and the confusion matrix.
public final class ClassificationScores: Scores {
  public private(set) var samples = 0
  public private(set) var correct = 0
  public private(set) var correctInFive = 0
  /// confusion[actual · classes + predicted]
  public private(set) var confusion: [Int] = []
  public private(set) var classes = 0

  public init() {}

  public func add(outputs: UnsafePointer<Float>, count: Int, samples n: Int, targets: Targets) {
    guard let labels = targets.labels else { preconditionFailure("a classification wants labels") }
    if classes == 0 {
      classes = count
      confusion = [Int](repeating: 0, count: count * count)
    }
    for s in 0..<n {
      let y = outputs + s * count
      let label = Int(labels[s])
      var best = 0
      for j in 1..<max(1, count) where y[j] > y[best] { best = j }
      // The rank of the true class; ties count against classes that come later, as in a stable sort.
      var rank = 0
      for j in 0..<count where y[j] > y[label] || (y[j] == y[label] && j < label) { rank += 1 }
      samples += 1
      if best == label { correct += 1 }
      if rank < 5 { correctInFive += 1 }
      confusion[label * classes + best] += 1
    }
  }

  public var metrics: [(name: String, value: Double)] {
    let n = Double(max(1, samples))
    var result = [("accuracy", Double(correct) / n)]
    if classes > 5 { result.append(("top5", Double(correctInFive) / n)) }
    return result
  }
}

/// A row of values for each sample: mean squared error.
public final class RegressionTask: ModelTask {
  public init() {}

  public func loss(
    outputs: UnsafePointer<Float>, count: Int, samples: Int, targets: Targets, first: Int, batch: Int,
    gradient: UnsafeMutablePointer<Float>?
  ) -> Double {
    guard let values = targets.values else { preconditionFailure("a regression wants values") }
    var total = 0.0
    for i in 0..<(samples * count) {
      let d = outputs[i] - values[first * count + i]
      total += Double(d) * Double(d) / Double(count)
      gradient?[i] = 2 * d / Float(count * batch)
    }
    return total
  }

  public func makeScores() -> any Scores { RegressionScores() }
}

/// Mean squared error over an evaluation.
public final class RegressionScores: Scores {
  private var sum = 0.0
  private var count = 0
  public init() {}
  public func add(outputs: UnsafePointer<Float>, count n: Int, samples: Int, targets: Targets) {
    guard let values = targets.values else { preconditionFailure("a regression wants values") }
    for i in 0..<(samples * n) {
      let d = Double(outputs[i] - values[i])
      sum += d * d
    }
    count += samples * n
  }
  public var metrics: [(name: String, value: Double)] { [("mse", count == 0 ? 0 : sum / Double(count))] }
}

/// What stands behind ±, and how long error bars are.
public enum Uncertainty: String, CaseIterable, Sendable {
  /// The sample standard deviation, s.
  case deviation
  /// The standard error of the mean, s/√n.
  case error
  /// Half of the mean's 95 % interval, t₀.₉₇₅ s/√n with n − 1 degrees of freedom.
  case interval

  /// As a sentence has it.
  var name: String {
    switch self {
    case .deviation: "standard deviation"
    case .error: "standard error"
    case .interval: "95 % interval"
    }
  }

  /// The end of a column's name for programs.
  var column: String {
    switch self {
    case .deviation: "sd"
    case .error: "se"
    case .interval: "ci95"
    }
  }
}

/// Mean and sample standard deviation of one metric over the runs of a row.
struct Spread: Equatable {
  var count: Int
  var mean: Double
  /// nil below two values.
  var deviation: Double?

  /// nil without values.
  init?(_ values: [Double]) {
    guard let first = values.first else { return nil }
    count = values.count
    // From the first value on, so that equal ones have exactly no deviation.
    let mean = first + values.reduce(0) { $0 + ($1 - first) } / Double(values.count)
    self.mean = mean
    guard values.count > 1 else { return }
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    deviation = (squares / Double(values.count - 1)).squareRoot()
  }

  /// How far the mean is uncertain; nil below two values.
  func width(_ uncertainty: Uncertainty) -> Double? {
    guard let deviation else { return nil }
    switch uncertainty {
    case .deviation: return deviation
    case .error: return deviation / Double(count).squareRoot()
    case .interval: return StudentT.critical95(count - 1) * deviation / Double(count).squareRoot()
    }
  }

  /// As people read it; shares in per cent. - Parameter metric: the metric's name.
  func text(_ metric: String, _ uncertainty: Uncertainty = .deviation) -> String {
    guard let width = width(uncertainty), width > 0 || isShare(metric) else { return readable(metric, mean) }
    if isShare(metric) { return "\(decimals(100 * mean, 2)) ± \(decimals(100 * width, 2)) %" }
    return measured(metric, mean, width)
  }
}

/// The difference of a row to its baseline over the seeds that both have, by Student's paired t-test.
///
/// d_i = row_i − baseline_i for each common seed i; t = mean(d) / (sd(d)/√n) with n − 1 degrees of freedom; the interval
/// is mean(d) ± t₀.₉₇₅ · sd(d)/√n.
struct PairedTest: Equatable {
  /// Common seeds.
  var count: Int
  /// Mean of the differences.
  var difference: Double
  /// Bounds of the 95 % interval; nil below two pairs.
  var interval: (low: Double, high: Double)?
  /// Two-sided p value of no difference; nil below two pairs.
  var p: Double?

  /// nil without pairs.
  init?(_ pairs: [(row: Double, baseline: Double)]) {
    guard let spread = Spread(pairs.map { $0.row - $0.baseline }) else { return nil }
    count = spread.count
    difference = spread.mean
    guard let deviation = spread.deviation else { return }
    let error = deviation / Double(count).squareRoot()
    let degrees = Double(count - 1)
    let margin = StudentT.critical95(count - 1) * error
    interval = (difference - margin, difference + margin)
    // The same difference for every seed: certain if it is one at all.
    p = error > 0 ? StudentT.twoSided(difference / error, degrees: degrees) : difference == 0 ? 1 : 0
  }

  static func == (a: PairedTest, b: PairedTest) -> Bool {
    a.count == b.count && a.difference == b.difference && a.p == b.p && a.interval?.low == b.interval?.low
      && a.interval?.high == b.interval?.high
  }

  /// −1.20 (−1.90 … −0.50); shares in percentage points.
  func text(_ metric: String) -> String {
    func number(_ x: Double) -> String {
      if isShare(metric) { return signed(decimals(100 * x, 2)) }
      return signed(readable(metric, x))
    }
    return number(difference) + (interval.map { " (\(number($0.low)) … \(number($0.high)))" } ?? "")
  }

  /// The p value as people read it, or why there is none.
  var significance: String {
    guard let p else { return "n = \(count)" }
    return p < 0.001 ? "< 0.001" : decimals(p, p < 0.1 ? 3 : 2)
  }

  private func signed(_ text: String) -> String {
    text.hasPrefix("−") || text.hasPrefix("-") || !text.contains { ("1"..."9").contains($0) } ? text : "+" + text
  }
}

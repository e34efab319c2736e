import Glibc
import Synchronization

/// Student's t distribution, for the paired tests of `compare`.
///
/// P(|T| > t) = I_x(ν/2, 1/2) with x = ν/(ν + t²), I the regularized incomplete beta function (M. Abramowitz and
/// I. A. Stegun, Handbook of Mathematical Functions, 26.5.27). I is had from its continued fraction, evaluated by Lentz's
/// method (W. H. Press et al., Numerical Recipes, 6.4), on whichever side of its maximum the fraction converges fast.
enum StudentT {
  /// P(|T| > |t|): the two-sided p value. - Parameter degrees: of freedom, ν > 0.
  static func twoSided(_ t: Double, degrees: Double) -> Double {
    guard t.isFinite else { return t.isNaN ? .nan : 0 }
    let (a, b) = (degrees / 2, 0.5)
    let sum = degrees + t * t
    // Both x and 1 − x are formed without a difference, so that neither end loses digits.
    let (x, rest) = (degrees / sum, t * t / sum)
    if x < (a + 1) / (a + b + 2) { return fraction(a, b, x, rest) }
    return 1 - fraction(b, a, rest, x)
  }

  /// The t that |T| exceeds with probability `p`: 12.706 for p = 0.05 and one degree of freedom.
  static func critical(_ p: Double, degrees: Double) -> Double {
    var (low, high) = (0.0, 1.0)
    while twoSided(high, degrees: degrees) > p && high < 1e300 { high *= 2 }
    for _ in 0..<120 {
      let middle = low + (high - low) / 2
      if middle == low || middle == high { break }
      if twoSided(middle, degrees: degrees) > p { low = middle } else { high = middle }
    }
    return high
  }

  /// t₀.₉₇₅ by degrees of freedom; found once, since thousands of rows have the same few.
  static func critical95(_ degrees: Int) -> Double {
    known.withLock { known in
      if let t = known[degrees] { return t }
      let t = critical(0.05, degrees: Double(degrees))
      known[degrees] = t
      return t
    }
  }
  private static let known = Mutex<[Int: Double]>([:])

  /// x^a (1 − x)^b / (a B(a, b)) times the continued fraction; `rest` is 1 − x.
  private static func fraction(_ a: Double, _ b: Double, _ x: Double, _ rest: Double) -> Double {
    if x == 0 { return 0 }
    let tiny = 1e-300
    func nonzero(_ value: Double) -> Double { abs(value) < tiny ? tiny : value }
    let front = exp(a * log(x) + b * log(rest) + lgamma(a + b) - lgamma(a) - lgamma(b)) / a
    var c = 1.0
    var d = 1 / nonzero(1 - (a + b) * x / (a + 1))
    var value = d
    for m in 1...10_000 {
      let m = Double(m)
      let even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
      let odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
      for term in [even, odd] {
        d = 1 / nonzero(1 + term * d)
        c = nonzero(1 + term / c)
        value *= c * d
      }
      if abs(c * d - 1) < 1e-15 { break }
    }
    return front * value
  }
}

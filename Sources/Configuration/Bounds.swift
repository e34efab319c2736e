/// A kind of number that ranges are made of.
public protocol BoundedNumber: Comparable, Sendable {}

extension Int: BoundedNumber {}
extension Double: BoundedNumber {}

/// A range of allowed numbers; either end may be open, missing or excluded.
public struct Bounds<Value: BoundedNumber>: Sendable {
  var lower: Value?
  var upper: Value?
  var excludesLower = false
  var excludesUpper = false

  func contains(_ value: Value) -> Bool {
    if let lower, excludesLower ? value <= lower : value < lower { return false }
    if let upper, excludesUpper ? value >= upper : value > upper { return false }
    return true
  }

  /// The range for a sentence: `1 … 1e12`, `≥ 1`, `> 0, ≤ 1`; empty if all is allowed.
  func phrase(_ write: (Value) -> String) -> String {
    if let lower, let upper, !excludesLower, !excludesUpper { return "\(write(lower)) … \(write(upper))" }
    let parts = [
      lower.map { (excludesLower ? "> " : "≥ ") + write($0) }, upper.map { (excludesUpper ? "< " : "≤ ") + write($0) },
    ]
    return parts.compactMap { $0 }.joined(separator: ", ")
  }
}

/// Whatever Swift writes a range with: `0...1`, `1...`, `..<1`, and `.above(0)`, `.between(0, 1)`, `.anything`.
public protocol BoundsConvertible<Bound> {
  /// The type of the ends.
  associatedtype Bound: BoundedNumber
  /// The range.
  var bounds: Bounds<Bound> { get }
}

extension Bounds: BoundsConvertible {
  /// Itself.
  public var bounds: Bounds<Value> { self }
}

extension BoundsConvertible {
  /// All numbers.
  public static func anything<T>() -> Bounds<T> where Self == Bounds<T> { Bounds() }
  /// Numbers greater than `lower`.
  public static func above<T>(_ lower: T) -> Bounds<T> where Self == Bounds<T> {
    Bounds(lower: lower, excludesLower: true)
  }
  /// Numbers greater than `lower` and less than `upper`.
  public static func between<T>(_ lower: T, _ upper: T) -> Bounds<T> where Self == Bounds<T> {
    Bounds(lower: lower, upper: upper, excludesLower: true, excludesUpper: true)
  }
  /// Numbers greater than `lower`, up to `upper`.
  public static func above<T>(_ lower: T, through upper: T) -> Bounds<T> where Self == Bounds<T> {
    Bounds(lower: lower, upper: upper, excludesLower: true)
  }
}

extension ClosedRange: BoundsConvertible where Bound: BoundedNumber {
  /// Both ends belong to the range.
  public var bounds: Bounds<Bound> { Bounds(lower: lowerBound, upper: upperBound) }
}

extension Range: BoundsConvertible where Bound: BoundedNumber {
  /// The upper end is excluded.
  public var bounds: Bounds<Bound> { Bounds(lower: lowerBound, upper: upperBound, excludesUpper: true) }
}

extension PartialRangeFrom: BoundsConvertible where Bound: BoundedNumber {
  /// No upper end.
  public var bounds: Bounds<Bound> { Bounds(lower: lowerBound) }
}

extension PartialRangeThrough: BoundsConvertible where Bound: BoundedNumber {
  /// No lower end.
  public var bounds: Bounds<Bound> { Bounds(upper: upperBound) }
}

extension PartialRangeUpTo: BoundsConvertible where Bound: BoundedNumber {
  /// No lower end; the upper end is excluded.
  public var bounds: Bounds<Bound> { Bounds(upper: upperBound, excludesUpper: true) }
}

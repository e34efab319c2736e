import Glibc

/// Why a file could not be read, understood or written: a sentence that says where, what was found, what was expected.
public struct DataError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The sentence, ready to be shown to a user.
  public let description: String

  public init(_ sentence: String) { description = sentence }

  /// The sentence for a failed system call: "path: cannot do (errno text)".
  static func system(_ path: String, _ failure: String, errno code: Int32) -> DataError {
    DataError("\(path): \(failure): \(String(cString: strerror(code)))")
  }
}

/// The product of `shape` times `elementSize`, or nil where it does not fit an Int or an axis is negative.
///
/// Axes of length 0 count as 1 in the check, so that any product of some of the axes (strides, a sample's size) fits
/// too: a shape that passes here never overflows later.
func checkedByteCount(shape: [Int], elementSize: Int) -> Int? {
  var bound = elementSize
  for axis in shape {
    guard axis >= 0 else { return nil }
    let (product, overflow) = bound.multipliedReportingOverflow(by: max(axis, 1))
    if overflow { return nil }
    bound = product
  }
  return shape.contains(0) ? 0 : bound
}

/// "[3, 4]" as "3×4", "[]" as "a single value": a shape as sentences show it.
func shapeText(_ shape: [Int]) -> String {
  shape.isEmpty ? "a single value" : shape.map(String.init).joined(separator: "×")
}

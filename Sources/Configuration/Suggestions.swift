// What a user may have meant.

/// The nearest of `names`, if it is near enough: the same but for case, `_` and `-`, or within an edit distance of a
/// third of the name's length (at least one).
func nearest(to name: String, among names: [String]) -> String? {
  let folded = fold(name)
  if let same = names.first(where: { fold($0) == folded }) { return same }
  // Longer words are no slip of the finger, and would cost their length squared.
  guard folded.count <= 64 else { return nil }
  var best: (name: String, distance: Int)?
  for candidate in names {
    let other = fold(candidate)
    let budget = max(1, min(folded.count, other.count) / 3)
    guard abs(folded.count - other.count) <= budget, min(folded.count, other.count) > 1 else { continue }
    let distance = editDistance(folded, other)
    if distance <= budget, distance < best?.distance ?? .max { best = (candidate, distance) }
  }
  return best?.name
}

/// What to say of a name that is none of `names`: the nearest one, or all of them.
public func didYouMean(_ name: String, among names: [String]) -> String {
  if let near = nearest(to: name, among: names) { return "did you mean \(quoted(near))?" }
  return names.isEmpty ? "" : "expected one of \(listed(names))"
}

/// Equal up to case, `_` and `-`.
func isSpellingVariant(_ a: String, _ b: String) -> Bool { fold(a) == fold(b) }

private func fold(_ name: String) -> [UInt8] {
  name.utf8.filter { $0 != UInt8(ascii: "_") && $0 != UInt8(ascii: "-") }
    .map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b` (optimal string alignment).
private func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
  var beforeLast: [Int] = []
  var last = Array(0...b.count)
  for i in 0..<a.count {
    var row = [i + 1]
    for j in 0..<b.count {
      var cost = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, beforeLast[j - 1] + 1) }
      row.append(cost)
    }
    (beforeLast, last) = (last, row)
  }
  return last[b.count]
}

/// Names in quotes for a sentence; at most twelve.
func listed(_ names: [String]) -> String {
  let shown = names.prefix(12).map(quoted).joined(separator: ", ")
  return names.count > 12 ? "\(shown), … (\(names.count) in all)" : shown
}

extension JSON {
  /// The value for a sentence: scalars as they are, lists and objects by kind.
  var phrase: String {
    switch value {
    case .null: "null"
    case .bool(let bool): bool ? "true" : "false"
    case .number(let number):
      number.double.isNaN ? "NaN" : number.double.isInfinite ? "a number beyond 1.8e308" : brief(number.double)
    case .string(let string): quoted(string)
    case .array: "a list"
    case .object: "an object"
    }
  }
}

/// A number for a sentence: 1e12 rather than 1000000000000.0.
public func inWords(_ double: Double) -> String { brief(double) }

/// A number for a sentence: 1e12 rather than 1000000000000.0.
func brief(_ double: Double) -> String {
  if let integer = Int(exactly: double), abs(double) < 1e5 { return String(integer) }
  var text = double.description
  if text.hasSuffix(".0") { text.removeLast(2) }
  if let exponent = text.firstIndex(of: "e") {
    let mantissa = text[..<exponent]
    let power = Int(text[text.index(after: exponent)...]) ?? 0
    return "\(mantissa.hasSuffix(".0") ? mantissa.dropLast(2) : mantissa)e\(power)"
  }
  // 100000 → 1e5, but 123456 stays.
  let digits = text.prefix { $0 != "." }
  let zeros = digits.reversed().prefix { $0 == "0" }.count
  if text.count == digits.count, zeros >= 4 {
    let head = digits.dropLast(zeros)
    let isNegative = head.hasPrefix("-")
    let figures = isNegative ? head.dropFirst() : head[...]
    let mantissa = figures.count > 1 ? "\(figures.prefix(1)).\(figures.dropFirst())" : String(figures)
    return "\(isNegative ? "-" : "")\(mantissa)e\(zeros + figures.count - 1)"
  }
  return text
}

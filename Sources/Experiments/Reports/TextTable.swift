import Glibc

/// Aligned text: the first column to the left, all others to the right.
struct TextTable {
  var header: [String]
  var rows: [[String]] = []
  /// Columns that hold words.
  var leftColumns: Set<Int> = [0]
  /// Columns whose cells are broken at spaces to be no wider than this, where words allow.
  var limits: [Int: Int] = [:]

  func text(indent: String = "") -> String {
    let all = [header] + rows.flatMap(broken)
    let widths = header.indices.map { c in all.map { $0[c].count }.max() ?? 0 }
    func line(_ cells: [String]) -> String {
      let padded = cells.enumerated().map { i, cell in
        let space = String(repeating: " ", count: widths[i] - cell.count)
        return leftColumns.contains(i) ? cell + space : space + cell
      }
      var text = indent + padded.joined(separator: "  ")
      while text.last == " " { text.removeLast() }
      return text
    }
    let rule = indent + widths.map { String(repeating: "─", count: $0) }.joined(separator: "  ")
    return ([line(header), rule] + all.dropFirst().map(line)).joined(separator: "\n")
  }

  /// A row as the lines it takes.
  private func broken(_ row: [String]) -> [[String]] {
    let cells = row.enumerated().map { i, cell in limits[i].map { Self.lines(cell, $0) } ?? [cell] }
    return (0..<(cells.map(\.count).max() ?? 1)).map { k in cells.map { k < $0.count ? $0[k] : "" } }
  }

  private static func lines(_ text: String, _ limit: Int) -> [String] {
    var lines = [""]
    for word in text.split(separator: " ", omittingEmptySubsequences: false) {
      if !lines[lines.count - 1].isEmpty && lines[lines.count - 1].count + 1 + word.count > limit { lines.append("") }
      lines[lines.count - 1] += (lines[lines.count - 1].isEmpty ? "" : " ") + word
    }
    return lines
  }

  var markdown: String {
    func line(_ cells: [String]) -> String {
      "| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |"
    }
    let rule = "|" + header.indices.map { leftColumns.contains($0) ? " --- |" : " ---: |" }.joined()
    return ([line(header), rule] + rows.map(line)).joined(separator: "\n")
  }
}

/// A number with so many decimals.
func decimals(_ x: Double, _ n: Int) -> String {
  guard x.isFinite else { return "\(x)" }
  var scale = 1.0
  for _ in 0..<n { scale *= 10 }
  let rounded = (abs(x) * scale).rounded()
  guard rounded < 9e15 else { return "\(x)" }
  let whole = Int(rounded)
  let digits = String(whole)
  let padded = String(repeating: "0", count: max(0, n + 1 - digits.count)) + digits
  let sign = x < 0 && whole != 0 ? "−" : ""
  return n == 0 ? sign + padded : "\(sign)\(padded.dropLast(n)).\(padded.suffix(n))"
}

/// A metric as people read it: accuracies in per cent, large counts grouped, others with four digits.
func readable(_ name: String, _ value: Double) -> String {
  if isShare(name) { return decimals(100 * value, 2) + " %" }
  if lastPart(name) == "area" { return fourDigits(value) + " mm²" }
  if let unit = unit(name) { return withPrefix(value, unit) }
  return fourDigits(value)
}

private func fourDigits(_ value: Double) -> String {
  if value == value.rounded(), abs(value) < 1e15 { return grouped(Int(value)) }
  let magnitude = abs(value)
  return magnitude >= 1e-3 && magnitude < 1e5 ? decimals(value, magnitude < 1 ? 4 : 3) : "\(Float(value))"
}

private func lastPart(_ name: String) -> String {
  name.split { $0 == "." || $0 == " " }.last.map(String.init) ?? name
}

func isShare(_ name: String) -> Bool {
  let last = lastPart(name).lowercased()
  return last.hasSuffix("accuracy") || last.hasSuffix("share")
    || ["top5", "yield", "pruned", "trainingcost"].contains(last) || last.hasPrefix("accuracy")
}

/// The unit of a metric that is given with a prefix.
private func unit(_ name: String) -> String? {
  switch lastPart(name) {
  case "energy", "energyPerSample": "J"
  case "latency": "s"
  default: nil
  }
}

/// Three digits and a prefix: 12.3 nJ.
func withPrefix(_ value: Double, _ unit: String) -> String {
  guard value.isFinite, value != 0 else { return "\(decimals(value, 0)) \(unit)" }
  let (size, prefix) = prefix(value)
  let scaled = value / size
  let digits = abs(scaled) < 9.995 ? 2 : abs(scaled) < 99.95 ? 1 : 0
  return "\(decimals(scaled, digits)) \(prefix)\(unit)"
}

/// The prefix that suits a value, and what it stands for.
private func prefix(_ value: Double) -> (size: Double, name: String) {
  let prefixes = ["f", "p", "n", "µ", "m", "", "k", "M", "G"]
  var size = 1e-15
  var i = 0
  while abs(value) / size >= 999.5 && i < prefixes.count - 1 {
    size *= 1000
    i += 1
  }
  return (size, prefixes[i])
}

/// A mean and two digits of what it is uncertain by, in one unit: 42.70 ± 0.92 nJ, 0.0097 ± 0.0011, (9.27 ± 0.60)e-6.
func measured(_ name: String, _ mean: Double, _ width: Double) -> String {
  let largest = max(abs(mean), width)
  guard mean.isFinite, width.isFinite, width > 0 else { return "\(readable(name, mean)) ± \(readable(name, width))" }
  func text(_ size: Double) -> String {
    let digits = min(8, max(0, 1 - Int(log10(width / size).rounded(.down))))
    return "\(decimals(mean / size, digits)) ± \(decimals(width / size, digits))"
  }
  if let unit = unit(name) {
    let (size, prefix) = prefix(largest)
    return "\(text(size)) \(prefix)\(unit)"
  }
  let unit = lastPart(name) == "area" ? " mm²" : ""
  if largest >= 1e-3 && largest < 1e5 { return text(1) + unit }
  let exponent = Int(log10(largest).rounded(.down))
  return "(\(text(pow(10, Double(exponent)))))e\(exponent)\(unit)"
}

func grouped(_ n: Int) -> String {
  n < 0 ? "−" + grouped(-n) : n < 1000 ? "\(n)" : "\(grouped(n / 1000)),\(String(n % 1000 + 1000).dropFirst())"
}

/// Aligned text: the first column to the left, all others to the right.
struct TextTable {
  var header: [String]
  var rows: [[String]] = []
  /// Columns that hold words.
  var leftColumns: Set<Int> = [0]

  func text(indent: String = "") -> String {
    let all = [header] + rows
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
    return ([line(header), rule] + rows.map(line)).joined(separator: "\n")
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
  if value == value.rounded(), abs(value) < 1e15 { return grouped(Int(value)) }
  let magnitude = abs(value)
  return magnitude >= 1e-3 && magnitude < 1e5 ? decimals(value, magnitude < 1 ? 4 : 3) : "\(Float(value))"
}

func isShare(_ name: String) -> Bool {
  let last = name.split { $0 == "." || $0 == " " }.last.map(String.init) ?? name
  return last.lowercased().hasSuffix("accuracy") || last == "top5"
}

func grouped(_ n: Int) -> String {
  n < 0 ? "−" + grouped(-n) : n < 1000 ? "\(n)" : "\(grouped(n / 1000)),\(String(n % 1000 + 1000).dropFirst())"
}

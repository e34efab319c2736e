import Datasets

/// A metric over two axes: a coloured cell with its number for each pair of values.
struct GridMap: Drawing {
  var name: String
  var title: String
  var xLabel: String
  var yLabel: String
  var xNames: [String]
  var yNames: [String]
  var quantity: String
  /// [y][x], as drawn; nil where there is no run, or none that is done.
  var values: [[Double?]]
  /// What stands in a cell.
  var texts: [[String]]

  var data: CSVTable {
    let rows = values.indices.flatMap { y in
      values[y].indices.map { x in [xNames[x], yNames[y], values[y][x].map { CSV.number($0) } ?? ""] }
    }
    return CSVTable(header: [xLabel, yLabel, quantity], rows: rows)
  }

  var script: String {
    let (columns, rows) = (xNames.count, yNames.count)
    let known = values.flatMap { $0.compactMap { $0 } }
    var (low, high) = (known.min() ?? 0, known.max() ?? 1)
    // gnuplot refuses a colour bar without extent.
    if !(low < high) { (low, high) = (low - abs(low) / 10 - 1e-9, low + abs(low) / 10 + 1e-9) }
    let map = values.map { row in row.map { $0.map { "\(Float($0))" } ?? "NaN" }.joined(separator: " ") }
    var labels = ""
    for y in values.indices {
      for x in values[y].indices where !texts[y][x].isEmpty {
        // Dark letters on the bright half of viridis. Not quite black and white: those follow the page's theme.
        let isBright = values[y][x].map { ($0 - low) / (high - low) > 0.6 } ?? false
        let colour = values[y][x] == nil ? 0x808080 : isBright ? 0x111111 : 0xfefefe
        labels += "\(x) \(y) \(Gnuplot.quoted(texts[y][x])) \(colour)\n"
      }
    }
    let isTurned = columns * (xNames.map(\.count).max() ?? 1) > 52
    func tics(_ names: [String]) -> String {
      // More names than fit are thinned.
      let step = max(1, (names.count + 23) / 24)
      return names.enumerated().filter { $0.offset % step == 0 }.map { "\(Gnuplot.quoted($0.element)) \($0.offset)" }
        .joined(separator: ", ")
    }
    let height = min(900, max(300, 110 + 28 * rows))
    let plots =
      ["$map matrix using 1:2:3 with image pixels"]
      + (labels.isEmpty ? [] : ["$labels using 1:2:3:4 with labels noenhanced font \",11\" tc rgb variable"])
    return """
      set terminal svg size 480,\(height) dynamic enhanced font "sans,13" background rgb "white"
      set encoding utf8
      set xlabel \(Gnuplot.quoted(xLabel)) noenhanced
      set ylabel \(Gnuplot.quoted(yLabel)) noenhanced
      set cblabel \(Gnuplot.quoted(quantity)) noenhanced
      set palette defined (0 "#440154", 1 "#482878", 2 "#3e4989", 3 "#31688e", 4 "#26828e", 5 "#1f9e89", 6 "#35b779", \
      7 "#6ece58", 8 "#b5de2b", 9 "#fde725")
      set xrange [-0.5:\(columns).0-0.5]
      set yrange [-0.5:\(rows).0-0.5]
      set cbrange [\(low):\(high)]
      set tics out nomirror
      set xtics (\(tics(xNames))) noenhanced\(isTurned ? " rotate by -45" : "")
      set ytics (\(tics(yNames))) noenhanced
      set datafile missing "NaN"
      unset key
      $map << EOD
      \(map.joined(separator: "\n"))
      EOD
      \(labels.isEmpty ? "" : "$labels << EOD\n\(labels)EOD")
      plot \(plots.joined(separator: ", "))

      """
  }
}

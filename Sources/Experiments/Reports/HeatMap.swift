import Datasets
import LinearAlgebra

/// A quantity of every cell of an array, word lines downwards and bit lines to the right, as in the drawing of the circuit.
struct HeatMap {
  /// Of its files.
  var name: String
  var title: String
  /// What is shown, and its SI unit ("" for a ratio, which is drawn in per cent).
  var quantity: String
  var unit: String
  /// [word lines, bit lines]; NaN where there is nothing to show.
  var values: Matrix

  /// The files of a map of that name.
  static func files(_ name: String) -> [String] { ["\(name).npy", "\(name).gp", "\(name).svg"] }

  /// Writes the map's values as <name>.npy and, if drawn, <name>.gp and <name>.svg.
  ///
  /// - Parameter place: makes a file's path of its name.
  /// - Returns: a sentence when gnuplot is missing or failed.
  /// - Throws: `DataError` when a file cannot be written.
  func write(drawn: Bool, _ place: (String) throws -> String) throws -> String? {
    try Npy.write(values, to: try place("\(name).npy"))
    guard drawn else { return nil }
    let script = try place("\(name).gp")
    try DurableFile.write(self.script, to: script)
    switch Gnuplot.svg(ofScript: script) {
    case .success(let bytes): try DurableFile.write(bytes, to: try place("\(name).svg"))
    case .failure(let problem): return problem.sentence
    }
    return nil
  }

  /// The largest power of a thousand below the largest magnitude, with its prefix; per cent for ratios.
  private var scale: (factor: Double, unit: String) {
    if unit.isEmpty { return (100, "%") }
    let largest = values.values.reduce(0) { $1.isFinite ? max($0, $1.magnitude) : $0 }
    let prefixes = [
      (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"), (1e-15, "f"), (1e-18, "a"),
    ]
    let (size, prefix) = prefixes.first { largest >= $0.0 } ?? (largest == 0 ? prefixes[0] : prefixes[6])
    return (1 / size, prefix + unit)
  }

  private var script: String {
    let (factor, unit) = scale
    let (rows, columns) = (values.rows, values.columns)
    var data = ""
    var (low, high) = (Double.infinity, -Double.infinity)
    for i in 0..<rows {
      for j in 0..<columns {
        let value = factor * values[i, j]
        if value.isFinite { (low, high) = (min(low, value), max(high, value)) }
        // Single precision is more than an eye can tell.
        data += (j == 0 ? "" : " ") + (value.isFinite ? "\(Float(value))" : "NaN")
      }
      data += "\n"
    }
    // gnuplot refuses a colour bar without extent.
    if !(low < high) { (low, high) = low.isFinite ? (low - abs(low) / 10 - 1e-9, low + abs(low) / 10 + 1e-9) : (0, 1) }
    // A rectangle for each cell is sharp everywhere; of many, a picture is smaller.
    let isLarge = rows * columns > 16_384
    // Square cells, and room for the axes and the colour bar.
    let edge = 460.0 / Double(max(rows, columns, 1))
    let (width, height) = (Int(edge * Double(columns)) + 220, Int(edge * Double(rows)) + 120)
    // Viridis (S. van der Walt and N. Smith), told apart by colour-blind readers and in grey.
    return """
      set terminal svg size \(max(width, 380)),\(max(height, 260)) dynamic enhanced font "sans,13" background rgb "white"
      set encoding utf8
      set title \(Gnuplot.quoted(title)) noenhanced
      set xlabel "bit line" noenhanced
      set ylabel "word line" noenhanced
      set cblabel \(Gnuplot.quoted("\(quantity) (\(unit))")) noenhanced
      set palette defined (0 "#440154", 1 "#482878", 2 "#3e4989", 3 "#31688e", 4 "#26828e", 5 "#1f9e89", 6 "#35b779", \
      7 "#6ece58", 8 "#b5de2b", 9 "#fde725")
      set xrange [-0.5:\(columns).0-0.5]
      set yrange [\(rows).0-0.5:-0.5]
      set cbrange [\(low):\(high)]
      set size ratio \(Double(rows) / Double(max(columns, 1)))
      set tics out nomirror
      set xtics 0,\(tick(columns))
      set ytics 0,\(tick(rows))
      set datafile missing "NaN"
      unset key
      $map << EOD
      \(data)EOD
      plot $map matrix using 1:2:3 with image\(isLarge ? "" : " pixels")

      """
  }

  /// A step between tics that gives some eight of them.
  private func tick(_ count: Int) -> Int {
    var step = 1
    while count / step > 9 { step *= 2 }
    return step
  }
}

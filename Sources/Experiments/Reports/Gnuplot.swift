import Datasets
import Foundation

/// A line chart: what gnuplot is asked to draw.
struct Figure {
  enum Style {
    /// Points, joined.
    case line
    /// Points alone, for a cloud of them.
    case points
    /// Points with the errors of their y.
    case errors
    /// Joined points with the errors of their y.
    case lineWithErrors
    /// The area from y − error to y + error.
    case band
    /// A staircase that rises at each point: the best so far.
    case steps
  }
  struct Line {
    var title: String
    var points: [(x: Double, y: Double)]
    var style = Style.line
    /// Of each y, upwards and downwards; empty without a style that shows them.
    var errors: [Double] = []
    /// Dashed, for a second kind of line (training beside test).
    var isDashed = false
    /// gnuplot's dash pattern, where lines are to be told apart without colour; nil as `isDashed` says.
    var dash: Int?
    /// Colour of the group it belongs to.
    var colour = 0
    /// Moves a line with errors along x where it is drawn, on a logarithmic axis by a factor: bars at one place hide each
    /// other.
    var shift: Double?
  }
  var name: String
  var title: String
  var xLabel: String
  var yLabel: String
  var lines: [Line]
  var hasLogarithmicX = false
  var hasLogarithmicY = false
  /// Pixels, at which letters are 13 high.
  var size = (width: 720, height: 440)
  /// gnuplot's format of the numbers at the x axis; empty for its own.
  var xFormat = ""
  /// Without it the title is left to what is around the figure.
  var showsTitle = true
  /// What the lines' titles are values of.
  var keyTitle = ""
  /// Named places on the x axis, instead of numbers or beside them.
  var xNames: [(name: String, x: Double)] = []
  var showsNumbers = true
  var xRange: ClosedRange<Double>?
  /// A dashed line across, with its name.
  var threshold: (name: String, y: Double)?
}

/// A figure that gnuplot draws, with its data for others.
protocol Drawing {
  /// Of its files.
  var name: String { get }
  var title: String { get }
  /// Whole: it draws to whatever the output is.
  var script: String { get }
  var data: CSVTable { get }
}

extension Figure: Drawing {
  var script: String { Gnuplot.script(self) }
  var data: CSVTable {
    let hasErrors = lines.contains { !$0.errors.isEmpty }
    let rows = lines.flatMap { l in
      l.points.enumerated().map { i, p in
        [l.title, "\(p.x)", "\(p.y)"] + (hasErrors ? [i < l.errors.count ? "\(l.errors[i])" : ""] : [])
      }
    }
    return CSVTable(header: ["line", "x", "y"] + (hasErrors ? ["error"] : []), rows: rows)
  }
}

/// Draws SVG figures with Debian's gnuplot; beside each stand its script and its data, for restyling.
enum Gnuplot {
  /// Okabe and Ito's colours, told apart by colour-blind readers.
  /// But for the yellow, which is hard to see on white: a grey.
  private static let colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#888888"]

  /// Draws all of them with one process, in order, into <name>.svg with <name>.gp and <name>.csv beside.
  ///
  /// - Returns: the pictures by name, and a sentence when gnuplot is missing or some could not be drawn.
  /// - Throws: `DataError` when a file cannot be written.
  static func drawTogether(_ drawings: [any Drawing], into folder: String) throws -> (
    pictures: [String: [UInt8]], problem: String?
  ) {
    for drawing in drawings {
      try CSV.write(drawing.data, to: "\(folder)/\(drawing.name).csv")
      try DurableFile.write(drawing.script, to: "\(folder)/\(drawing.name).gp")
      try DurableFile.remove("\(folder)/\(drawing.name).svg")
    }
    var pictures: [String: [UInt8]] = [:]
    var left = drawings.map(\.name)
    var problem: String?
    while !left.isEmpty {
      let path = "\(folder)/all.gp"
      let script = left.map { name in
        "reset\nset output \(quoted("\(folder)/\(name).svg"))\nload \(quoted("\(folder)/\(name).gp"))\nunset output\n"
      }
      try DurableFile.write(script.joined(), to: path)
      let result = ChildProcess.run("gnuplot", ["-d", path])
      try DurableFile.remove(path)
      if result.isMissing { return ([:], missing) }
      var drawn: Set<String> = []
      for name in left {
        guard let bytes = try? FileBytes.read("\(folder)/\(name).svg"), bytes.suffix(16).contains(0x3e),
          String(decoding: bytes.suffix(16), as: UTF8.self).contains("</svg>")
        else { break }
        pictures[name] = bytes
        drawn.insert(name)
      }
      left.removeAll { drawn.contains($0) }
      // It stops at the first it cannot draw; the others need not suffer for it.
      guard let failed = left.first else { break }
      problem = "gnuplot could not draw \(failed): \(result.complaint ?? "no message")"
      try DurableFile.remove("\(folder)/\(failed).svg")
      left.removeFirst()
    }
    return (pictures, problem)
  }

  private static let missing = "no figures: gnuplot was not found; install it with: apt-get install gnuplot-nox"

  /// - Returns: a sentence when gnuplot is missing or failed; the run goes on without figures.
  /// - Throws: `DataError` when a file cannot be written.
  static func draw(_ figures: [Figure], into folder: String) throws -> String? {
    for figure in figures {
      try CSV.write(figure.data, to: "\(folder)/\(figure.name).csv")
      let text = script(figure)
      try DurableFile.write(text, to: "\(folder)/\(figure.name).gp")
      switch svg(ofScript: "\(folder)/\(figure.name).gp") {
      case .success(let bytes): try DurableFile.write(bytes, to: "\(folder)/\(figure.name).svg")
      case .failure(let problem): return problem.sentence
      }
    }
    return nil
  }

  /// A text as gnuplot reads it between double quotes.
  ///
  /// A back quote would have what follows run by the shell, and names come from files that others may have sent.
  static func quoted(_ text: String) -> String {
    var quoted = ""
    for character in text {
      if character.isNewline {
        quoted += " "
        continue
      }
      if "\\\"`".contains(character) { quoted += "\\" }
      quoted.append(character)
    }
    return "\"\(quoted)\""
  }

  static func script(_ f: Figure) -> String {
    var s = """
      set terminal svg size \(f.size.width),\(f.size.height) dynamic enhanced font "sans,13" background rgb "white"
      set encoding utf8
      set xlabel \(quoted(f.xLabel)) noenhanced
      set ylabel \(quoted(f.yLabel)) noenhanced
      set grid lc rgb "#cccccc"
      set border 3
      set tics nomirror
      set key below noenhanced height 1.5

      """
    if f.showsTitle { s += "set title \(quoted(f.title)) noenhanced\n" }
    // Above, where it cannot be taken for the axis' name.
    if !f.keyTitle.isEmpty {
      s += "set key above horizontal Left reverse height 0.5 samplen 3 title \(quoted(f.keyTitle)) noenhanced\n"
    }
    if f.hasLogarithmicX { s += "set logscale x\nset format x \"%g\"\n" }
    if f.hasLogarithmicY { s += "set logscale y\nset format y \"%g\"\n" }
    if !f.xFormat.isEmpty { s += "set format x \(quoted(f.xFormat))\n" }
    if let range = f.xRange { s += "set xrange [\(range.lowerBound):\(range.upperBound)]\n" }
    if !f.xNames.isEmpty {
      // Names of places are formats of numbers.
      let names = f.xNames.map { "\(quoted($0.name.replacing("%", with: "%%"))) \($0.x)" }.joined(separator: ", ")
      s += "set xtics \(f.showsNumbers ? "add " : "")(\(names)) noenhanced\n"
    }
    for (i, line) in f.lines.enumerated() {
      let points = line.points.enumerated().map { k, p in
        "\(p.x) \(p.y)" + (line.errors.isEmpty ? "" : " \(line.errors[k])")
      }
      s += "$line\(i) << EOD\n" + points.joined(separator: "\n") + "\nEOD\n"
    }
    var plots = f.lines.enumerated().map { i, line in
      let colour = "lc rgb \"\(colours[line.colour % colours.count])\""
      let dash = "dt \(line.dash ?? (line.isDashed ? 2 : 1))"
      let x = line.shift.map { "($1\(f.hasLogarithmicX ? "*" : "+")(\($0)))" } ?? "1"
      let style =
        switch line.style {
        case .line: "using 1:2 with linespoints lw 2 pt 7 ps 0.4 \(dash)"
        case .points: "using 1:2 with points pt 7 ps 0.5"
        case .errors: "using \(x):2:3 with yerrorbars lw 2 pt 7 ps 0.8"
        case .lineWithErrors: "using \(x):2:3 with yerrorlines lw 2 pt 7 ps 0.5 \(dash)"
        case .band: "using 1:($2-$3):($2+$3) with filledcurves fs transparent solid 0.2 noborder"
        case .steps: "using 1:2 with steps lw 2 \(dash)"
        }
      return "$line\(i) \(style) \(colour) " + (line.title.isEmpty ? "notitle" : "title \(quoted(line.title))")
    }
    if let threshold = f.threshold {
      plots.append("\(threshold.y) with lines dt 2 lc rgb \"#666666\" title \(quoted(threshold.name))")
    }
    return s + "plot " + plots.joined(separator: ", \\\n     ") + "\n"
  }

  struct Problem: Error {
    let sentence: String
  }

  /// What gnuplot draws of a script, or why it does not.
  static func svg(ofScript path: String) -> Result<[UInt8], Problem> {
    // -d: what a user's ~/.gnuplot sets is not meant for these.
    let result = ChildProcess.run("gnuplot", ["-d", path.hasPrefix("-") ? "./" + path : path])
    if result.status == 0 { return .success(result.output) }
    return .failure(
      Problem(
        sentence: result.isMissing
          ? missing
          : "gnuplot failed, so there are no figures: \(result.complaint ?? "no message")"))
  }
}

/// Loss and accuracy against the epoch, from the training stages of a run.
enum TrainingFigures {
  static func figures(from results: [StageResult], several: Bool) -> [Figure] {
    let trained = results.filter { $0.stage == "train" }
    guard trained.contains(where: { $0.series.contains { $0.values.count > 0 } }) else { return [] }
    func figure(_ name: String, _ title: String, _ yLabel: String, suffix: String, scale: Double) -> Figure {
      var lines: [Figure.Line] = []
      for (i, r) in trained.enumerated() {
        for s in r.series where s.name.hasSuffix(suffix) {
          let part = String(s.name.dropLast(suffix.count))
          let who = several ? "\(r.model), \(part)" : part
          let stage = trained.filter { $0.model == r.model }.count > 1 ? "\(r.label): " : ""
          lines.append(
            Figure.Line(
              title: stage + who,
              points: s.values.enumerated().filter(\.element.isFinite).map {
                (Double($0.offset + 1), scale * $0.element)
              },
              isDashed: part == "train", colour: i))
        }
      }
      return Figure(name: name, title: title, xLabel: "epoch", yLabel: yLabel, lines: lines)
    }
    return [
      figure("loss", "Loss", "mean loss", suffix: "Loss", scale: 1),
      figure("accuracy", "Accuracy", "accuracy (%)", suffix: "Accuracy", scale: 100),
    ]
  }
}

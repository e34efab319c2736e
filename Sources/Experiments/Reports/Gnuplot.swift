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
  }
  struct Line {
    var title: String
    var points: [(x: Double, y: Double)]
    var style = Style.line
    /// Of each y, upwards and downwards; empty without a style that shows them.
    var errors: [Double] = []
    /// Dashed, for a second kind of line (training beside test).
    var isDashed = false
    /// Colour of the group it belongs to.
    var colour = 0
  }
  var name: String
  var title: String
  var xLabel: String
  var yLabel: String
  var lines: [Line]
  var hasLogarithmicX = false
  /// Named places on the x axis, instead of numbers or beside them.
  var xNames: [(name: String, x: Double)] = []
  var showsNumbers = true
  var xRange: ClosedRange<Double>?
  /// A dashed line across, with its name.
  var threshold: (name: String, y: Double)?
}

/// Draws SVG figures with Debian's gnuplot; beside each stand its script and its data, for restyling.
enum Gnuplot {
  /// Okabe and Ito's colours, told apart by colour-blind readers.
  private static let colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442"]

  /// - Returns: a sentence when gnuplot is missing or failed; the run goes on without figures.
  /// - Throws: `DataError` when a file cannot be written.
  static func draw(_ figures: [Figure], into folder: String) throws -> String? {
    for figure in figures {
      let hasErrors = figure.lines.contains { !$0.errors.isEmpty }
      let rows = figure.lines.flatMap { l in
        l.points.enumerated().map { i, p in
          [l.title, "\(p.x)", "\(p.y)"] + (hasErrors ? [i < l.errors.count ? "\(l.errors[i])" : ""] : [])
        }
      }
      try CSVText.write(
        ["line", "x", "y"] + (hasErrors ? ["error"] : []), rows, to: "\(folder)/\(figure.name).csv")
      let text = script(figure)
      try DurableFile.write(text, to: "\(folder)/\(figure.name).gp")
      switch svg(ofScript: "\(folder)/\(figure.name).gp") {
      case .success(let bytes): try DurableFile.write(bytes, to: "\(folder)/\(figure.name).svg")
      case .failure(let problem): return problem.sentence
      }
    }
    return nil
  }

  static func quoted(_ text: String) -> String {
    "\"" + text.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"") + "\""
  }

  private static func script(_ f: Figure) -> String {
    var s = """
      set terminal svg size 720,440 dynamic enhanced font "sans,13" background rgb "white"
      set encoding utf8
      set title \(quoted(f.title)) noenhanced
      set xlabel \(quoted(f.xLabel)) noenhanced
      set ylabel \(quoted(f.yLabel)) noenhanced
      set grid lc rgb "#cccccc"
      set border 3
      set tics nomirror
      set key below noenhanced height 1.5

      """
    if f.hasLogarithmicX { s += "set logscale x\nset format x \"%g\"\n" }
    if let range = f.xRange { s += "set xrange [\(range.lowerBound):\(range.upperBound)]\n" }
    if !f.xNames.isEmpty {
      let names = f.xNames.map { "\(quoted($0.name)) \($0.x)" }.joined(separator: ", ")
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
      let dash = "dt \(line.isDashed ? 2 : 1)"
      let style =
        switch line.style {
        case .line: "using 1:2 with linespoints lw 2 pt 7 ps 0.4 \(dash)"
        case .points: "using 1:2 with points pt 7 ps 0.5"
        case .errors: "using 1:2:3 with yerrorbars lw 2 pt 7 ps 0.8"
        case .lineWithErrors: "using 1:2:3 with yerrorlines lw 2 pt 7 ps 0.5 \(dash)"
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
    let result = ChildProcess.run("gnuplot", [path.hasPrefix("-") ? "./" + path : path])
    if result.status == 0 { return .success(result.output) }
    return .failure(
      Problem(
        sentence: result.isMissing
          ? "no figures: gnuplot was not found; install it with: apt-get install gnuplot-nox"
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

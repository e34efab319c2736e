import Configuration
import Foundation
import Testing

@testable import Experiments

@Suite("compare: one axis through several experiments, and its figure")
struct CompareAxisTests {
  let lab: Bench
  var root: String { lab.folder + "/Results" }

  /// Pruned while it learns by two criteria, and from scratch: the share stands at two places; shares 0.4 and 0.8, two seeds.
  init() throws {
    lab = try Bench()
    for share in [0.4, 0.8] {
      for seed in [1, 2] {
        for (criterion, base) in [("l1", 0.9), ("relevance", 0.8)] {
          let stage: JSON = [
            "train": ["epochs": 2, "prune": ["criterion": ["kind": .string(criterion)], "share": .number(share)]]
          ]
          try write("pruned", [stage], seed, base - 0.1 * share + 0.01 * Double(seed))
        }
        let stages: [JSON] = [
          ["prune": ["criterion": ["kind": "l1"], "share": .number(share)]], ["train": ["epochs": 2]],
        ]
        try write("scratch", stages, seed, 0.7 - 0.1 * share + 0.01 * Double(seed))
      }
    }
  }

  private func write(_ name: String, _ stages: [JSON], _ seed: Int, _ accuracy: Double) throws {
    let config: JSON = [
      "name": .string(name), "seed": .integer(seed), "data": ["dataset": "digits"],
      "models": ["main": ["architecture": "mlp"]], "stages": .array(stages),
    ]
    // Folders are read in the order of their names.
    let id = String(100 + (FileManager.default.subpaths(atPath: root) ?? []).count)
    let folder = "\(root)/\(name)/\(id)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let result: JSON = [
      "name": .string(name), "runID": .string(id), "status": "done", "seed": .integer(seed), "config": config,
      "stages": [], "metrics": ["test.accuracy": .number(accuracy), "test.tiles": 4],
    ]
    try result.written(pretty: true).write(toFile: folder + "/result.json", atomically: true, encoding: .utf8)
  }

  private func comparison(_ change: (inout Comparison.Request) -> Void) throws -> Comparison {
    var request = Comparison.Request()
    change(&request)
    return try Comparison(folders: [root], request)
  }
  private func refusal(_ change: (inout Comparison.Request) -> Void) throws -> String {
    try #require(throws: RunError.self) { try comparison(change) }.description
  }

  @Test("a word that no run has at two places names them all: rows and columns go through both experiments")
  func places() throws {
    let table = try comparison {
      $0.rows = ["share"]
      $0.columns = ["name", "criterion"]
    }
    #expect(table.notes.isEmpty)
    let lines = table.text(.markdown).split(separator: "\n").map(String.init)
    #expect(lines.count == 5)
    #expect(lines[1] == "| share | pruned, l1 | pruned, relevance | scratch, l1 |")
    #expect(lines[3].hasPrefix("| 0.4 | 87.50 ± 0.71 % | 77.50 ± 0.71 % | 67.50 ± 0.71 % |"))
    #expect(lines[4].hasPrefix("| 0.8 | 83.50 ± 0.71 % | 73.50 ± 0.71 % | 63.50 ± 0.71 % |"))
    // Without the name as a column it is a part of the row.
    let long = try comparison { ($0.rows, $0.conditions) = (["prune.share"], ["criterion=l1"]) }
    #expect(long.rows.count == 4 && long.notes.isEmpty)
    #expect(long.text(.csv).hasPrefix("experiment,runs,seeds,diverged,failed,prune.share,test.accuracy,"))
  }

  @Test("places are one path for means and baselines too: --average takes both, each experiment has its own baseline")
  func placesAsOne() throws {
    let average = try comparison { ($0.rows, $0.averaged) = (["name", "criterion"], ["share"]) }
    #expect(average.rows.map { $0.group.runs.count } == [4, 4, 4] && average.notes.isEmpty)
    #expect(try refusal { ($0.rows, $0.averaged) = (["share"], ["prune.share"]) }.hasPrefix("share: is averaged over"))
    let base = try comparison { ($0.rows, $0.baseline) = (["share"], "share=0.4") }
    #expect(base.rows.count == 6 && base.rows.allSatisfy { $0.baseline != nil })
    for row in base.rows where !base.isBaseline(row) {
      #expect(abs((base.test(row, "test.accuracy")?.difference ?? 0) + 0.04) < 1e-12)
    }
    // The name as a row is no further column, and is not left out of a wide table.
    let named = try comparison { ($0.rows, $0.conditions) = (["name", "share"], ["criterion=l1"]) }
    #expect(named.text(.csv).hasPrefix("runs,seeds,diverged,failed,experiment,share,"))
    #expect(named.text(.markdown).hasPrefix("| experiment | share | run |"))
  }

  @Test("a chip's seed that stands at two places can be rows: then it is no longer averaged over")
  func chips() throws {
    try FileManager.default.removeItem(atPath: root)
    for chip in [1, 2] {
      let hardware: JSON = ["kind": "crossbar", "seed": .integer(chip)]
      try write("early", [["map": ["hardware": hardware]], ["train": ["epochs": 2]]], 1, 0.1 * Double(chip))
      try write("late", [["train": ["epochs": 2]], ["map": ["hardware": hardware]]], 1, 0.5 + 0.1 * Double(chip))
    }
    let table = try comparison { ($0.rows, $0.columns) = (["hardware.seed"], ["name"]) }
    let lines = table.text(.markdown).split(separator: "\n").suffix(2)
    #expect(lines == ["| 1 | 10.00 % | 60.00 % |", "| 2 | 20.00 % | 70.00 % |"])
  }

  @Test("a word that some run has at two places is refused, and the places are named")
  func ambiguous() throws {
    try write("two", [["train": ["epochs": 2]], ["train": ["epochs": 3]]], 1, 0.5)
    let sentence = try refusal { $0.rows = ["epochs"] }
    #expect(sentence.hasPrefix("--rows epochs: is the end of 2 paths: stages.0.train.epochs, stages.1.train.epochs"))
  }

  @Test("a figure: the first row path along x, a line for each setting, error bars of the spread asked for")
  func figure() throws {
    let table = try comparison {
      $0.rows = ["share"]
      $0.columns = ["name", "criterion"]
      $0.uncertainty = .interval
    }
    let figure = try table.figure("--figure a.svg")
    #expect(figure.lines.map(\.title) == ["pruned, l1", "pruned, relevance", "scratch, l1"])
    #expect(figure.xLabel == "share" && figure.yLabel == "test.accuracy (%)")
    for (line, base) in zip(figure.lines, [91.5, 81.5, 71.5]) {
      #expect(line.points.map(\.x) == [0.4, 0.8])
      for (point, error) in zip(line.points, line.errors) {
        #expect(abs(point.y - (base - 10 * point.x)) < 1e-9)
        // t₀.₉₇₅ with one degree of freedom, 12.706, times 0.5 %.
        #expect(abs(error - 6.353) < 1e-3)
      }
    }
    // Error bars stand side by side; the data say where they belong.
    #expect(figure.lines.map { (1000 * ($0.shift ?? 9)).rounded() } == [-16, 0, 16])
    #expect(figure.script.contains("using ($1+(-0.016") && figure.script.contains("\n0.4 87.5"))
    #expect(figure.title == "test.accuracy (%) against share, mean ± 95 % interval over 2 seeds")
    let script = lab.folder + "/accuracy.gp"
    try table.draw(into: [script])
    #expect(try String(contentsOfFile: script, encoding: .utf8) == figure.script)
  }

  @Test(
    "a picture by gnuplot", .enabled(if: Conditions.gnuplot, "gnuplot is not installed: apt-get install gnuplot-nox"))
  func picture() throws {
    let path = lab.folder + "/accuracy.svg"
    try comparison { $0.rows = ["share"] }.draw(into: [path])
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text.contains("<svg") && text.contains("relevance") && text.contains("</svg>"))
  }

  @Test("what is no figure is refused with what to change")
  func refusals() throws {
    func sentence(_ paths: [String], _ change: (inout Comparison.Request) -> Void) throws -> String {
      let table = try comparison(change)
      return try #require(throws: RunError.self) { try table.draw(into: paths) }.description
    }
    #expect(
      try sentence(["a.png"]) { $0.rows = ["share"] }
        == "--figure a.png: expected NAME.svg, a picture, or NAME.gp, its script for gnuplot")
    #expect(try sentence(["a.gp"]) { _ in }.contains("--rows PATH says what lies along x"))
    #expect(
      try sentence(["a.gp"]) { ($0.rows, $0.metrics) = (["share"], ["*"]) }
        == "--figure a.gp: one axis cannot show accuracy, tiles together; choose with --metric")
    #expect(
      try sentence(["a.gp"]) { ($0.rows, $0.conditions) = (["share"], ["share=0.4"]) }
        == "--figure a.gp: all rows have the same share, there is no axis")
    try write("whole", [["train": ["epochs": 1]]], 1, 0.9)
    #expect(
      try comparison { $0.rows = ["share"] }.draw(into: [lab.folder + "/a.gp"])
        == ["1 of 7 rows have no share, and are not in the figure"])
    try write("50 %", [["train": ["epochs": 1]]], 1, 0.9)
    #expect(try comparison { $0.rows = ["name"] }.figure("").script.contains("\"50 %%\""))
    #expect(try sentence([lab.folder + "/none/a.gp"]) { $0.rows = ["share"] }.contains("No such file or directory"))
  }

  @Test("an object that says its kind is written in words")
  func kindsInWords() throws {
    func cell(_ text: String) throws -> String { try JSON.parse(text).cell }
    #expect(try cell(#"{"kind":"relevance","classWeights":false}"#) == "relevance, classWeights false")
    #expect(try cell(#"{"beta":0.5,"kind":"relevance"}"#) == "relevance, beta 0.5")
    #expect(try cell(#"{"on":10}"#) == #"{"on":10}"#)
  }
}

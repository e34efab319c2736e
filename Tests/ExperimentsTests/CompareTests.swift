import Configuration
import Datasets
import Foundation
import Testing

@testable import Experiments

@Suite("compare")
struct CompareTests {
  let lab: Bench
  var root: String { lab.folder + "/Results" }

  /// Five finished runs: rate 0.1 with seeds 1, 2, 3, and rate 0.5 with seeds 1, 2.
  init() throws {
    lab = try Bench()
    for (seed, accuracy) in [(1, 0.90), (2, 0.92), (3, 0.97)] { try write("a\(seed)", seed: seed, rate: 0.1, accuracy) }
    for (seed, accuracy) in [(1, 0.5), (2, 0.7)] { try write("b\(seed)", seed: seed, rate: 0.5, accuracy) }
  }

  private func write(
    _ id: String, seed: Int, rate: Double, _ accuracy: Double, status: String = "done", metric: String? = nil
  ) throws {
    let folder = "\(root)/e/\(id)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let json: JSON = [
      "name": "e", "runID": .string(id), "status": .string(status), "seed": .integer(seed),
      "config": [
        "name": "e", "seed": .integer(seed), "data": ["dataset": "digits"], "models": ["main": ["architecture": "mlp"]],
        "stages": [
          ["train": ["epochs": 2, "rate": .number(rate)]], ["evaluate": ["split": "test"], "label": "test"],
        ],
      ], "stages": [],
      "metrics": metric.map { .object([($0, .number(accuracy))]) }
        ?? ["test.accuracy": .number(accuracy), "test.loss": .number(1 - accuracy)],
    ]
    try json.written(pretty: true).write(toFile: folder + "/result.json", atomically: true, encoding: .utf8)
  }

  private func compare(_ metrics: [String] = [], where conditions: [String] = [], sort: String? = nil) throws
    -> Comparison
  {
    var request = Comparison.Request()
    (request.metrics, request.conditions, request.sort) = (metrics, conditions, sort)
    return try Comparison(folders: [root], request)
  }

  private func rows(_ comparison: Comparison) throws -> [JSON] {
    try #require(try JSON.parse(comparison.text(.json), dialect: .strict).array)
  }

  @Test("runs that differ in their seed alone are one row: mean and sample standard deviation")
  func groups() throws {
    let rows = try rows(compare())
    #expect(rows.count == 2)
    let a = try #require(rows.first { $0["runs"]?.array?.count == 3 }?["metrics"]?["test.accuracy"])
    #expect(abs((a["mean"]?.double ?? 0) - 0.93) < 1e-12)
    #expect(abs((a["sd"]?.double ?? 0) - 0.0013.squareRoot()) < 1e-12)
    #expect(a["n"] == 3)
    #expect(rows.compactMap { $0["differences"]?["stages.0.train.rate"]?.string }.sorted() == ["0.1", "0.5"])
    #expect(rows[0]["metrics"]?["test.loss"] == nil, "accuracies alone, unless asked for")
  }

  @Test("a run found twice counts once")
  func twice() throws {
    let comparison = try Comparison(folders: [root, root + "/e/a1", root + "/e"], Comparison.Request())
    #expect(try rows(comparison).compactMap { $0["runs"]?.array?.count }.sorted() == [2, 3])
  }

  @Test("tables and Markdown show mean ± deviation in per cent, CSV bare numbers with a header")
  func formats() throws {
    let comparison = try compare()
    #expect(comparison.text(.table).contains("93.00 ± 3.61 %"))
    #expect(comparison.text(.markdown).contains("| 93.00 ± 3.61 % |"))
    #expect(comparison.text(.markdown).split(separator: "\n").count == 4)
    let csv = comparison.text(.csv).split(separator: "\n").map(String.init)
    #expect(csv.count == 3 && csv[0].hasPrefix("experiment,runs,seeds,"))
    #expect(csv[0].hasSuffix("test.accuracy,test.accuracy sd"))
    #expect(csv.contains { $0.contains("a1 a2 a3,3,") })
  }

  @Test("--spread puts the standard error or the 95 % interval behind ±: t(0.975, 2) = 4.302653 of SciPy")
  func spread() throws {
    func comparison(_ uncertainty: Uncertainty) throws -> Comparison {
      var request = Comparison.Request()
      request.uncertainty = uncertainty
      return try Comparison(folders: [root], request)
    }
    #expect(try comparison(.error).text(.table).contains("93.00 ± 2.08 %"))
    #expect(try comparison(.interval).text(.table).contains("93.00 ± 8.96 %"))
    #expect(try comparison(.interval).text(.csv).split(separator: "\n")[0].hasSuffix("test.accuracy ci95"))
    let row = try #require(try rows(comparison(.interval)).first { $0["runs"]?.array?.count == 3 })
    let metric = row["metrics"]?["test.accuracy"]
    #expect(abs((metric?["ci95"]?.double ?? 0) - 4.302_652_729_749_46 * (0.0013 / 3).squareRoot()) < 1e-12)
    #expect(abs((metric?["sd"]?.double ?? 0) - 0.0013.squareRoot()) < 1e-12)
  }

  @Test("a mean has the unit and the digits of its uncertainty")
  func digits() {
    #expect(measured("x.energyPerSample", 42.698e-9, 0.9174e-12) == "42.69800 ± 0.00092 nJ")
    #expect(measured("x.energy", 1.5e-9, 2.5e-9) == "1.5 ± 2.5 nJ")
    #expect(measured("x.loss", 0.009701, 0.00111) == "0.0097 ± 0.0011")
    #expect(measured("x.largestCurrent", 9.2705e-6, 5.98e-7) == "(9.27 ± 0.60)e-6")
    #expect(measured("x.devices", 123456.7, 1234) == "(1.235 ± 0.012)e5")
    #expect(measured("x.channels", 12.4, 3.1) == "12.4 ± 3.1")
  }

  @Test("--metric takes globs, and lists what there is when none fits")
  func metrics() throws {
    #expect(try rows(compare(["*.loss"])).allSatisfy { $0["metrics"]?.members?.map(\.key) == ["test.loss"] })
    try write("other", seed: 1, rate: 0.9, 0.5, metric: "energy")
    #expect(try rows(compare(["*.loss"])).count == 2, "a run that measured none of it is no row")
    #expect(try rows(compare(["energy"])).count == 1)
    let error = try #require(throws: RunError.self) { try compare(["nothing.*"]) }
    #expect(error.description.contains("no metric fits nothing.*; there are: test.accuracy, test.loss, energy"))
  }

  @Test("seconds are metrics where they are asked for, read from the runs' own files")
  func timings() throws {
    let path = "\(root)/e/a1/result.json"
    var json = try JSON.parse(FileBytes.read(path), dialect: .strict)
    json.set("timings", ["main.train": 2.5, "main.train.epochs": 2])
    try json.written(pretty: true).write(toFile: path, atomically: true, encoding: .utf8)
    #expect(try rows(compare()).allSatisfy { $0["metrics"]?["timings.main.train"] == nil })
    let found = try rows(compare(["timings.*"]))
    #expect(
      found.count == 1
        && found[0]["metrics"]?.members?.map(\.key) == ["timings.main.train", "timings.main.train.epochs"])
    #expect(found[0]["metrics"]?["timings.main.train"]?["mean"]?.double == 2.5)
  }

  @Test("what is a part of a stage is not counted twice")
  func parts() {
    #expect(StagePart.contains("main.train.epochs") && StagePart.contains("main.test.inferenceOf1000"))
    #expect(!StagePart.contains("main.train") && !StagePart.contains("main.pruning") && !StagePart.contains("pruning"))
  }

  @Test("--sort puts the largest mean first")
  func sorted() throws {
    func order(_ sort: String) throws -> [Int?] {
      try rows(compare(["*"], sort: sort)).map { $0["runs"]?.array?.count }
    }
    #expect(try order("test.accuracy") == [3, 2])
    #expect(try order("test.loss") == [2, 3])
    let error = try #require(throws: RunError.self) { try compare(sort: "x") }
    #expect(error.description.contains("--sort x: not among the metrics shown"))
  }

  @Test("--where keeps runs with that value: by path, label, shorthand, or \"model\" for the only one")
  func conditions() throws {
    func counts(_ conditions: String...) throws -> [Int] {
      try rows(compare(where: conditions)).compactMap { $0["runs"]?.array?.count }.sorted()
    }
    #expect(try counts("stages.0.train.rate=0.5") == [2])
    #expect(try counts("stages.train.rate=5e-1") == [2])
    #expect(try counts("seed=1") == [1, 1])
    #expect(try counts("data=digits", "seed=3") == [1])
    #expect(try counts("model.architecture=mlp", "models.main=mlp") == [2, 3])
  }

  @Test("--where that no run fulfils says whether it is the key or the value")
  func refusedConditions() throws {
    func sentence(_ condition: String) throws -> String {
      try #require(throws: RunError.self) { try compare(where: [condition]) }.description
    }
    #expect(try sentence("seed=9").contains("no run has this value; there are: 1, 2, 3"))
    #expect(try sentence("sede=1").contains("no run's configuration has a value at sede"))
    #expect(try sentence("seed").contains("expected path=value"))
  }

  @Test("broken and foreign results are left out and named")
  func broken() throws {
    for (name, text) in [("broken", "{ \"name\": \"e\", "), ("foreign", "{ \"answer\": 42 }"), ("empty", "")] {
      try FileManager.default.createDirectory(atPath: "\(root)/\(name)", withIntermediateDirectories: true)
      try text.write(toFile: "\(root)/\(name)/result.json", atomically: true, encoding: .utf8)
    }
    let comparison = try compare()
    #expect(try rows(comparison).count == 2)
    #expect(comparison.notes.count == 3)
    for part in ["broken/result.json: left out: ", "foreign/result.json: left out: it is no run's result"] {
      #expect(comparison.notes.contains { $0.contains(part) }, "\(comparison.notes)")
    }
  }

  @Test("diverged runs are counted in their row, named, and enter no mean; a row of nothing else is shown as well")
  func diverged() throws {
    let before = try rows(compare())
    try write("c1", seed: 4, rate: 0.1, 0.1, status: "diverged")
    try write("d1", seed: 1, rate: 0.9, 0.1, status: "diverged")
    let comparison = try compare()
    let rows = try rows(comparison)
    #expect(rows.compactMap { $0["diverged"]?.int } == [1, 0, 1])
    #expect(rows[0]["metrics"] == before[0]["metrics"])
    #expect(rows[2]["metrics"]?.members?.isEmpty == true)
    #expect(comparison.text(.table).contains("1 diverged"))
    #expect(comparison.notes.contains { $0.contains("2 runs diverged") && $0.contains("c1") }, "\(comparison.notes)")
  }

  @Test("folders that are missing or hold no runs are said so")
  func empty() throws {
    func sentence(_ folder: String) throws -> String {
      try #require(throws: RunError.self) { try Comparison(folders: [folder], Comparison.Request()) }
        .description
    }
    #expect(try sentence(lab.folder + "/nowhere").contains("nowhere: no such folder"))
    try FileManager.default.createDirectory(atPath: lab.folder + "/none", withIntermediateDirectories: true)
    #expect(try sentence(lab.folder + "/none").contains("none: no finished runs here"))
  }

  @Test("what a run writes can be compared")
  func real() throws {
    let text = lab.text(
      "\"model\": \"mlp\"", "{ \"train\": { \"epochs\": 1 } }, { \"evaluate\": {}, \"label\": \"test\" }")
    for seed in [1, 2] as [UInt64] { _ = try lab.run(text, seed: seed) }
    var request = Comparison.Request()
    request.conditions = ["name=lab"]
    let rows = try rows(Comparison(folders: [lab.folder], request))
    #expect(rows.count == 1 && rows[0]["metrics"]?["test.accuracy"]?["n"] == 2)
  }
}

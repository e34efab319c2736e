import Configuration
import Datasets
import Foundation
import Testing

@testable import Experiments

@Suite("compare over a sweep")
struct CompareSweepTests {
  let scratch: Scratch
  var sample: SweepSample
  var folder: String { sample.folder }

  /// adcBits 4, 6, 8 × wires of 1, 2.5 and 10 Ω × seeds 1, 2, 3.
  init() throws {
    scratch = try Scratch()
    sample = SweepSample(scratch.folder + "/Results/sample")
    try sample.write(axes: Self.axes, outcome: Self.outcome)
  }

  static let axes: [(path: String, values: [JSON])] = [
    (SweepSample.adc, [4, 6, 8]), (SweepSample.wire, [1, 2.5, 10]), ("seed", [1, 2, 3]),
  ]

  /// Accuracy 0.9 + 0.01 adcBits − 0.001 wire, ± 0.001 from the seed; 4 bits on 10 Ω diverge with seed 3 and fail with 2.
  static func accuracy(_ v: SweepSample.Values) -> Double {
    let (bits, wire, seed) = (
      v[SweepSample.adc]?.double ?? 8, v[SweepSample.wire]?.double ?? 1, v["seed"]?.double ?? 1
    )
    return 0.9 + 0.01 * bits - 0.001 * wire + 0.001 * (seed - 2) * (1 + 0.1 * bits)
  }
  static func outcome(_ v: SweepSample.Values) -> SweepSample.Outcome {
    if v[SweepSample.adc] == 4, v[SweepSample.wire] == 10 {
      if v["seed"] == 3 { return .diverged("the loss is not finite in epoch 2") }
      if v["seed"] == 2 { return .failed("killed: out of memory") }
    }
    let a = accuracy(v)
    return .done([
      ("test.accuracy", a), ("test.loss", 1 - a), ("test.energyPerSample", 1e-9 * (v[SweepSample.adc]?.double ?? 0)),
    ])
  }

  private func comparison(_ change: (inout Comparison.Request) -> Void = { _ in }) throws -> Comparison {
    var request = Comparison.Request()
    change(&request)
    return try Comparison(folders: [folder], request)
  }
  private func json(_ comparison: Comparison) throws -> [JSON] {
    try #require(try JSON.parse(comparison.text(.json), dialect: .strict).array)
  }
  private func sentence(_ change: (inout Comparison.Request) -> Void) throws -> String {
    try #require(throws: RunError.self) { try comparison(change) }.description
  }

  // MARK: Index and folders

  @Test("summary.csv as an index and the runs' own files give the same tables, to the last digit")
  func index() throws {
    let quick = try comparison { $0.metrics = ["*"] }
    let collection = try RunCollection([folder])
    #expect(collection.isOneSweep && collection.runs.count == 27 && collection.pending == 0)
    #expect(collection.sweeps[0].outcome().readOneByOne == 0)
    try FileManager.default.removeItem(atPath: folder + "/summary.csv")
    let slow = try comparison { $0.metrics = ["*"] }
    #expect(try RunCollection([folder]).sweeps[0].outcome().readOneByOne == 27)
    for format in Comparison.Format.allCases { #expect(quick.text(format) == slow.text(format)) }
    // Nor does it matter that there is a sweep.json at all: then the configurations are compared.
    try FileManager.default.removeItem(atPath: folder + "/sweep.json")
    let plain = try comparison { $0.metrics = ["*"] }
    func cells(_ c: Comparison) throws -> Set<String> {
      Set(try json(c).map { ($0["metrics"] ?? JSON(.null)).canonical })
    }
    #expect(try cells(plain).subtracting(["{}"]) == cells(quick))
  }

  @Test("a result newer than summary.csv is read itself; one that is gone counts as not run; one not listed is found")
  func stale() throws {
    let id = sample.ids[0]
    let config = try JSON.parse(String(contentsOfFile: "\(folder)/\(id)/config.json", encoding: .utf8))
    try sample.writeResult("\(folder)/\(id)", id, config, "done", [("test.accuracy", 0.123)], "")
    let later = Date(timeIntervalSinceNow: 60)
    try FileManager.default.setAttributes([.modificationDate: later], ofItemAtPath: "\(folder)/\(id)/result.json")
    func values() throws -> [Double] {
      try RunCollection([folder]).runs.prefix(3).compactMap { $0.metrics["test.accuracy"] }
    }
    #expect(try values()[0] == 0.123)
    // The same moment may be before or after: it is not believed either.
    let index = try #require(
      FileManager.default.attributesOfItem(atPath: folder + "/summary.csv")[.modificationDate] as? Date)
    try FileManager.default.setAttributes([.modificationDate: index], ofItemAtPath: "\(folder)/\(id)/result.json")
    #expect(try values()[0] == 0.123)

    try FileManager.default.removeItem(atPath: "\(folder)/\(sample.ids[1])")
    let collection = try RunCollection([folder])
    #expect(collection.runs.count == 26 && collection.pending == 1)
    #expect(collection.notes.contains { $0.contains("lists 1 runs whose results are gone") }, "\(collection.notes)")
    #expect(collection.notes.contains { $0.contains("1 points of the sweep have not been run yet") })

    var lines = sample.summary
    lines.rows.removeAll { $0[0] == sample.ids[2] }
    try Data(CSV.encode(lines)).write(to: URL(fileURLWithPath: folder + "/summary.csv"))
    #expect(try RunCollection([folder]).runs.count == 26)
  }

  @Test("runs that are newer than summary.csv are alike those of the index in what the sweep does not set")
  func newerRuns() throws {
    var sample = SweepSample(scratch.folder + "/fixed-seed")
    try sample.write(axes: [(SweepSample.adc, [4, 8]), (SweepSample.wire, [1, 10])], outcome: Self.outcome)
    func texts() throws -> [String] {
      try [("adcBits=8", "seed=1"), ("adcBits=8", "rows=64"), ("wireResistance=1,seed=1", "driverResistance=100")].map {
        var request = Comparison.Request()
        (request.baseline, request.conditions) = ($0.0, [$0.1])
        let comparison = try Comparison(folders: [sample.folder], request)
        #expect(
          comparison.rows.count == 4
            && comparison.rows.filter { comparison.test($0, "test.accuracy") != nil }.count == 2)
        return comparison.notes.joined(separator: "\n") + comparison.text(.csv)
      }
    }
    let indexed = try texts()
    for id in sample.ids.dropFirst() {
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSinceNow: 60)], ofItemAtPath: "\(sample.folder)/\(id)/result.json")
      #expect(try texts() == indexed)
    }
    let collection = try RunCollection([sample.folder])
    #expect(collection.sweeps[0].outcome().readOneByOne == 3)
    #expect(collection.isOneSweep && collection.runs.allSatisfy { $0.config == nil && $0.value(at: "seed") == 1 })
  }

  @Test("a point that leaves a swept path as configured has the value of the configuration, or the default")
  func leftAsConfigured() throws {
    var sample = SweepSample(scratch.folder + "/left")
    let rows = "model.hardware.rows"
    try sample.write(
      axes: [("seed", [1, 2])],
      points: [("plain", [:]), ("coarse", [SweepSample.adc: 4]), ("small", [rows: 32, SweepSample.wire: 2])]
    ) { .done([("test.accuracy", Self.accuracy($0))]) }
    func points(_ conditions: String...) throws -> [String?] {
      var request = Comparison.Request()
      request.conditions = conditions
      return try json(Comparison(folders: [sample.folder], request)).map { $0["differences"]?["point"]?.string }
    }
    // Configured are 64 rows; 8 bits and 1 Ω are the defaults.
    #expect(try Set(points("rows=64", "adcBits>0")) == ["plain", "coarse"])
    #expect(try Set(points("adcBits=8", "rows>0")) == ["plain", "small"])
    #expect(try Set(points("wireResistance<2")) == ["plain", "coarse"])
    var request = Comparison.Request()
    (request.rows, request.columns, request.baseline) = (["adcBits"], ["hardware.rows"], "adcBits=8,hardware.rows=64")
    let comparison = try Comparison(folders: [sample.folder], request)
    #expect(comparison.rows.filter { comparison.isBaseline($0) }.count == 1)
  }

  @Test("what a sweep does not set follows its kinds and presets, and holds each point's own numbers")
  func unswept() throws {
    var sample = SweepSample(scratch.folder + "/presets")
    let preset = "model.hardware.device.preset"
    try sample.write(axes: [(preset, ["ag-si", "pcm", "reram-es"]), (SweepSample.wire, [1, 5])]) {
      .done([("test.accuracy", Self.accuracy($0))])
    }
    var collection = try RunCollection([sample.folder])
    for path in [
      "model.hardware.device.onResistance", "models.main.hardware.circuit", "stages.train.optimizer", "no.such",
    ] {
      #expect(try collection.lookUp(path) == (path != "no.such"))
      for run in collection.runs {
        let written = try JSON.parse(String(contentsOfFile: run.folder + "/config.json", encoding: .utf8))
        #expect(run.whole(at: path) == written.resolvedValue(at: path), "\(path)")
      }
    }
    // A sweep that this version refuses is looked up in the runs' own files.
    let record = try String(contentsOfFile: sample.folder + "/sweep.json", encoding: .utf8)
    try record.replacing("\"epochs\"", with: "\"epoch\"").write(
      toFile: sample.folder + "/sweep.json", atomically: true, encoding: .utf8)
    collection = try RunCollection([sample.folder])
    #expect(try collection.lookUp("model.hardware.device.onResistance"))
    #expect(Set(collection.runs.compactMap { $0.value(at: "model.hardware.device.onResistance")?.double }).count == 3)
  }

  @Test("a labelled point that sets nothing is a sweep's point as well")
  func emptyPoint() throws {
    var sample = SweepSample(scratch.folder + "/empty-point")
    try sample.write(axes: [], points: [("plain", [:]), ("coarse", [SweepSample.adc: 4])]) {
      .done([("test.accuracy", Self.accuracy($0))])
    }
    #expect(try RunCollection([sample.folder]).isOneSweep)
    #expect(try RunCollection([sample.folder, sample.folder + "/"]).isOneSweep, "named twice it is one sweep")
  }

  @Test("an ideal baseline without chips is compared with the mean over chips for each seed, and a note says so")
  func chiplessBaseline() throws {
    let folder = scratch.folder + "/both"
    var ideal = SweepSample(folder + "/ideal")
    ideal.document = [
      "name": "sample", "seed": 1, "data": "mnist-5k",
      "model": ["architecture": "mlp", "hardware": ["kind": "digital"]],
      "stages": [["train": ["epochs": 4]], ["evaluate": ["split": "test"], "label": "test"]],
    ]
    try ideal.write(axes: [("seed", [1, 2, 3])]) { .done([("test.accuracy", 0.9 + 0.01 * ($0["seed"]?.double ?? 0))]) }
    var chips = SweepSample(folder + "/chips")
    let chip = "model.hardware.seed"
    try chips.write(axes: [(chip, [1, 2]), ("seed", [2, 3, 4])]) { v in
      .done([("test.accuracy", 0.8 + 0.01 * (v["seed"]?.double ?? 0) + 0.02 * (v[chip]?.double ?? 0))])
    }
    var request = Comparison.Request()
    request.baseline = "models.main.hardware.kind=digital"
    let comparison = try Comparison(folders: [folder], request)
    let row = try #require(try json(comparison).first { $0["isBaseline"] == false })
    let difference = row["metrics"]?["test.accuracy"]?["difference"]
    // Seeds 2 and 3, chips of 0.02 and 0.04.
    #expect(difference?["pairs"] == 2 && abs((difference?["mean"]?.double ?? 0) + 0.07) < 1e-12, "\(row)")
    #expect(
      comparison.notes.contains {
        $0.contains("1 of 2 rows and their baseline do not both have models.main.hardware.seed")
      },
      "\(comparison.notes)")
  }

  @Test("of a run that lies in two folders the finished copy counts, and the copies are told")
  func copies() throws {
    let lost = try #require(
      RunCollection([folder]).runs.first { $0.status == .failed })
    let copy = scratch.folder + "/Results/again/\(lost.id)"
    try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
    let config = try JSON.parse(String(contentsOfFile: lost.folder + "/config.json", encoding: .utf8))
    try sample.writeResult(copy, lost.id, config, "done", [("test.accuracy", 0.5)], "")
    for folders in [[folder, copy], [copy, folder], [scratch.folder + "/Results"]] {
      let collection = try RunCollection(folders)
      let run = try #require(collection.runs.first { $0.id == lost.id })
      #expect(collection.runs.count == 27 && run.status == .done && run.isPoint && collection.isOneSweep)
      #expect(collection.notes.contains { $0.contains("a run lies in another folder as well and counts once") })
    }
    // The same folder, whatever it is called, is no copy.
    let twice = try RunCollection([folder, folder + "/../sample", folder + "/\(sample.ids[0])"])
    #expect(twice.runs.count == 27 && twice.notes.allSatisfy { !$0.contains("another folder") }, "\(twice.notes)")
  }

  @Test("seeds are the runs that the means are over; a metric that some of them lack has its own number")
  func counts() throws {
    var sample = SweepSample(scratch.folder + "/counts")
    try sample.write(axes: [("seed", [1, 2, 3, 4])]) { v in
      switch v["seed"]?.int {
      case 1, 2: .done([("test.accuracy", 0.5), ("late.accuracy", 0.25)])
      case 3: .done([("test.accuracy", 0.5)])
      default: .done([("test.loss", 1)])
      }
    }
    let comparison = try Comparison(folders: [sample.folder], Comparison.Request())
    let table = comparison.text(.table)
    #expect(
      table.contains("25.00 ± 0.00 % (2)") && table.contains("50.00 ± 0.00 %") && !table.contains("50.00 ± 0.00 % ("))
    let csv = comparison.text(.csv).split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
    #expect(csv[0].contains("late.accuracy n") && !csv[0].contains("test.accuracy n"))
    #expect(csv[1][2] == "3", "three runs have one of the accuracies")
  }

  @Test("folders too deep to be looked into are told")
  func deep() throws {
    let place = scratch.folder + "/a/b/c/d/e/f/g/h"
    try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
    let notes = try RunCollection([scratch.folder]).notes
    #expect(
      notes.contains { $0.contains("a folder more than 6 levels down: not looked into: \(scratch.folder)/a/") },
      "\(notes)")
    #expect(try RunCollection([folder]).notes.allSatisfy { !$0.contains("levels") })
  }

  @Test("a corrupt summary.csv, sweep.json or result.json is named, and what is left is compared")
  func corrupt() throws {
    try "run,status\n\"x\n".write(toFile: folder + "/summary.csv", atomically: true, encoding: .utf8)
    var comparison = try comparison()
    #expect(comparison.notes.contains { $0.contains("summary.csv") && $0.contains("read instead") })
    #expect(try json(comparison).count == 9)
    try "{ \"runID\": ".write(toFile: "\(folder)/\(sample.ids[0])/result.json", atomically: true, encoding: .utf8)
    comparison = try self.comparison()
    #expect(comparison.notes.contains { $0.contains("\(sample.ids[0])/result.json: left out") })
    #expect(try json(comparison)[0]["metrics"]?["test.accuracy"]?["n"] == 2)
    try "{ \"name\": ".write(toFile: folder + "/sweep.json", atomically: true, encoding: .utf8)
    comparison = try self.comparison()
    #expect(comparison.notes.contains { $0.contains("sweep.json") && $0.contains("taken one by one") })
    #expect(try json(comparison).count == 9)
  }

  // MARK: Tables

  @Test("rows and columns are paths, shortened; heads have units; lost runs are counted in their cell")
  func pivot() throws {
    let comparison = try comparison {
      $0.rows = ["wireResistance"]
      $0.columns = ["adcBits"]
    }
    let text = comparison.text(.table)
    #expect(text.contains("test.accuracy by adcBits (bit), mean ± standard deviation over seeds"), "\(text)")
    let lines = text.split(separator: "\n").map(String.init)
    #expect(lines[1].hasPrefix("wireResistance (Ω)"))
    #expect(lines[1].split(separator: " ").suffix(3) == ["4", "6", "8"])
    #expect(
      lines[3].hasPrefix("1 ") && lines[3].contains("93.90 ± 0.14 % (3)") && lines[3].contains("97.90 ± 0.18 % (3)"))
    #expect(lines[5].contains("92.86 % (1) (1 diverged, 1 failed)"), "\(lines[5])")
    #expect(comparison.text(.markdown).contains("| wireResistance (Ω) | 4 | 6 | 8 |"))
    let cells = try #require(json(comparison)[0]["cells"]?.array)
    #expect(cells.count == 9)
    #expect(cells.compactMap { $0["n"]?.int }.reduce(0, +) == 25)
    #expect(comparison.text(.csv).hasPrefix("metric,experiment,\(SweepSample.wire),\(SweepSample.adc)=4,"))
  }

  @Test("what also differs keeps rows apart and is named; --average takes its mean")
  func averaged() throws {
    let apart = try comparison { $0.rows = ["adcBits"] }
    #expect(try json(apart).count == 9)
    #expect(apart.notes.contains { $0.contains("rows also differ in wireResistance") })
    let mean = try comparison {
      $0.rows = ["adcBits"]
      $0.averaged = ["wireResistance"]
    }
    let rows = try json(mean)
    #expect(rows.count == 3 && rows.map { $0["metrics"]?["test.accuracy"]?["n"]?.int } == [7, 9, 9])
    let expected = 0.9 + 0.08 - 0.001 * (1 + 2.5 + 10) / 3
    #expect(abs((rows[2]["metrics"]?["test.accuracy"]?["mean"]?.double ?? 0) - expected) < 1e-12)
  }

  @Test("every seed is averaged over, a chip's too, unless it is asked for")
  func chips() throws {
    var chips = SweepSample(scratch.folder + "/chips")
    try chips.write(axes: [(SweepSample.adc, [4, 8]), ("model.hardware.seed", [1, 2]), ("seed", [1, 2])]) {
      .done([("test.accuracy", Self.accuracy($0))])
    }
    func rows(_ names: [String]) throws -> [JSON] {
      var request = Comparison.Request()
      request.rows = names
      return try json(Comparison(folders: [chips.folder], request))
    }
    #expect(try rows([]).map { $0["metrics"]?["test.accuracy"]?["n"]?.int } == [4, 4])
    #expect(try rows(["hardware.seed"]).map { $0["metrics"]?["test.accuracy"]?["n"]?.int } == [2, 2, 2, 2])
  }

  @Test("a row's numbers are the same whatever else is shown, and a baseline is found though hidden")
  func hidden() throws {
    let all = try comparison { $0.baseline = "adcBits=8" }
    let some = try comparison {
      $0.baseline = "adcBits=8"
      $0.conditions = ["adcBits<6", "wireResistance!=10"]
    }
    let (a, b) = (try json(all), try json(some))
    #expect(a.count == 9 && b.count == 2)
    for row in b {
      let same = try #require(a.first { $0["runs"] == row["runs"] })
      #expect(same["metrics"] == row["metrics"])
      #expect(row["metrics"]?["test.accuracy"]?["difference"]?["pairs"] == 3)
    }
  }

  @Test("differences to the baseline agree in everything but what it names, and are tested over common seeds")
  func baseline() throws {
    let comparison = try comparison { $0.baseline = "adcBits=8" }
    let rows = try json(comparison)
    for row in rows {
      let bits = try #require(row["differences"]?[SweepSample.adc]?.string.flatMap(Double.init))
      let test = row["metrics"]?["test.accuracy"]?["difference"]
      #expect(row["isBaseline"]?.bool == (bits == 8))
      guard bits != 8 else {
        #expect(test == nil)
        continue
      }
      let pairs = row["diverged"] == 1 ? [1.0] : [1.0, 2, 3]
      // d = 0.01 Δbits + 0.0001 Δbits (seed − 2)
      let d = pairs.map { 0.01 * (bits - 8) + 0.0001 * (bits - 8) * ($0 - 2) }
      #expect(abs((test?["mean"]?.double ?? 0) - d.reduce(0, +) / Double(d.count)) < 1e-12)
      #expect(test?["pairs"]?.int == pairs.count)
      #expect((test?["p"]?.double ?? 1) < 0.001 || pairs.count == 1)
    }
    #expect(comparison.text(.table).contains("−4.00 (−4.10 … −3.90)"), "\(comparison.text(.table))")
    #expect(comparison.text(.table).contains("n = 1"))
    #expect(comparison.notes.contains { $0.contains("two common seeds at least") }, "\(comparison.notes)")
    let one = try self.comparison { $0.baseline = "adcBits=8,wireResistance=1" }
    #expect(try json(one).count { $0["isBaseline"] == true } == 1)
    #expect(
      try sentence { $0.baseline = "adcBits=7" }.contains("no run has \(SweepSample.adc) = 7; there are: 4, 6, 8"))
    #expect(try sentence { $0.baseline = "nobody" }.contains("expected path=value, a point's label"))
  }

  @Test("a baseline is what was written rather than a variant of it, and none where several fit")
  func variants() throws {
    let lab = try Bench()
    let path = "stages.train.prune.criterion"
    let plain: JSON = "relevance"
    let variants: [JSON] = [
      ["kind": "relevance", "classWeights": false], ["kind": "relevance", "batchNorm": "folded"],
    ]
    func compare(_ criteria: [JSON]) throws -> [JSON] {
      let folder = "\(lab.folder)/sweep-\(criteria.count)"
      let points = criteria.indices.map { JSON.object([("id", .string("p\($0)")), ("values", [path: criteria[$0]])]) }
      let sweep: JSON = [
        "name": "s", "config": ["name": "s"], "axes": [["paths": [.string(path)]]], "points": .array(points),
      ]
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try sweep.written().write(toFile: "\(folder)/sweep.json", atomically: true, encoding: .utf8)
      for i in criteria.indices {
        try FileManager.default.createDirectory(atPath: "\(folder)/p\(i)", withIntermediateDirectories: true)
        let result: JSON = [
          "runID": .string("p\(i)"), "status": "done", "config": ["name": "s"], "stages": [],
          "metrics": ["test.accuracy": .number(0.1 * Double(i))],
        ]
        try result.written().write(toFile: "\(folder)/p\(i)/result.json", atomically: true, encoding: .utf8)
      }
      var request = Comparison.Request()
      request.baseline = "criterion=relevance"
      return try json(Comparison(folders: [folder], request))
    }
    #expect(try compare([plain] + variants).map { $0["isBaseline"]?.bool } == [true, false, false])
    #expect(try compare(variants).allSatisfy { $0["isBaseline"]?.bool == false })
  }

  @Test("conditions take = != < <= > >=, and say what is wrong with them")
  func conditions() throws {
    func count(_ conditions: String...) throws -> Int { try json(comparison { $0.conditions = conditions }).count }
    #expect(try count("adcBits=4") == 3 && count("adcBits!=4") == 6 && count("adcBits==4") == 3)
    #expect(try count("wireResistance<2.5") == 3 && count("wireResistance<=2.5") == 6)
    #expect(try count("adcBits>4", "wireResistance>=2.5") == 4)
    // A value that was not swept stands in the configurations.
    #expect(try count("rows=64") == 9 && count("model.architecture=mlp") == 9)
    #expect(try sentence { $0.conditions = ["adcBits<x"] }.contains("compares numbers"))
    #expect(try sentence { $0.conditions = ["adcBit=4"] }.contains("did you mean \"adcBits\"?"))
    #expect(try sentence { $0.conditions = ["seed=9"] }.contains("no run has this value; there are: 1, 2, 3"))
    #expect(try sentence { $0.rows = ["converters"] }.contains("--rows converters"))
    // What may be written for a whole object may name it.
    #expect(try count("hardware=crossbar") == 9)
  }

  @Test("--sort takes a metric, the largest first, or a path, and a - turns it round")
  func sorting() throws {
    func bits(_ sort: String) throws -> [String?] {
      try json(
        comparison {
          $0.sort = sort
          $0.conditions = ["wireResistance=1"]
        }
      ).map { $0["differences"]?[SweepSample.adc]?.string }
    }
    #expect(try bits("test.accuracy") == ["8", "6", "4"] && bits("-test.accuracy") == ["4", "6", "8"])
    #expect(try bits("adcBits") == ["4", "6", "8"] && bits("-adcBits") == ["8", "6", "4"])
  }

  @Test("a baseline that is the only one left is no baseline of rows that it does not fit; a run by its id is, of all")
  func loneBaseline() throws {
    let summary = try CSV.read(folder + "/summary.csv")
    let (runs, bits, wires) = (
      try #require(summary.column("run")), try #require(summary.column(SweepSample.adc)),
      try #require(summary.column(SweepSample.wire))
    )
    for i in runs.indices where bits[i] == "8" && wires[i] != "1" {
      try FileManager.default.removeItem(atPath: "\(folder)/\(runs[i])")
    }
    try FileManager.default.removeItem(atPath: folder + "/summary.csv")
    let named = try comparison { $0.baseline = "adcBits=8" }
    let tested = named.rows.filter { named.test($0, "test.accuracy") != nil && !named.isBaseline($0) }
    #expect(tested.count == 2, "6 and 4 bits on 1 Ω")
    let only = try #require(runs.indices.first { bits[$0] == "8" && wires[$0] == "1" })
    let byID = try comparison { $0.baseline = runs[only] }
    #expect(byID.rows.filter { byID.test($0, "test.accuracy") != nil && !byID.isBaseline($0) }.count == 6)
  }

  @Test("labelled points are named by their labels, and one can be the baseline")
  func points() throws {
    var labelled = SweepSample(scratch.folder + "/labelled")
    labelled.name = "labelled"
    try labelled.write(
      axes: [("seed", [1, 2])],
      points: [
        ("coarse", [SweepSample.adc: 4, SweepSample.wire: 10]), ("fine", [SweepSample.adc: 8, SweepSample.wire: 1]),
      ]
    ) { .done([("test.accuracy", Self.accuracy($0))]) }
    var request = Comparison.Request()
    request.baseline = "fine"
    let comparison = try Comparison(folders: [labelled.folder], request)
    #expect(comparison.text(.table).hasPrefix("point"))
    let rows = try json(comparison)
    #expect(rows.map { $0["differences"]?["point"]?.string } == ["coarse", "fine"])
    #expect(rows.map { $0["isBaseline"]?.bool } == [false, true])
    request = Comparison.Request()
    request.columns = ["point"]
    let pivot = try Comparison(folders: [labelled.folder], request)
    #expect(pivot.rows.count == 2 && pivot.selectors.isEmpty, "what a label stands for is no row of its own")
  }

  @Test("runs of several machine types or engine versions are warned of; thread counts are no type")
  func mixed() throws {
    #expect(try !comparison().notes.contains { $0.contains("mixed") })
    func rewrite(_ place: Int, _ change: (inout SweepSample) -> Void) throws {
      var other = sample
      change(&other)
      let run = "\(folder)/\(sample.ids[place])"
      let config = try JSON.parse(String(contentsOfFile: run + "/config.json", encoding: .utf8))
      try other.writeResult(run, sample.ids[place], config, "done", [("test.accuracy", 0.9)], "")
      try sample.writeSummary()
    }
    try rewrite(0) { $0.machine = SweepSample.machine("A", threads: 2) }
    #expect(try !comparison().notes.contains { $0.contains("mixed") })
    try rewrite(1) { $0.machine = SweepSample.machine("B") }
    #expect(try comparison().notes.contains { $0.contains("warning: runs of 2 machine types are mixed") })
    try rewrite(2) { $0.version = "0.2.0" }
    #expect(try comparison().notes.contains { $0.contains("warning: runs of 2 engine versions are mixed") })
  }

  @Test("a sweep of which nothing has been run is said so")
  func nothing() throws {
    var empty = SweepSample(scratch.folder + "/empty")
    try empty.write(axes: [("seed", [1, 2])]) { _ in .pending }
    let error = try #require(throws: RunError.self) { try Comparison(folders: [empty.folder], Comparison.Request()) }
    #expect(error.description.contains("none of the 2 points has been run"))
  }
}

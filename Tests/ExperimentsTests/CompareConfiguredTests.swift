import Configuration
import Datasets
import Foundation
import Testing

@testable import Experiments

@Suite("compare over a sweep: what points leave as configured")
struct CompareConfiguredTests {
  let scratch: Scratch
  init() throws { scratch = try Scratch() }

  private static let schedule = "stages.train.schedule"
  private static let batch = "stages.train.batchSize"
  private static let update = "model.hardware.update"
  private static let device = "model.hardware.device"
  private static let resistance = "model.hardware.device.onResistance"

  /// Accuracy is that of the point's place, and a little more for each seed.
  private func sample(
    _ name: String, schedule: JSON = "cosine", hidden: JSON = 8, device: JSON = ["onResistance": 1e5],
    _ points: [SweepSample.Values], axes: [(path: String, values: [JSON])] = [("seed", [1, 2])]
  ) throws -> SweepSample {
    var sample = SweepSample("\(scratch.folder)/\(name)")
    sample.document = [
      "name": .string(name), "seed": 1, "data": "mnist-5k",
      "model": [
        "architecture": "mlp", "hidden": hidden,
        "hardware": ["kind": "crossbar", "update": "programmed", "device": device],
      ],
      "stages": [
        ["train": ["epochs": 4, "batchSize": 50, "optimizer": "sgd", "schedule": schedule]], ["evaluate": [:]],
      ],
    ]
    try sample.write(axes: axes, points: points.map { (nil, $0) }) { v in
      .done([("test.accuracy", 0.5 + 0.001 * (v["seed"]?.double ?? 0))])
    }
    return sample
  }

  private func compare(_ sample: SweepSample, _ change: (inout Comparison.Request) -> Void = { _ in }) throws
    -> Comparison
  {
    var request = Comparison.Request()
    change(&request)
    return try Comparison(folders: [sample.folder], request)
  }

  /// How many rows each condition shows.
  private func counts(_ sample: SweepSample, _ conditions: [String]) throws -> [Int] {
    try conditions.map { condition in try compare(sample) { $0.conditions = [condition] }.rows.count }
  }

  @Test("an object left as configured parts no rows and loses no baseline, whatever another axis sets inside of it")
  func objects() throws {
    let sample = try sample(
      "objects", [[:], [Self.device: ["preset": "domain-wall"]]],
      axes: [(Self.resistance, [1000, 2000, 4000]), ("seed", [1, 2])])
    let comparison = try compare(sample) { $0.baseline = "onResistance=1000" }
    #expect(comparison.rows.count == 6 && comparison.rows.allSatisfy { $0.baseline != nil }, "\(comparison.notes)")
    let pivot = try compare(sample) {
      $0.rows = ["hardware.device"]
      $0.columns = ["onResistance"]
    }
    let lines = pivot.text(.csv).split(separator: "\n")
    #expect(lines.count == 3 && lines.dropFirst().allSatisfy { !$0.contains(",,,,,") }, "\(lines)")
    #expect(pivot.text(.table).split(separator: "\n").allSatisfy { $0.count < 120 })
    // A report has the two devices.
    let report = try ReportPage(folders: [sample.folder], ReportPage.Request())
    let axis = try #require(report.axes.first { $0.selector == .path(Self.device) })
    #expect(axis.values == ["as configured", ["preset": "domain-wall"]])
  }

  @Test("a shorthand left as configured is the same as one that a point writes")
  func shorthands() throws {
    let sample = try sample(
      "shorthands",
      [[:], [Self.schedule: "cosine", Self.batch: 20], [Self.schedule: "step", Self.batch: 20], [Self.batch: 10]])
    let comparison = try compare(sample) { $0.baseline = "batchSize=50" }
    let values = comparison.rows.map { $0.group.value(.path(Self.schedule)) }
    #expect(values == ["cosine", "cosine", "step", "cosine"])
    #expect(comparison.rows.map { $0.baseline != nil } == [true, true, false, true])
    #expect(try counts(sample, ["schedule=cosine", "schedule!=cosine", "schedule=step"]) == [3, 1, 1])
  }

  @Test("an object with options of its own is not taken for the shorthand, written or configured")
  func ownOptions() throws {
    let slow: JSON = ["kind": "cosine", "warmup": 2]
    for (name, configured, written) in [("written", JSON("cosine"), slow), ("configured", slow, JSON("cosine"))] {
      let sample = try sample(name, schedule: configured, [[:], [Self.schedule: written], [Self.schedule: "step"]])
      let comparison = try compare(sample)
      #expect(comparison.rows.count == 3 && comparison.rows.allSatisfy { $0.group.runs.count == 2 })
      // A condition names the kind.
      #expect(try counts(sample, ["schedule=cosine"]) == [2])
    }
    // Nobody writes "cosine": then the kind is name enough.
    let sample = try sample("alone", schedule: slow, [[:], [Self.schedule: "step"]])
    #expect(try compare(sample).rows.map { $0.group.value(.path(Self.schedule)) } == ["cosine", "step"])
  }

  @Test("where configurations cannot be read, a note says which paths are not known, and the table stands")
  func unreadable() throws {
    let sample = try sample("unreadable", [[:], [Self.batch: 10]])
    for id in sample.ids { try FileManager.default.removeItem(atPath: "\(sample.folder)/\(id)/config.json") }
    #expect(try compare(sample).notes.isEmpty, "the sweep says what its points are")
    let record = try String(contentsOfFile: sample.folder + "/sweep.json", encoding: .utf8)
    try record.replacing("\"epochs\"", with: "\"epoch\"").write(
      toFile: sample.folder + "/sweep.json", atomically: true, encoding: .utf8)
    let comparison = try compare(sample) { $0.rows = ["batchSize"] }
    #expect(comparison.rows.count == 2)
    #expect(comparison.notes.contains { $0.hasSuffix("or batchSize will not be known where a point does not set it") })
  }

  @Test("conditions and baselines take the short form of what points leave as configured")
  func conditions() throws {
    let sample = try sample(
      "conditions",
      [
        [:], ["model.hidden": [16]], ["model.hidden": 8, Self.batch: 10], [Self.update: "outer-product"],
        ["stages.train.optimizer": "adam"], ["stages.train.optimizer.learningRate": 0.5],
      ])
    #expect(
      try counts(
        sample, ["model.hidden=8", "hidden=[8]", "hidden=16", "hidden<10", "update=programmed", "update=outer-product"])
        == [5, 5, 1, 5, 5, 1])
    // Where it is not swept, the end of a path names it as well.
    #expect(try counts(sample, ["converters.adcBits=8", "schedule=cosine"]) == [6, 6])
    #expect(
      try counts(sample, ["optimizer=sgd", "optimizer=adam", "architecture=mlp", "data=mnist-5k"]) == [5, 1, 6, 6])
    let comparison = try compare(sample) { $0.baseline = "update=programmed,hidden=8,batchSize=50,optimizer=sgd" }
    #expect(comparison.rows.count { comparison.isBaseline($0) } > 0)
    let error = try #require(throws: RunError.self) { try compare(sample) { $0.conditions = ["update=x"] } }
    #expect(error.description.contains("there are: programmed, outer-product"), "\(error)")
  }

  @Test("a number that is short for an object has each point's own value inside")
  func numbers() throws {
    let sample = try sample("numbers", [], axes: [("data.limit", [100, 200, 300]), ("seed", [1, 2])])
    #expect(
      try counts(sample, ["data.limit.train=100", "data.limit.train=300", "data.limit.train<=200", "data.limit>100"])
        == [1, 1, 2, 2])
  }

  @Test("config.json says what points leave as configured; where it is empty or gone, the sweep's configuration does")
  func truth() throws {
    let sample = try sample("truth", [[:], [Self.batch: 20]])
    func text() throws -> String {
      try compare(sample) {
        $0.conditions = ["model.hardware.rows>0", "momentum>=0"]
        $0.rows = ["batchSize"]
      }.text(.csv)
    }
    let whole = try text()
    // As results that were carried here without their configurations.
    for id in sample.ids.dropFirst() {
      try "".write(toFile: "\(sample.folder)/\(id)/config.json", atomically: true, encoding: .utf8)
    }
    #expect(try text() == whole)
    try FileManager.default.removeItem(atPath: "\(sample.folder)/\(sample.ids[0])/config.json")
    #expect(try text() == whole)
    #expect(try counts(sample, ["batchSize=50", "rows=64"]) == [1, 2])
    // A version with other defaults made these: its word counts.
    let base = ExperimentConfiguration.expandingShorthands(in: try #require(sample.document))
    for (id, batch) in zip(sample.ids, [50, 50, 20, 20]) {
      let older = try ExperimentConfiguration.decode(
        base.setting(path: Self.batch, to: .integer(batch)).setting(path: "model.hardware.rows", to: 32)
      ).get().resolved
      try older.written().write(toFile: "\(sample.folder)/\(id)/config.json", atomically: true, encoding: .utf8)
    }
    #expect(try counts(sample, ["model.hardware.rows=32", "hardware.rows<=32"]) == [2, 2])
  }

  @Test("no configuration is read where every point sets what is asked for")
  func unread() throws {
    let sample = try sample("unread", [], axes: [(Self.batch, [10, 20]), ("model.hidden", [8, 16])])
    for id in sample.ids { try FileManager.default.removeItem(atPath: "\(sample.folder)/\(id)/config.json") }
    let record = try String(contentsOfFile: sample.folder + "/sweep.json", encoding: .utf8)
    // Nor could one be made.
    try record.replacing("\"epochs\"", with: "\"epoch\"").write(
      toFile: sample.folder + "/sweep.json", atomically: true, encoding: .utf8)
    let comparison = try compare(sample) {
      $0.rows = ["hidden"]
      $0.baseline = "batchSize=10"
      $0.conditions = ["seed=1"]
    }
    #expect(comparison.rows.count == 4)
    #expect(throws: RunError.self) { try counts(sample, ["epochs=4"]) }
  }
}

import Configuration
import Foundation
import Testing

@testable import Experiments

@Suite("A sweep's points")
struct SweepPlanTests {
  let lab: Bench
  init() throws { lab = try Bench() }

  /// A circuit, which needs no data, with a sweep.
  private func text(_ sweep: String) -> String {
    """
    { "name": "plan",
      "hardware": { "kind": "crossbar", "device": { "onResistance": 1e5, "offResistance": 1e6 },
        "circuit": { "wireResistance": 2.5 } },
      "stages": [
        { "circuit": { "conductance": { "random": { "rows": 8, "columns": 8 } },
          "inputs": { "random": { "vectors": 4 } } }, "label": "small" } ],
      "sweep": \(sweep) }
    """
  }

  private func plan(_ sweep: String, _ options: [String] = [], seed: UInt64? = nil) throws -> SweepPlan {
    try SweepPlan(path: lab.write(text(sweep)), options: options, seed: seed)
  }

  /// The values of all points, as JSON writes them.
  private func values(_ sweep: String) throws -> [[String]] {
    try plan(sweep).points.map { $0.values.map { $0.value.written() } }
  }

  private func refusal(
    _ sweep: String, _ options: [String] = [], seed: UInt64? = nil, sourceLocation: SourceLocation = #_sourceLocation
  ) -> String {
    do {
      _ = try plan(sweep, options, seed: seed)
      Issue.record("was accepted: \(sweep)", sourceLocation: sourceLocation)
      return ""
    } catch { return "\(error)" }
  }

  @Test("axes are crossed in the order written, the last fastest")
  func grid() throws {
    let points = try values(
      #"{ "hardware.circuit.wireResistance": [1, 2], "stages.small.conductance.random.seed": [7, 8, 9] }"#)
    #expect(points == [["1", "7"], ["1", "8"], ["1", "9"], ["2", "7"], ["2", "8"], ["2", "9"]])
  }

  @Test(
    "a range has both ends, even steps or ratios, and no digits that rounding made up",
    arguments: [
      (#"{ "from": 0, "to": 1, "count": 11 }"#, "0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1"),
      (#"{ "from": 1, "to": 1000, "count": 4, "scale": "log" }"#, "1 10 100 1000"),
      (#"{ "from": 100, "to": 1, "count": 3, "scale": "log" }"#, "100 10 1"),
      (#"{ "from": 2, "to": 5, "integer": true }"#, "2 3 4 5"),
      (#"{ "from": 1, "to": 100, "count": 3, "scale": "log", "integer": true }"#, "1 10 100"),
      (#"{ "from": 3, "to": 9, "count": 1 }"#, "3"),
    ])
  func range(range: String, expected: String) throws {
    let points = try values("{ \"hardware.circuit.wireResistance\": \(range) }")
    #expect(points.map { $0[0] }.joined(separator: " ") == expected)
  }

  @Test("zipped paths walk together, and are crossed with the others")
  func zip() throws {
    let points = try values(
      #"{ "zip": [{ "hardware.device.onResistance": [1e4, 1e5], "hardware.device.offResistance": [2e5, 2e6] }], "seed": [1, 2] }"#
    )
    #expect(
      points == [
        ["10000", "200000", "1"], ["10000", "200000", "2"], ["100000", "2000000", "1"], ["100000", "2000000", "2"],
      ])
  }

  @Test("explicit points set what they name, the rest stays as configured; they have labels")
  func points() throws {
    let plan = try plan(
      #"{ "points": [{ "label": "plain" }, { "label": "thick", "hardware.circuit.wireResistance": 0.1 }], "seed": [1, 2] }"#
    )
    #expect(plan.points.map(\.label) == ["plain", "plain", "thick", "thick"])
    #expect(plan.points.map { $0.values.count } == [1, 1, 2, 2])
    let document = try plan.document(of: plan.points[2])
    #expect(document.value(at: "hardware.circuit.wireResistance") == 0.1)
    #expect(try plan.document(of: plan.points[0]).value(at: "hardware.circuit.wireResistance") == 2.5)
  }

  @Test("samples lie in their ranges, differ with the seed alone, and do not depend on how many there are")
  func random() throws {
    func sweep(_ count: Int, _ seed: Int, _ method: String) -> String {
      """
      { "random": { "count": \(count), "seed": \(seed), "method": "\(method)", "axes": {
        "hardware.device.onResistance": { "from": 1e3, "to": 1e5, "scale": "log" },
        "stages.small.inputs.random.vectors": { "from": 1, "to": 9, "integer": true },
        "hardware.circuit.wireResistance": [1, 2, 5] } } }
      """
    }
    for method in ["uniform", "latin-hypercube"] {
      let points = try plan(sweep(100, 1, method)).points
      #expect(points.count == 100)
      #expect(points.allSatisfy { (1e3...1e5).contains($0.values[0].value.double ?? 0) })
      #expect(Set(points.compactMap { $0.values[1].value.int }) == Set(1...9))
      #expect(Set(points.compactMap { $0.values[2].value.int }) == [1, 2, 5])
      #expect(try plan(sweep(100, 1, method)).points.map(\.id) == points.map(\.id))
      #expect(try plan(sweep(100, 2, method)).points.map(\.id) != points.map(\.id))
    }
    #expect(
      try plan(sweep(10, 1, "uniform")).points.map(\.id)
        == Array(try plan(sweep(100, 1, "uniform")).points.map(\.id).prefix(10)))
    // One in each tenth of a decade.
    let parts = try plan(sweep(20, 1, "latin-hypercube")).points.map {
      Int((log10($0.values[0].value.double ?? 1) - 3) * 10)
    }
    #expect(parts.sorted() == Array(0..<20))
  }

  @Test(
    "constraints know arithmetic, logic, texts, swept paths by their ends, and what is not swept",
    arguments: [
      ("10 * onResistance <= offResistance", 5), ("not (onResistance < 1e5)", 6), ("onResistance == 1e4", 3),
      ("onResistance == 1e4 or offResistance == 1e6 and onResistance != 1e5", 4),
      ("device.onResistance + 2 ^ 3 * 1000 - 1e3 / 2 > 17500", 6), ("-onResistance < -5e4", 6),
      ("wireResistance == 2.5 and kind == 'crossbar'", 9), ("hardware.circuit.driverResistance >= 0", 9),
    ])
  func constraints(constraint: String, expected: Int) throws {
    let plan = try plan(
      """
      { "hardware.device.onResistance": [1e4, 1e5, 2e5], "hardware.device.offResistance": [3e5, 1e6, 1.5e6],
        "where": ["\(constraint)"] }
      """)
    #expect(plan.points.count == expected)
    #expect(plan.excluded == 9 - expected)
  }

  @Test("a condition on a default judges each point by the default that it has")
  func constraintsOnDefaults() throws {
    // On resistances of 100, 40 and 25 kΩ.
    for axis in [
      #""hardware.device": [{ "preset": "ag-si" }, { "preset": "pcm" }, { "preset": "reram-es" }]"#,
      #""hardware.device.preset": ["ag-si", "pcm", "reram-es"]"#,
    ] {
      let base = text("{ \(axis), \"seed\": [1, 2], \"where\": \"hardware.device.onResistance < 5e4\" }")
        .replacingOccurrences(of: "\"device\": { \"onResistance\": 1e5, \"offResistance\": 1e6 },", with: "")
      let plan = try SweepPlan(path: lab.write(base))
      #expect(plan.points.count == 4 && plan.excluded == 2)
    }
    // A point that sets the path and one that leaves it as it is.
    let plan = try plan(
      #"{ "points": [{ "hardware.circuit.driverResistance": 5 }, {}], "where": "hardware.circuit.driverResistance > 50" }"#
    )
    #expect(plan.points.count == 1 && plan.points[0].values.isEmpty)
  }

  @Test("a condition follows a number that is short for an object, and takes a shorthand for what it stands for")
  func constraintsBehindNumbers() throws {
    func points(_ sweep: String) throws -> Int {
      try SweepPlan(
        document: JSON.parse(
          """
          { "name": "numbers", "data": { "dataset": "mnist-5k" },
            "model": { "architecture": "mlp", "hidden": 8 },
            "stages": [{ "train": { "schedule": { "kind": "cosine" } } }, { "evaluate": {} }], "sweep": \(sweep) }
          """), folder: ""
      ).points.count
    }
    let limits = #""data.limit": [100, 200, 300]"#
    #expect(try points("{ \(limits), \"where\": \"data.limit.train <= 200\" }") == 2)
    #expect(try points("{ \(limits), \"where\": \"data.limit > 200\" }") == 1)
    let seeds = #""seed": [1, 2]"#
    for condition in ["stages.train.schedule == 'cosine'", "'step' != stages.train.schedule", "8 == model.hidden"] {
      #expect(try points("{ \(seeds), \"where\": \"\(condition)\" }") == 2, "\(condition)")
    }
  }

  @Test("--only takes a shorthand for what it stands for, where points leave the path as configured too")
  func onlyShorthands() throws {
    let plan = try SweepPlan(
      document: JSON.parse(
        """
        { "name": "only", "data": "mnist-5k",
          "model": { "architecture": "mlp", "hidden": 8,
            "hardware": { "kind": "crossbar", "update": "programmed" } },
          "stages": [{ "train": { "optimizer": { "kind": "sgd", "learningRate": 0.05 }, "schedule": "cosine" } },
            { "evaluate": {} }],
          "sweep": { "points": [{}, { "stages.train.schedule": "step" }, { "stages.train.optimizer": "adam" },
              { "stages.train.optimizer.learningRate": 0.1 }, { "model.hardware.update": "outer-product" },
              { "model.hidden": [16] }], "seed": [1, 2] } }
        """), folder: "")
    for (only, count) in [
      ("schedule=cosine", 10), ("schedule=step", 2), ("optimizer=sgd", 10), ("update=programmed", 10),
      ("model.hidden=8", 10), ("hidden=16", 2), ("learningRate=0.05", 10),
    ] {
      let selection = try SweepSelection([only], plan: plan)
      #expect(plan.points.count(where: selection.contains) == count, "\(only)")
    }
    let refusal = try #require(throws: Refusal.self) { try SweepSelection(["schedule=x"], plan: plan) }
    #expect(refusal.description.contains("there are cosine, step"), "\(refusal)")
  }

  @Test("a point that a constraint leaves out need not be a configuration")
  func constraintsComeFirst() throws {
    let sweep = #""hardware.device.onResistance": [1e4, 1e6], "hardware.device.offResistance": [1e5, 1e7]"#
    #expect(refusal("{ \(sweep) }").contains("(at device.onResistance=1000000, device.offResistance=100000)"))
    #expect(try plan("{ \(sweep), \"where\": \"onResistance < offResistance\" }").points.count == 3)
  }

  @Test("combinations that are the same run are one point; items of lists are found by index or label")
  func identical() throws {
    let plan = try plan(#"{ "seed": [1, 2, 1.0], "stages.0.circuit.inputs.random.vectors": [4] }"#)
    #expect(plan.points.count == 2 && plan.repeated == 1)
    let other = try self.plan(#"{ "seed": [1, 2], "stages.small.inputs.random.vectors": [4] }"#)
    #expect(other.points.map(\.id) == plan.points.map(\.id))
  }

  @Test("a configuration that is whole only with the values of its axes is valid")
  func incompleteBase() throws {
    let incomplete = text(#"{ "hardware.circuit.wireResistance": [1, 5] }"#).replacingOccurrences(
      of: "\"wireResistance\": 2.5", with: "\"wireResistance\": null")
    #expect(try SweepPlan(path: lab.write(incomplete)).points.count == 2)
    try LoadedExperiment(path: lab.write(incomplete)).preflight(forRun: false)
  }

  @Test("a point's id is that of `run --set` with its values")
  func sameAsRun() throws {
    let plan = try plan(#"{ "hardware.circuit.wireResistance": [1, 5], "seed": [3] }"#)
    let loaded = try LoadedExperiment(
      path: lab.write(text("{}")), options: ["hardware.circuit.wireResistance=5", "seed=3"])
    #expect(plan.points[1].id == Run(loaded, options: RunOptions(threads: 1)).id)
  }

  @Test("--set and --seed lie over the configuration, and may replace an axis")
  func options() throws {
    let plan = try plan(
      #"{ "seed": [1, 2] }"#, ["hardware.circuit.wireResistance=9", "sweep.seed=[5, 6, 7]"])
    #expect(plan.points.map { $0.values[0].value.int } == [5, 6, 7])
    #expect(try plan.document(of: plan.points[0]).value(at: "hardware.circuit.wireResistance") == 9)
  }

  @Test(
    "refused with a sentence that points at it:",
    arguments: [
      (
        #"{ "hardware.circuit.wireResistence": [1] }"#,
        ["wireResistence: unknown key", "did you mean \"wireResistance\""]
      ),
      (#"{ "stages.smal.inputs.random.seed": [1] }"#, ["did you mean \"small\"?"]),
      (#"{ "stages.3.circuit.inputs": [1] }"#, ["stages has no item 3", "its items are 0 … 0"]),
      (#"{ "seed.x": [1] }"#, ["x"]), (#"{ "a..b": [1] }"#, ["is no path"]),
      (#"{ "hardware.circuit.wireResistance": [1, -1, "x"] }"#, ["found -1", "found \"x\"", "2 errors"]),
      (#"{ "seed": [1], "hardware.circuit.wireResistance": [] }"#, ["found an empty list"]),
      (#"{ "seed": 3 }"#, ["found one value", "expected a list"]),
      (
        #"{ "stages.small.inputs.random.seed": [1], "stages.0.circuit.inputs.random.seed": [2] }"#,
        ["is swept twice: \"stages.small.inputs.random.seed\" is the same place"]
      ),
      (#"{ "zip": [{ "seed": [1, 2] }], "points": [{ "seed": 1 }] }"#, ["is swept twice"]),
      (
        #"{ "hardware.circuit.wireResistance": [1], "hardware.circuit": [{}] }"#,
        ["replaces \"hardware.circuit.wireResistance\""]
      ),
      (#"{ "zip": [{ "seed": [1, 2], "hardware.circuit.wireResistance": [1] }] }"#, ["has 1 values, \"seed\" has 2"]),
      (#"{ "zip": { "seed": [1] } }"#, ["expected a list of groups"]),
      (#"{ "seed": { "from": 1, "too": 3, "count": 2 } }"#, ["unknown key", "did you mean \"to\""]),
      (#"{ "seed": { "from": 1, "to": 3 } }"#, ["lacks the key \"count\""]),
      (#"{ "seed": { "from": 0, "to": 3, "count": 2, "scale": "log" } }"#, ["is not above 0"]),
      (#"{ "random": { "count": 3, "axes": { "seed": { "from": 1, "to": 5, "count": 9 } } } }"#, ["is of no use here"]),
      (#"{ "random": { "axes": { "seed": [1] } } }"#, ["lacks the key \"count\""]),
      (#"{ "points": [{ "label": "a" }, { "label": "a", "seed": 2 }] }"#, ["\"a\" already labels another point"]),
      (#"{ "points": [{ "label": "a" }, { "seed": 2 }] }"#, ["lacks a label, which other points have"]),
      (#"{ "seed": [1], "where": "seed > 1" }"#, ["leaves none of the 1 points", "\"seed > 1\" alone excludes 1"]),
      (#"{ "seed": [1], "where": ["seed >"] }"#, ["ends where a value is expected"]),
      (#"{ "seed": [1], "where": ["seed + 1"] }"#, ["neither true nor false"]),
      (#"{ "seed": [1], "where": ["sed > 1"] }"#, ["sed has no value"]),
      (
        #"{ "stages.small.inputs.random.seed": [1], "stages.small.conductance.random.seed": [1], "where": ["random.seed > 1"] }"#,
        ["random.seed could be stages.small.inputs.random.seed or stages.small.conductance.random.seed"]
      ),
      (#"{ "seed": [1], "where": ["seed = 1"] }"#, ["'=' means nothing here"]),
      (#"{ "seed": [1], "where": ["kind > 1"] }"#, ["kind, which is \"crossbar\""]),
      (#"{ "name": ["a", "b"] }"#, ["names the sweep's folder"]),
      (#"{}"#, ["the configuration has no sweep"]),
      (
        #"{ "seed": { "from": 1, "to": 1000000, "integer": true }, "hardware.circuit.wireResistance": [1, 2] }"#,
        ["1,000,000 × 2 points are more than 1,000,000"]
      ),
    ])
  func refused(sweep: String, parts: [String]) {
    let sentence = refusal(sweep)
    for part in parts { #expect(sentence.contains(part), "\(sentence)") }
    #expect(sentence.contains("c.json:"), "names the file, line and column: \(sentence)")
    #expect(sentence.contains("^"), "shows the place: \(sentence)")
  }

  @Test("what the command line sets may not be swept")
  func settledTwice() {
    #expect(refusal(#"{ "seed": [1, 2] }"#, seed: 3).contains("is swept, so --seed would do nothing"))
    #expect(
      refusal(#"{ "hardware.circuit.wireResistance": [1] }"#, ["hardware.circuit.wireResistance=2"]).contains(
        "is swept, so --set would do nothing"))
    #expect(refusal(#"{ "seed": [1, 2] }"#, ["seed=3"]).contains("is swept, so --set would do nothing"))
  }

  @Test("all errors are found at once, and each once however many points have it")
  func allAtOnce() {
    let sentence = refusal(
      #"{ "sede": [1, 2], "hardware.circuit.wireResistance": [-1, 1], "stages.small.inputs.random.seed": [1, 2, 3], "x.y": 3 }"#
    )
    #expect(sentence.contains("3 errors."), "\(sentence)")
  }

  @Test("a shard is every n-th point; `auto` reads what schedulers set")
  func shards() throws {
    let shards = try (1...3).map { try SweepShard("\($0)/3") }
    for point in 0..<20 { #expect(shards.count { $0.contains(point) } == 1) }
    for wrong in ["0/3", "4/3", "3", "a/b", "1/0", "-1/2", "1/2/3", ""] {
      #expect(throws: RunError.self) { try SweepShard(wrong) }
    }
    func auto(_ variables: [String: String]) throws -> String {
      try SweepShard("auto", environment: { variables[$0] }).description
    }
    #expect(
      try auto(["SLURM_ARRAY_TASK_ID": "12", "SLURM_ARRAY_TASK_MIN": "10", "SLURM_ARRAY_TASK_COUNT": "4"]) == "3/4")
    #expect(try auto(["LSB_JOBINDEX": "3", "LSB_JOBINDEX_END": "7"]) == "3/7")
    #expect(try auto(["PBS_ARRAY_INDEX": "2", "SIMENGINE_SHARDS": "5"]) == "2/5")
    #expect(try auto(["JOB_COMPLETION_INDEX": "0", "SIMENGINE_SHARDS": "5"]) == "1/5")
    #expect(throws: RunError.self) { try auto(["PBS_ARRAY_INDEX": "2"]) }
    #expect(throws: RunError.self) { try auto([:]) }
    #expect(throws: RunError.self) { try auto(["LSB_JOBINDEX": "8", "LSB_JOBINDEX_END": "7"]) }
    // One task of an array that is submitted again is all of its own array.
    let again = [
      "SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_MIN": "7", "SLURM_ARRAY_TASK_MAX": "7",
      "SLURM_ARRAY_TASK_COUNT": "1",
    ]
    func given(_ more: [String: String]) throws -> String { try auto(again.merging(more) { $1 }) }
    #expect(try given([:]) == "1/1" && given(["SIMENGINE_SHARDS": "12"]) == "7/12")
    #expect(try given(["SIMENGINE_SHARDS": "12", "SIMENGINE_FIRST_SHARD": "0"]) == "8/12")
    #expect(throws: RunError.self) { try given(["SIMENGINE_SHARDS": "6"]) }
  }

  @Test("--only picks by label, id, glob and value; what fits nothing is refused with what there is")
  func only() throws {
    let plan = try plan(
      #"{ "points": [{ "label": "thin" }, { "label": "thick", "hardware.circuit.wireResistance": 0.1 }], "seed": [1, 2, 3] }"#
    )
    func count(_ only: String...) throws -> Int {
      let selection = try SweepSelection(only, plan: plan)
      return plan.points.count { selection.contains($0) }
    }
    #expect(try count() == 6)
    #expect(try count("thin") == 3)
    #expect(try count("thi*") == 6)
    #expect(try count("thin", "seed=2") == 1)
    #expect(try count("seed=2", "seed=3") == 4)
    #expect(try count("wireResistance=0.1", "seed=1") == 1)
    #expect(try count(plan.points[4].id) == 1)
    // A point that leaves a swept path as configured has that value.
    #expect(try count("wireResistance=2.5") == 3 && count("wireResistance==2.5", "seed==1") == 1)
    for (wrong, part) in [
      ("thn", "did you mean \"thin\"?"), ("seed=9", "there are 1, 2, 3"), ("sed=1", "is not swept"),
      ("wireResistance=7", "there are 2.5, 0.1"),
    ] {
      do {
        _ = try count(wrong)
        Issue.record("was accepted: \(wrong)")
      } catch { #expect("\(error)".contains(part), "\(error)") }
    }
  }

  @Test("--only finds a label that holds an equals sign")
  func onlyWithEquals() throws {
    let plan = try plan(
      #"{ "points": [{ "label": "R=1" }, { "label": "R=2", "hardware.circuit.wireResistance": 2 }], "seed": [1, 2] }"#)
    for (only, expected) in [("R=1", 2), ("R=*", 4), ("seed=1", 2)] {
      let selection = try SweepSelection([only], plan: plan)
      #expect(plan.points.count { selection.contains($0) } == expected, "\(only)")
    }
  }

  @Test("times and amounts of memory are read with their units")
  func quantities() {
    #expect(
      SweepOptions.seconds("90") == 90 && SweepOptions.seconds("1.5m") == 90 && SweepOptions.seconds("2h") == 7200)
    #expect(SweepOptions.seconds("x") == nil && SweepOptions.seconds("-1") == nil && SweepOptions.seconds("5y") == nil)
    #expect(SweepOptions.bytes("2G") == 2 << 30 && SweepOptions.bytes("500 MB") == 500 << 20)
    #expect(SweepOptions.bytes("1.5k") == 1536 && SweepOptions.bytes("lots") == nil)
  }
}

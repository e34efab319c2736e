import Configuration
import Foundation
import Testing

@testable import Experiments

@Suite("Student's t")
struct StudentTTests {
  let fixture: JSON

  init() throws {
    let path = "\(Bench.package)/Tests/ExperimentsTests/Fixtures/student_t.json"
    fixture = try JSON.parse(String(contentsOfFile: path, encoding: .utf8), dialect: .strict)
  }

  private func numbers(_ json: JSON) -> [Double] { (json.array ?? []).compactMap(\.double) }

  @Test("tails agree with SciPy to 1e-11, from the middle to a p of 1e-70")
  func tails() throws {
    let rows = try #require(fixture["twoSided"]?.array)
    #expect(rows.count == 195)
    for row in rows {
      let v = numbers(row)
      let p = StudentT.twoSided(v[1], degrees: v[0])
      // SciPy itself is off by 3e-9 at t = 1e-8; the closed forms below hold there.
      if v[1] != 1e-8 { #expect(abs(p - v[2]) <= 1e-11 * max(v[2], 1e-290), "\(v): \(p)") }
      #expect(StudentT.twoSided(-v[1], degrees: v[0]) == p)
    }
  }

  @Test("one and two degrees of freedom have closed forms, which hold to 1e-14", arguments: [1e-8, 1e-3, 0.5, 3, 50])
  func closedForms(t: Double) {
    #expect(abs(StudentT.twoSided(t, degrees: 1) - (1 - 2 / Double.pi * atan(t))) < 1e-14)
    #expect(abs(StudentT.twoSided(t, degrees: 2) - (1 - t / (2 + t * t).squareRoot())) < 1e-14)
  }

  @Test("critical values agree with SciPy to 1e-10")
  func critical() throws {
    for row in try #require(fixture["critical"]?.array) {
      let v = numbers(row)
      let t = StudentT.critical(v[1], degrees: v[0])
      #expect(abs(t - v[2]) <= 1e-10 * v[2], "\(v): \(t)")
    }
  }

  @Test("the paired test agrees with SciPy's ttest_rel and its 95 % interval")
  func paired() throws {
    for row in try #require(fixture["paired"]?.array) {
      func value(_ key: String) -> Double { row[key]?.double ?? .nan }
      let (a, b) = (numbers(row["a"] ?? JSON(.null)), numbers(row["b"] ?? JSON(.null)))
      let pairs = zip(b, a).map { (row: $0, baseline: $1) }
      let test = try #require(PairedTest(pairs))
      #expect(abs(test.difference - value("difference")) < 1e-14)
      #expect(abs((test.p ?? .nan) - value("p")) <= 1e-9 * value("p"))
      #expect(abs((test.interval?.low ?? .nan) - value("low")) < 1e-12)
      #expect(abs((test.interval?.high ?? .nan) - value("high")) < 1e-12)
    }
  }

  @Test("one pair gives a difference and no test; the same difference everywhere is certain")
  func degenerate() throws {
    #expect(PairedTest([]) == nil)
    let one = try #require(PairedTest([(0.9, 0.8)]))
    #expect(one.p == nil && one.interval == nil && one.significance == "n = 1")
    #expect(PairedTest([(2, 1), (3, 2)])?.p == 0)
    #expect(PairedTest([(2, 2), (3, 3)])?.p == 1)
    #expect(StudentT.twoSided(.infinity, degrees: 3) == 0)
  }
}

@Suite("Units of paths")
struct UnitTests {
  @Test("the key table gives a path's unit, through lists, labels, choices and shorthands")
  func units() throws {
    let document: JSON = [
      "name": "u", "data": "mnist-5k", "model": "mlp",
      "models": ["a": ["architecture": "mlp", "hardware": ["kind": "crossbar"]]],
      "stages": [["train": ["epochs": 1]], ["map": ["hardware": "crossbar"]], ["evaluate": [:], "label": "aged"]],
    ]
    func unit(_ path: String) -> String { ExperimentConfiguration.unit(at: path, in: document) }
    #expect(unit("models.a.hardware.circuit.wireResistance") == "ohm")
    #expect(unit("models.a.hardware.device.onResistance") == "ohm")
    #expect(unit("models.a.hardware.converters.adcBits") == "bit")
    #expect(
      unit("model.hardware.circuit.wireResistance") == "ohm", "what the document leaves out is found all the same")
    #expect(
      unit("stages.map.hardware.converters.adcBits") == "bit"
        && unit("stages.1.map.hardware.converters.adcBits") == "bit")
    #expect(unit("stages.train.epochs") == "epoch" || unit("stages.train.epochs") == "")
    #expect(unit("stages.aged.time") == unit("stages.2.evaluate.time"))
    #expect(unit("seed") == "" && unit("nothing.here") == "" && unit("models.a.architecture") == "")
    #expect(unitSymbol("ohm") == "Ω" && unitSymbol("bit") == "bit")
  }
}

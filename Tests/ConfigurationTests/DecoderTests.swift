import Testing

@testable import Configuration

/// Decodes and returns the headlines of all errors.
func complaints(_ text: String) throws -> [String] {
  Sample.decode(try JSON.parse(text, file: "t")).diagnostics.errors.map(\.headline)
}

private func inDevice(_ text: String) -> String {
  "{name: 'n', model: {architecture: 'mlp', hardware: {kind: 'crossbar', device: {\(text)}}}}"
}

@Suite("Decoding")
struct DecoderTests {
  @Test("valid documents are read, and their resolved form reads back to itself", arguments: sampleTexts)
  func roundTrip(text: String) throws {
    let decoded = Sample.decode(try JSON.parse(text))
    #expect(decoded.diagnostics.errors.isEmpty, "\(decoded.diagnostics)")
    let resolved = try decoded.get().resolved
    let again = try Sample.decode(try JSON.parse(resolved.written(pretty: true), dialect: .strict)).get()
    #expect(again.resolved.canonical == resolved.canonical)
  }

  @Test("the resolved document has every default, and what shorthands and presets stand for")
  func resolved() throws {
    let sample = try Sample.decode(try JSON.parse(sampleTexts[1])).get().resolved
    let device = try #require(sample.value(at: "models.crossbar.hardware.device"))
    #expect(
      device == [
        "preset": "ag-si", "onResistance": 1e4, "offResistance": 3e6, "isStuck": false,
      ])
    #expect(
      sample.value(at: "models.ideal") == [
        "architecture": "lenet5", "hidden": [256, 128], "hardware": ["kind": "digital"],
      ])
    #expect(sample.value(at: "stages.train.schedule") == ["kind": "cosine", "warmup": 0])
    #expect(sample.value(at: "stages.train-2.epochs") == 10)
    #expect(sample.value(at: "models.crossbar.hardware.layers.fc1") == ["rows": 32, "device": ["isStuck": true]])
  }

  @Test("Foundation's six failures: each is an error with its line, column and path")
  func foundation() throws {
    // 1. An unknown key.
    #expect(try complaints("{name: 'n',\n sed: 1}") == ["t:2:2  sed: unknown key"])
    // 2. A repeated key.
    do { _ = try JSON.parse("{name: 'n',\n name: 'm'}", file: "t") } catch {
      #expect(error.headline == "t:2:2  the key \"name\" stands twice in one object")
    }
    // 3. A syntax error.
    do { _ = try JSON.parse("{name: 'n',\n seed 1}", file: "t") } catch {
      #expect(error.headline == "t:2:7  found 1 after the key \"seed\"")
    }
    // 4. Fractions and giants where an integer belongs.
    #expect(
      try complaints("{name: 'n', stages: [\n{train: {epochs: 64.5}},\n{train: {epochs: 100000000000000000000}}]}") == [
        "t:2:18  stages.0.train.epochs: found 64.5, expected a whole number ≥ 1",
        "t:3:18  stages.1.train.epochs: 1e20 does not fit 64 bits, expected a whole number ≥ 1",
      ])
    // 5. All errors at once.
    #expect(try complaints("{seed: -1, stages: {}, what: 1}").count == 4)
    // 6. A value of the right type, out of range.
    #expect(
      try complaints("{name: 'n',\n stages: [{train: {epochs: 0}}]}") == [
        "t:2:28  stages.0.train.epochs: found 0, expected a whole number ≥ 1"
      ])
  }

  @Test("an error reads as in the design")
  func form() throws {
    let text = """
      {
        "name": "n",
        "model": { "architecture": "lenet5", "hardware": {
          "kind": "crossbar",
          "device": { "onResistence": 1e5, "offResistance": 1e6 }
        } }
      }
      """
    var diagnostics = Sample.decode(try JSON.parse(text, file: "lenet5.json")).diagnostics
    diagnostics.footer = "Schema: Configs/schema.json · try: simengine list devices"
    #expect(
      diagnostics.description == """
        lenet5.json:5:17  model.hardware.device.onResistence: unknown key
           5 |     "device": { "onResistence": 1e5, "offResistance": 1e6 }
             |                 ^^^^^^^^^^^^^^ did you mean "onResistance" (ohm, 1 … 1e12)?
        1 error. Schema: Configs/schema.json · try: simengine list devices
        """)
  }

  @Test(
    "every kind of error has its sentence",
    arguments: [
      ("{name: 'n', $schema: 1}", "t:1:22  $schema: found 1, expected a text"),
      ("[]", "t:1:1  found a list, expected an object"),
      ("{}", "t:1:1  lacks the key \"name\""),
      ("{name: 1}", "t:1:8  name: found 1, expected a text"),
      ("{name: 'n', seed: Infinity}", "t:1:19  seed: found a number beyond 1.8e308, expected a whole number ≥ 0"),
      (
        "{name: 'n', models: []}",
        "t:1:21  models: found a list, expected an object whose every value is an object, "
          + "or just its \"architecture\""
      ),
      ("{name: 'n', model: true}", "t:1:20  model.architecture: found true, expected one of \"lenet5\", \"mlp\""),
      ("{name: 'n', model: []}", "t:1:20  model: found a list, expected an object, or just its \"architecture\""),
      ("{name: 'n', model: {}}", "t:1:20  model: lacks the key \"architecture\""),
      (
        "{name: 'n', model: 'lenet'}",
        "t:1:20  model.architecture: found \"lenet\", expected one of \"lenet5\", \"mlp\""
      ),
      (
        "{name: 'n', model: {architecture: 'mlp', hidden: 'x'}}",
        "t:1:50  model.hidden: found \"x\", expected a whole number ≥ 1, "
          + "or a list ≥ 1 items, each item a whole number ≥ 1"
      ),
      (
        "{name: 'n', model: {architecture: 'mlp', hidden: []}}",
        "t:1:50  model.hidden: found a list of 0, expected a list ≥ 1 items, each item a whole number ≥ 1"
      ),
      (
        "{name: 'n', model: {architecture: 'mlp', hardware: {kind: 'quantum'}}}",
        "t:1:59  model.hardware.kind: found \"quantum\", expected one of \"digital\", \"crossbar\""
      ),
      (
        "{name: 'n', model: {architecture: 'mlp', hardware: 4}}",
        "t:1:52  model.hardware: found 4, expected an object, or just its \"kind\": \"digital\", \"crossbar\""
      ),
      (
        "{name: 'n', model: {architecture: 'mlp', hardware: {kind: 'crossbar', adcRange: 'atuo'}}}",
        "t:1:81  model.hardware.adcRange: found \"atuo\", expected \"auto\", or a number > 0 ampere"
      ),
      (
        "{name: 'n', model: {architecture: 'mlp', hardware: {kind: 'crossbar', adcRange: 0}}}",
        "t:1:81  model.hardware.adcRange: found 0, expected a number > 0 ampere"
      ),
      (
        "{name: 'n', model: {architecture: 'mlp', hardware: {kind: 'crossbar', noise: [0, 2]}}}",
        "t:1:82  model.hardware.noise.1: found 2, expected a number 0 … 1"
      ),
      (
        "{name: 'n', model: {architecture: 'mlp', hardware: {kind: 'crossbar', layers: {fc1: {rows: 0}}}}}",
        "t:1:92  model.hardware.layers.fc1.rows: found 0, expected a whole number 1 … 4096"
      ),
      (inDevice("isStuck: 1"), "t:1:89  model.hardware.device.isStuck: found 1, expected true or false"),
      (
        inDevice("onResistance: NaN"),
        "t:1:94  model.hardware.device.onResistance: found NaN, expected a number 1 … 1e12 ohm"
      ),
      (inDevice("preset: 'hp'"), "t:1:88  model.hardware.device.preset: found \"hp\", expected \"ag-si\""),
      (
        inDevice("onResistance: 5e6"),
        "t:1:94  model.hardware.device.onResistance: 5e6 ohm is not below offResistance, 1e6"
      ),
      ("{name: 'n', stages: [{}]}", "t:1:22  stages.0: lacks a key that says what it is"),
      ("{name: 'n', stages: [{label: 'a'}]}", "t:1:22  stages.0: lacks a key that says what it is"),
      ("{name: 'n', stages: [{trian: {}}]}", "t:1:23  stages.0.trian: unknown key"),
      ("{name: 'n', stages: [{train: {}, evaluate: {}}]}", "t:1:34  stages.0.evaluate: a second key beside \"train\""),
      ("{name: 'n', stages: [{train: 1}]}", "t:1:30  stages.0.train: found 1, expected an object"),
      ("{name: 'n', model: 'mlp', models: {a: 'mlp'}}", "t:1:20  model: stands beside \"models\""),
    ])
  func sentences(text: String, expected: String) throws {
    #expect(try complaints(text) == [expected])
  }

  @Test(
    "a wrong name is answered with the nearest right one, or the place it belongs to",
    arguments: [
      ("{nmae: 'n'}", "did you mean \"name\" (a text)?"),
      ("{name: 'n', model: {architecture: 'mlp', Hidden_: 1}}", "did you mean \"hidden\"?"),
      ("{name: 'n', epochs: 3}", "`epochs` belongs inside `train`"),
      ("{name: 'n', stages: [{train: {}, epochs: 3}]}", "`epochs` belongs inside `train`"),
      ("{name: 'n', stages: [{train: {warmup: 3}}]}", "`warmup` belongs inside `schedule`"),
      ("{name: 'n', stages: [{train: {seed: 3}}]}", "`seed` belongs at the top level"),
      ("{name: 'n', rows: 3}", "`rows` belongs inside `hardware` of kind \"crossbar\""),
      ("{name: 'n', stages: [{evaluate: {quux: 3}}]}", "expected one of \"split\""),
      ("{name: 'n', stages: [{evaluate: {split: 'tets'}}]}", "did you mean \"test\"?"),
      ("{name: 'n', model: {architecture: 'mlp', hardware: 'crosbar'}}", "did you mean \"crossbar\"?"),
      ("{name: 'n', stages: [{train: {epochs: 'many'}}]}", "Passes over the data. (default 10)"),
    ])
  func hints(text: String, expected: String) throws {
    let errors = Sample.decode(try JSON.parse(text)).diagnostics.errors
    #expect(errors.map(\.hint) == [expected])
  }

  @Test(
    "a value far from what is usual is accepted with a warning that names the likely slip",
    arguments: [
      ("leakage: 0.5", ["0.5 where 1e-7 … 0.001 siemens is usual; millisiemens instead of siemens?"]),
      ("onResistance: 1", ["1 where 1000 … 1e7 ohm is usual; kiloohm instead of ohm?"]),
      ("onResistance: 100", []),  // Just ten times below what is usual.
      ("leakage: 0", []),
    ])
  func warnings(text: String, expected: [String]) throws {
    let diagnostics = Sample.decode(try JSON.parse(inDevice(text))).diagnostics
    #expect(diagnostics.errors.isEmpty)
    #expect(diagnostics.warnings.map { "\($0.message); \($0.hint)" } == expected)
  }

  @Test("siemens in place of ohms is recognised by the reciprocal")
  func reciprocal() throws {
    let codec = Codec<Double>.number(0..., unit: "siemens", usual: 1e-7...1e-3)
    let json = try JSON.parse("100e3")
    var report = Report(root: Sample.reference, document: json)
    #expect(codec.decode(json, &report) == 1e5)
    #expect(report.warnings.map(\.message) == ["1e5 where 1e-7 … 0.001 siemens is usual"])
    #expect(report.warnings.map(\.hint) == ["ohm instead of siemens?"])
  }

  @Test("of ten thousand errors fifty are printed, in no time")
  func manyErrors() throws {
    let stages = repeatElement("{train: {epochz: 0}}", count: 10_000).joined(separator: ",")
    let diagnostics = Sample.decode(try JSON.parse("{name: 'n', stages: [\(stages)]}")).diagnostics
    #expect(diagnostics.errors.count == 10_000)
    #expect(diagnostics.description.hasSuffix("… and 9950 more\n10000 errors."))
  }
}

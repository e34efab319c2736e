import Configuration
import Crossbars
import Datasets
import Foundation
import LinearAlgebra
import Testing

@testable import Experiments

@Suite("Devices in configurations")
struct DeviceConfigurationTests {
  let lab: Bench
  init() throws { lab = try Bench() }

  static func text(_ device: String, more: String = "") -> String {
    "\"model\": { \"architecture\": \"mlp\", \"hardware\": { \"kind\": \"crossbar\", \"device\": \(device)\(more) } }"
  }
  private func text(_ device: String, more: String = "") -> String {
    lab.text(Self.text(device, more: more), "{ \"evaluate\": {} }")
  }

  private func device(_ json: String) throws -> DeviceConfiguration {
    var configuration = CrossbarConfiguration()
    let loaded = try lab.load(text(json))
    configuration = try #require(loaded.experiment.models[0].value.hardware as? CrossbarConfiguration)
    return configuration.device
  }

  private func loaded(_ json: String) throws -> Device {
    try device(json).loaded(resolve: { "\(lab.folder)/\($0)" })
  }

  // MARK: Presets

  @Test("every shipped preset can be read, is a device that can be, and says where each value is from")
  func presets() throws {
    let shipped = DevicePresets.shipped
    #expect(shipped.problems.isEmpty, "\(shipped.problems)")
    let names = shipped.presets.map(\.name)
    for name in ["ag-si", "linear", "reram-es", "reram-sb", "pcm", "ecram-li", "capacitor", "domain-wall", "idealized"]
    {
      #expect(names.contains(name))
    }
    for (name, file) in shipped.presets {
      #expect(file.device.device.problems.isEmpty, "\(name)")
      #expect(!file.sources.isEmpty && !file.summary.isEmpty)
      for (key, origin) in file.origin {
        #expect(
          ["published", "derived", "ours"].contains { origin.hasPrefix($0) }, "\(name).\(key): \(origin)")
      }
      // What it sets is what it explains.
      let json = try JSON.parse(
        String(contentsOfFile: "\(Bench.package)/Data/devices/\(name).json", encoding: .utf8))
      #expect(
        (json["device"]?.members ?? []).map(\.key).sorted() == file.origin.map(\.key).sorted(), "\(name)")
      let described = try Description.text(name, options: [])
      #expect(described.contains(file.sources[0]) && described.contains(file.origin[0].value))
    }
    let files = try FileManager.default.contentsOfDirectory(atPath: "\(Bench.package)/Data/devices")
    #expect(files.filter { $0.hasSuffix(".json") }.count == names.count)
  }

  @Test("a preset's values stand under the user's, and are written out in the resolved configuration")
  func overlay() throws {
    let plain = try loaded("\"reram-es\"")
    #expect(plain.updateNoise == 5 && plain.noiseFollowsStep && plain.writeNoise == 0.050625)
    #expect(
      plain.law != nil
        && plain.law == DevicePresets.shipped.presets.first { $0.name == "reram-es" }?.file.device.device.law)
    let changed = try loaded(
      "{ \"preset\": \"reram-es\", \"updateNoise\": 1, \"onResistance\": 1e4, \"drift\": { \"exponent\": 0.01 } }")
    #expect(changed.updateNoise == 1 && changed.onResistance == 1e4 && changed.drift?.exponent.value == 0.01)
    #expect(changed.law == plain.law && changed.writeNoise == plain.writeNoise)
    #expect(try loaded("{ \"preset\": \"pcm\", \"drift\": null }").drift == nil)
    #expect(try loaded("{ \"preset\": \"pcm\" }").drift?.exponent.limits == 0.049...0.1)
    // ag-si and the defaults are what they were before presets were files.
    #expect(try loaded("\"ag-si\"") == Device(updateNonlinearity: 1, updateNoise: 0.3))
    #expect(try loaded("{}") == Device())
    #expect(try loaded("\"linear\"") == Device())

    let resolved = try lab.load(text("\"reram-sb\"")).experiment.resolved
    #expect(try lab.load(resolved.written()).experiment.resolved == resolved)
    let written = try #require(resolved["models"]?["main"]?["hardware"]?["device"])
    #expect(
      written["preset"] == "reram-sb" && written["family"]?["zeroState"] == 0.375 && written["writeNoise"] == 0.056)
  }

  @Test("a layer that names a preset starts from that preset, not from the array's values")
  func layers() throws {
    let text = self.text(
      "{ \"preset\": \"ag-si\", \"updateNoise\": 0.7 }",
      more:
        ", \"layers\": { \"fc2\": { \"device\": \"pcm\" }, \"fc3\": { \"device\": { \"preset\": \"linear\", \"levels\": 4 } }, \"fc1\": { \"device\": { \"levels\": 8 } } }"
    )
    let hardware = try lab.load(text).experiment.models[0].value.hardware
    func device(_ layer: String) throws -> Device {
      let own = try #require(try hardware.configuration(forLayer: layer) as? CrossbarConfiguration)
      return own.device.device
    }
    #expect(try device("fc2") == DevicePresets.shipped.presets.first { $0.name == "pcm" }!.file.device.device)
    #expect(try device("fc3") == Device(levels: 4))
    #expect(try device("fc1") == Device(updateNonlinearity: 1, updateNoise: 0.7, levels: 8))
  }

  // MARK: Families

  static let families: [(String, StepLaw?)] = [
    ("\"txsim\"", nil), ("\"constant-step\"", .constantStep), ("\"soft-bounds\"", .softBounds()),
    ("{ \"kind\": \"soft-bounds\", \"zeroState\": 0.3 }", .softBounds(zeroState: 0.3)),
    (
      "{ \"kind\": \"linear-step\", \"gammaUp\": 0.1, \"gammaDown\": 0.5, \"zeroState\": 0.4 }",
      .linearStep(gammaUp: 0.1, gammaDown: 0.5, zeroState: 0.4)
    ),
    (
      "{ \"kind\": \"neurosim\", \"nonlinearityUp\": 2.4, \"nonlinearityDown\": 0 }",
      .neuroSim(up: StepLaw.neuroSimA(label: 2.4), down: .infinity, pulses: 100)
    ),
    (
      "{ \"kind\": \"exp-step\", \"amplitudeUp\": -1, \"amplitudeDown\": -0.2, \"gammaUp\": -0.3, \"gammaDown\": 0.4, \"a\": 0.5, \"b\": -0.6 }",
      .expStep(amplitudeUp: -1, amplitudeDown: -0.2, gammaUp: -0.3, gammaDown: 0.4, a: 0.5, b: -0.6)
    ),
    ("{ \"kind\": \"pow-step\", \"gammaUp\": 0.5, \"gammaDown\": 2 }", .powStep(gammaUp: 0.5, gammaDown: 2)),
    (
      "{ \"kind\": \"piecewise-step\", \"stepsUp\": [1, 0.5], \"stepsDown\": [1, 2, 3] }",
      .piecewiseStep(up: [1, 0.5], down: [1, 2, 3])
    ),
  ]

  @Test("families are read with their parameters", arguments: families)
  func family(json: String, law: StepLaw?) throws {
    #expect(try loaded("{ \"family\": \(json), \"pulseStep\": 0.01 }").law == law)
  }

  @Test("every key reaches the device")
  func keys() throws {
    let d = try loaded(
      """
      { "onResistance": 2e4, "offResistance": 3e5, "pulseStep": 0.02, "asymmetry": 0.1, "updateNoise": 0.4,
        "updateNoiseOf": "local-step", "writeNoise": 0.01, "variation": 0.05, "stepVariation": 0.3,
        "stepDistribution": "log-normal", "asymmetryVariation": 0.02, "boundVariation": { "lower": 0.01, "upper": 0.2 },
        "programmingNoise": [0.01, 0.02], "levels": 16, "writeVerify": { "tolerance": 0.005, "maxIterations": 9 },
        "faults": { "stuckOn": 0.01, "stuckOff": 0.02, "open": 0.03 },
        "readNoise": { "temperature": 350, "bandwidth": 1e6, "flicker": 1e-4, "flickerExponent": 0.5,
          "flickerLimit": 0.3, "lowFrequency": 2, "highFrequency": 3e6,
          "telegraph": { "fraction": 0.2, "amplitude": 0.1, "occupancy": 0.4 } },
        "drift": { "exponent": { "value": 0.02, "slope": -0.01, "least": 0.01, "most": 0.2 }, "variation": 0.005,
          "referenceTime": 30 },
        "retention": { "timeConstant": 1e4, "restingState": 0.5 } }
      """)
    var e = Device(
      onResistance: 2e4, offResistance: 3e5, pulseStep: 0.02, updateNoise: 0.4, programmingNoise: 0.01, levels: 16,
      variation: 0.05)
    e.asymmetry = 0.1
    e.noiseFollowsStep = true
    e.writeNoise = 0.01
    e.stepVariation = 0.3
    e.stepIsLogNormal = true
    e.asymmetryVariation = 0.02
    (e.lowerBoundVariation, e.upperBoundVariation) = (0.01, 0.2)
    e.programmingNoiseTerms = [0.02]
    e.writeVerify = .init(tolerance: 0.005, maxIterations: 9)
    e.faults = .init(stuckOn: 0.01, stuckOff: 0.02, open: 0.03)
    e.readNoise.temperature = 350
    e.readNoise.bandwidth = 1e6
    e.readNoise.flicker = 1e-4
    e.readNoise.flickerExponent = 0.5
    e.readNoise.flickerLimit = 0.3
    (e.readNoise.lowFrequency, e.readNoise.highFrequency) = (2, 3e6)
    e.readNoise.telegraph = .init(fraction: 0.2, amplitude: 0.1, occupancy: 0.4)
    e.drift = .init(
      exponent: .init(0.02, slope: -0.01, limits: 0.01...0.2), variation: .init(0.005), referenceTime: 30)
    e.retention = .init(timeConstant: 1e4, restingState: 0.5)
    #expect(d == e)
    #expect(try loaded("{ \"boundVariation\": 0.1 }").lowerBoundVariation == 0.1)
  }

  // MARK: Files

  @Test("a measured pulse response makes the device: in one file with names or without, or in two")
  func pulseCurve() throws {
    let rows = "0, 1e-6, 5e-6\n1, 2e-6, 4e-6\n2, 4e-6, 1e-6\n3, 5e-6, \n"
    try lab.write("pulses,up,down\n" + rows, "named.csv")
    try lab.write(rows, "bare.csv")
    try lab.write("0,1e-6\n1,2e-6\n2,4e-6\n3,5e-6\n", "up.csv")
    try lab.write("n,G\n0,5e-6\n1,4e-6\n2,1e-6\n", "down.csv")
    let one = try loaded("{ \"pulseCurve\": \"named.csv\", \"updateNoise\": 0.2 }")
    #expect(one.onResistance == 1 / 5e-6 && one.offResistance == 1 / 1e-6 && one.updateNoise == 0.2)
    #expect(abs(one.pulseStep - (1 / 3.0 + 1 / 2.0) / 2) < 1e-12)
    #expect(abs(one.pulseStep * one.stepLaw.relativeStep(up: true, at: 0.25) - 0.5) < 1e-12)
    #expect(try loaded("{ \"pulseCurve\": \"bare.csv\", \"updateNoise\": 0.2 }") == one)
    #expect(
      try loaded("{ \"pulseCurve\": { \"up\": \"up.csv\", \"down\": \"down.csv\" }, \"updateNoise\": 0.2 }") == one)
    // Over a preset, the measurement takes the place of its family.
    #expect(try loaded("{ \"preset\": \"ag-si\", \"pulseCurve\": \"named.csv\" }").law == one.law)
    try lab.load(text("{ \"pulseCurve\": \"named.csv\" }")).preflight(forRun: true)
  }

  @Test("measured levels, alone or within a measured curve's range")
  func levels() throws {
    try lab.write("conductance,sigma\n1e-6,1e-8\n2e-6,2e-8\n5e-6,0\n", "levels.csv")
    try lab.write("1e-6\n2e-6\n", "bare.csv")
    try lab.write("0,1e-6,9e-6\n1,9e-6,1e-6\n", "curve.csv")
    let d = try loaded("{ \"conductanceTable\": \"levels.csv\" }")
    #expect(d.onResistance == 1 / 5e-6 && d.offResistance == 1 / 1e-6)
    #expect(d.levelTable.map(\.x).elementsEqual([0, 0.25, 1]) { abs($0 - $1) < 1e-9 })
    #expect(d.levelTable.map(\.sigma).elementsEqual([0.0025, 0.005, 0]) { abs($0 - $1) < 1e-9 })
    #expect(try loaded("{ \"conductanceTable\": \"bare.csv\" }").levelTable.map(\.sigma) == [0, 0])
    let both = try loaded("{ \"conductanceTable\": \"levels.csv\", \"pulseCurve\": \"curve.csv\" }")
    #expect(both.onResistance == 1 / 9e-6)
    #expect(both.levelTable.map(\.x).elementsEqual([0, 0.125, 0.5]) { abs($0 - $1) < 1e-9 })
  }

  @Test("a fault map is looked into for every layer it is meant for")
  func faultMap() throws {
    var faults = [UInt8](repeating: 0, count: 128 * 256)
    faults[3] = 2
    try Npy.write(NumericArray(shape: [128, 256], elements: .uint8(faults)), to: "\(lab.folder)/fc2.npy")
    let map = "{ \"faults\": { \"map\": \"fc2.npy\" } }"
    try lab.load(text("{}", more: ", \"layers\": { \"fc2\": { \"device\": \(map) } }")).preflight(forRun: true)
    #expect(try loaded(map).faults.map?.faults[3] == .stuckOff)
    let refused = lab.refusal(text(map))
    #expect(
      refused.contains(
        "model.hardware.device.faults.map: layer fc1: the fault map has shape [128, 256]; expected [256, 64]"),
      "\(refused)")
    faults[9] = 4
    try Npy.write(NumericArray(shape: [128, 256], elements: .uint8(faults)), to: "\(lab.folder)/fc2.npy")
    #expect(
      lab.refusal(text(map)).contains(
        "fc2.npy: element 9 is 4.0, expected 0 (works), 1 (stuck on), 2 (stuck off) or 3 (open)"))
  }

  struct BadFile: Sendable, CustomTestStringConvertible {
    var what: String
    var content: String
    var key = "pulseCurve"
    var expected: String
    var testDescription: String { what }
  }

  static let badFiles: [BadFile] = [
    BadFile(what: "an empty file", content: "", expected: "f.csv: is empty"),
    BadFile(
      what: "a truncated line", content: "n,up,down\n0,1e-6,5e-6\n1,2e-6",
      expected: "f.csv: line 3 has 2 fields, the header has 3"),
    BadFile(
      what: "a curve that turns back", content: "n,up,down\n0,1e-6,5e-6\n1,3e-6,4e-6\n2,2e-6,3e-6\n",
      expected: "f.csv: line 4: the conductance falls from 3e-06 to 2e-06 S in the curve up, which must be monotone"),
    BadFile(
      what: "not a number", content: "n,up,down\n0,1e-6,5e-6\n1,nan,4e-6\n",
      expected: "f.csv: line 3: \"nan\" was found as conductance up, a finite number was expected"),
    BadFile(
      what: "a text", content: "n,up,down\n0,1e-6,5e-6\n1,2e-6,low\n",
      expected: "f.csv: line 3: \"low\" was found as conductance down, a finite number was expected"),
    BadFile(
      what: "too few columns", content: "n,up\n0,1e-6\n1,2e-6\n",
      expected: "f.csv: has 2 columns, expected 3: pulses, conductance up, conductance down"),
    BadFile(
      what: "too many columns", content: "0,1,2,3\n", expected: "f.csv: has 4 columns, expected 3"),
    BadFile(
      what: "a negative conductance", content: "0,1e-6,5e-6\n1,2e-6,-1e-6\n",
      expected: "f.csv: line 2: the conductance down is -1e-06, a number of siemens above 0 was expected"),
    BadFile(
      what: "one point", content: "0,1e-6,5e-6\n", expected: "f.csv: the curve up has 1 point, at least 2 were expected"
    ),
    BadFile(
      what: "levels out of order", content: "2e-6\n1e-6\n", key: "conductanceTable",
      expected: "f.csv: line 2: 1e-06 S is not above the level before it, 2e-06 S"),
    BadFile(
      what: "one level", content: "2e-6,0\n", key: "conductanceTable",
      expected: "f.csv: has 1 level, at least 2 were expected"),
    BadFile(
      what: "a negative deviation", content: "g,s\n1e-6,0\n2e-6,-1\n", key: "conductanceTable",
      expected: "f.csv: line 3: the standard deviation is -1.0, 0 or more siemens were expected"),
    BadFile(
      what: "a level without a conductance", content: "g,s\n0,0\n2e-6,0\n", key: "conductanceTable",
      expected: "f.csv: line 2: the conductance is 0.0, a number of siemens above 0 was expected"),
  ]

  @Test("a measured file that cannot be used is refused with its line before anything runs", arguments: badFiles)
  func badFile(file: BadFile) throws {
    try lab.write(file.content, "f.csv")
    let sentence = lab.refusal(text("{ \"\(file.key)\": \"f.csv\" }"))
    #expect(sentence.contains("model.hardware.device.\(file.key): "), "\(sentence)")
    #expect(sentence.contains(file.expected), "\(sentence)")
  }

  @Test("a file that is not there is named, for one layer too")
  func missingFile() {
    for key in ["pulseCurve", "conductanceTable"] {
      #expect(lab.refusal(text("{ \"\(key)\": \"no.csv\" }")).contains("no.csv: no such file"))
    }
    #expect(lab.refusal(text("{ \"faults\": { \"map\": \"no.npy\" } }")).contains("no.npy: no such file"))
    let layer = lab.refusal(
      text("{}", more: ", \"layers\": { \"fc2\": { \"device\": { \"pulseCurve\": \"no.csv\" } } }"))
    #expect(layer.contains("hardware.layers.fc2") && layer.contains("no.csv: no such file"), "\(layer)")
  }

  static let mistakes: [(String, String)] = [
    ("\"reram-se\"", "device.preset: found \"reram-se\", expected one of \"ag-asi\""),
    ("{ \"preset\": \"reram-se\" }", "did you mean \"reram-es\"?"),
    ("{ \"family\": \"soft-bound\" }", "did you mean \"soft-bounds\"?"),
    ("{ \"family\": { \"kind\": \"linear-step\", \"gammaUp\": 1 } }", "family: lacks the key \"gammaDown\""),
    (
      "{ \"family\": { \"kind\": \"pow-step\", \"gammaUp\": 1, \"gammaDown\": 1, \"zeroState\": 1 } }",
      "family.zeroState: unknown key"
    ),
    (
      "{ \"onResistance\": 1e6, \"offResistance\": 1e5 }",
      "device.onResistance: 1e6 ohm is not below offResistance, 1e5 ohm"
    ),
    ("{ \"levels\": 0 }", "device.levels: found 0, expected a whole number 2 … 65536"),
    ("{ \"pulseStep\": 2 }", "device.pulseStep: found 2, expected a number > 0, ≤ 1"),
    (
      "{ \"pulseStep\": 0.9, \"family\": { \"kind\": \"piecewise-step\", \"stepsUp\": [3], \"stepsDown\": [1] } }",
      "device.pulseStep: found 0.9, and one pulse up from the middle moves the state by 2.7, more than its whole range"
    ),
    (
      "{ \"family\": { \"kind\": \"piecewise-step\", \"stepsUp\": [], \"stepsDown\": [1] } }",
      "stepsUp: found a list of 0, expected a list 1 … 4096 items"
    ),
    (
      "{ \"family\": { \"kind\": \"piecewise-step\", \"stepsUp\": [0, 0], \"stepsDown\": [1] } }",
      "no pulse up ever moves this device"
    ),
    ("{ \"variation\": -1 }", "device.variation: found -1, expected a number 0 … 1"),
    ("{ \"faults\": { \"stuckOn\": 0.7, \"open\": 0.7 } }", "device.faults: faults are 1.4 of all devices"),
    ("{ \"faults\": { \"stuckon\": 0.7 } }", "did you mean \"stuckOn\""),
    ("{ \"drift\": {} }", "device.drift: lacks the key \"exponent\""),
    ("{ \"readNoise\": { \"lowFrequency\": 1e7 } }", "device.readNoise.lowFrequency: "),
    (
      "{ \"readNoise\": { \"telegraph\": { \"amplitude\": 2 } } }",
      "telegraph.amplitude: found 2, expected a number 0 … 1"
    ),
    (
      "{ \"updateNonlinearity\": 1, \"family\": \"constant-step\" }",
      "device.updateNonlinearity: ν means something to the family txsim only"
    ),
    (
      "{ \"drift\": { \"exponent\": { \"value\": 0, \"least\": 0.5, \"most\": 0.1 } } }", "0.5 is above most, 0.1"
    ),
  ]

  @Test("mistakes in a device are refused with their place", arguments: mistakes)
  func mistake(json: String, expected: String) {
    let sentence = lab.refusal(text(json))
    #expect(sentence.contains(expected), "\(sentence)")
  }

  // MARK: Reports

  @Test("the page on devices knows every preset, family and key, and no other preset")
  func documentation() throws {
    let page = try String(contentsOfFile: "\(Bench.package)/Documentation/devices.md", encoding: .utf8)
    let names = DevicePresets.shipped.presets.map(\.name)
    for name in names { #expect(page.contains("| `\(name)` |"), "\(name)") }
    for family in stepFamilies() {
      #expect(page.contains("| `\(family.title)`"), "\(family.title)")
      for key in family.keys { #expect(page.contains("`\(key.name)`"), "\(key.name)") }
    }
    for key in DeviceConfiguration.keys { #expect(page.contains("`\(key.name)"), "\(key.name)") }
    for (object, keys) in [
      ("readNoise", ReadNoiseConfiguration.keys), ("faults", FaultsConfiguration.keys),
      ("drift", DriftConfiguration.keys), ("retention", RetentionConfiguration.keys),
    ] {
      for key in keys {
        #expect(page.contains("\(object).\(key.name)") || page.contains("`.\(key.name)`"), "\(key.name)")
      }
    }
    let rows = page.components(separatedBy: "## Shipped devices")[1].split(separator: "\n").filter {
      $0.hasPrefix("| `")
    }
    #expect(rows.count == names.count)
  }

  @Test("a figure of the pulse response is drawn; what is no device, or no .svg, is refused")
  func figure() throws {
    let drawn = try Engine.run(["describe", "pcm", "--figure", "pcm.svg"], in: lab.folder)
    #expect(drawn.status == 0, "\(drawn.errors)")
    let svg = try String(contentsOfFile: "\(lab.folder)/pcm.svg", encoding: .utf8)
    #expect(svg.contains("Pulse response of pcm") && svg.contains("conductance"))
    for arguments in [["describe", "lenet5", "--figure", "x.svg"], ["describe", "pcm", "--figure", "x.png"]] {
      let outcome = try Engine.run(arguments, in: lab.folder)
      #expect(outcome.status == 2 && outcome.errors.contains(arguments[1] == "pcm" ? "x.png" : "only devices"))
    }
    // The law alone reaches the top and comes back.
    let line = DeviceReport.figure(Device(pulseStep: 0.01), name: "f", title: "t").lines[0].points
    #expect(abs(line.map(\.y).max()! - 10) < 0.2 && abs(line.first!.y - 1) < 1e-3 && abs(line.last!.y - 1) < 1e-3)
  }

  @Test("presets of one's own lie in a data folder, before the shipped ones; a broken one is told")
  func ownPresets() throws {
    let folder = "\(lab.folder)/devices"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try lab.write(
      "{ \"summary\": \"mine\", \"sources\": [], \"origin\": { \"levels\": \"ours\" }, \"device\": { \"levels\": 3 } }",
      "devices/mine.json")
    try lab.write("{ \"summary\": \"mine\", \"device\": { \"level\": 3 } }", "devices/broken.json")
    let found = DevicePresets(folders: [folder, "\(Bench.package)/Data/devices"])
    #expect(found.presets.contains { $0.name == "mine" && $0.file.device.device.levels == 3 })
    #expect(found.presets.contains { $0.name == "pcm" })
    #expect(
      found.problems.count == 1 && found.problems[0].contains("broken.json") && found.problems[0].contains("level"))
  }
}

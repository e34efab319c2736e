import Configuration
import Crossbars
import Datasets
import LinearAlgebra

/// What `simengine describe` says of a device preset, and its pulse response as a figure.
public enum DeviceReport {
  /// Sources, and for every key that the preset sets its value and where that is from; nil if there is no such preset.
  static func text(_ name: String) -> String? {
    guard let file = preset(name)?.file else { return nil }
    var table = TextTable(header: ["key", "value", "where from"])
    table.leftColumns = [0, 1, 2]
    table.limits = [1: 50, 2: 72]
    let resolved = file.device.resolved
    table.rows = file.origin.map { key, origin in
      [key, resolved[key].map { $0.written(pretty: false) } ?? "", origin]
    }
    let sources = file.sources.map { "  \($0)" }.joined(separator: "\n")
    return "device \(name): \(file.summary)\n\nsources\n\(sources)\n\n" + table.text()
      + "\n\nWhat each key means, its unit and range: simengine describe device"
  }

  /// Every key of a device and of the families of its pulse response.
  static var keys: String {
    var text = "device: \(DeviceKeys.documentation)\n\n" + Description.keyTable(DeviceKeys.keys)
    for family in stepFamilies() {
      text += "\n\nfamily \(family.title): \(family.documentation)"
      if !family.keys.isEmpty { text += "\n\n" + Description.keyTable(family.keys) }
    }
    let parts: [(String, [KeyDescription])] = [
      ("faults", FaultsConfiguration.keys), ("writeVerify", WriteVerifyConfiguration.keys),
      ("readNoise", ReadNoiseConfiguration.keys), ("readNoise.telegraph", TelegraphConfiguration.keys),
      ("drift", DriftConfiguration.keys), ("retention", RetentionConfiguration.keys),
    ]
    for (name, keys) in parts { text += "\n\n\(name)\n\n" + Description.keyTable(keys) }
    return text
  }

  static func preset(_ name: String) -> (name: String, file: DevicePresetFile)? {
    DevicePresets.shipped.presets.first { $0.name == name }
  }

  /// Draws the pulse response of a preset: pulses up from G_min, as many down again; the law alone, and three devices of
  /// a chip with all their noise.
  ///
  /// - Parameter path: an .svg file; its data (.csv) and gnuplot script (.gp) are written beside it.
  /// - Throws: `RunError` when there is no such device, `path` is no .svg, or gnuplot fails; `DataError`.
  public static func draw(_ name: String, to path: String) throws {
    guard let preset = preset(name) else {
      let hint = didYouMean(name, among: DevicePresets.shipped.presets.map(\.name))
      throw RunError(
        "\(name): there is no such device, and only devices have a figure" + (hint.isEmpty ? "" : "; \(hint)"))
    }
    guard path.hasSuffix(".svg"), path.count > 4 else {
      throw RunError("\(path): a figure is a file that ends in .svg")
    }
    let slash = path.lastIndex(of: "/")
    let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let stem = String((slash.map { path[path.index(after: $0)...] } ?? path[...]).dropLast(4))
    let figure = figure(preset.file.device.device, name: stem, title: "Pulse response of \(name)")
    if let problem = try Gnuplot.draw([figure], into: folder) { throw RunError(problem) }
  }

  static func figure(_ device: Device, name: String, title: String) -> Figure {
    var plain = Device(
      onResistance: device.onResistance, offResistance: device.offResistance, pulseStep: device.pulseStep,
      updateNonlinearity: device.updateNonlinearity, law: device.law)
    plain.asymmetry = device.asymmetry
    let pulses = pulsesOverRange(plain)
    var lines = [Figure.Line(title: "law", points: response(plain, devices: 1, pulses: pulses)[0], colour: 6)]
    for (i, points) in response(device, devices: 3, pulses: pulses).enumerated() {
      lines.append(Figure.Line(title: "device \(i + 1)", points: points, colour: i))
    }
    return Figure(name: name, title: title, xLabel: "pulses", yLabel: "conductance (µS)", lines: lines)
  }

  /// Pulses that take the law from the bottom to 98 % of the range, at least 10 and at most 50,000.
  private static func pulsesOverRange(_ device: Device) -> Int {
    var (x, n) = (0.0, 0)
    while x < 0.98, n < 50_000 {
      x += device.pulseStep * (1 + device.asymmetry) * device.stepLaw.relativeStep(up: true, at: min(1, x))
      n += 1
    }
    return max(10, n)
  }

  /// Conductances after so many pulses up and down, some two hundred points of each device.
  private static func response(_ device: Device, devices: Int, pulses: Int) -> [[(x: Double, y: Double)]] {
    var free = device
    free.faults = Device.Faults()
    let plane = DevicePlane(count: devices, device: free, chipSeed: 1, owner: 0, plane: 0)
    plane.program(
      0..<devices, targets: [Float](repeating: 0, count: devices), stream: RandomStream(seed: 1, purpose: 1))
    let one = [Float](repeating: 1, count: devices)
    let every = max(1, pulses / 100)
    var points = [[(x: Double, y: Double)]](repeating: [], count: devices)
    for step in 0...(2 * pulses) {
      if step % every == 0 || step == 2 * pulses {
        for i in 0..<devices {
          let g = (Double(plane.x.base[i]) + device.floor) * device.conductanceRange
          points[i].append((Double(step), 1e6 * g * Double(plane.factors?.base[i] ?? 1)))
        }
      }
      plane.applyPulses(
        0..<devices, pulses: one, sign: step < pulses ? 1 : -1,
        stream: RandomStream(seed: 1, purpose: 2, index: UInt64(step)), first: 0)
    }
    return points
  }
}

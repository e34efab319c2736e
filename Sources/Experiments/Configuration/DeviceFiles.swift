import Configuration
import Crossbars
import Datasets

/// Where a measured pulse response lies: in one file, or in one for each direction.
enum PulseCurveFiles: Sendable, Equatable {
  /// Columns: pulses, conductance up, conductance down.
  case both(String)
  /// Columns: pulses, conductance.
  case separate(up: String, down: String)

  static let codec = Codec<PulseCurveFiles>.either(
    .form(.text, { .both($0) }) { if case .both(let path) = $0 { path } else { nil } },
    .form(.object(), { (files: SeparateCurves) in .separate(up: files.up, down: files.down) }) {
      if case .separate(let up, let down) = $0 { SeparateCurves(up: up, down: down) } else { nil }
    })
}

struct SeparateCurves: Configurable {
  var up = ""
  var down = ""
  init() {}
  init(up: String, down: String) { (self.up, self.down) = (up, down) }
  static let documentation = "A CSV file for each direction, with columns pulses and conductance (siemens)."
  static let fields: [Field<SeparateCurves>] = [
    Field("up", \.up, .text, "Pulses from a low conductance upwards.", required: true),
    Field("down", \.down, .text, "Pulses from a high conductance downwards.", required: true),
  ]
}

/// Reads what a device is made from beside its keys.
enum DeviceFiles {
  /// - Throws: `InputProblem` with the key and a sentence that names the file and, where it can, the line.
  static func load(_ keys: DeviceKeys, resolve: (String) -> String) throws -> Device {
    var device = keys.device
    if let files = keys.pulseCurve {
      try naming("device.pulseCurve") {
        let curve = try pulseCurve(files, resolve: resolve)
        (device.onResistance, device.offResistance) = (curve.onResistance, curve.offResistance)
        (device.pulseStep, device.law, device.updateNonlinearity) = (curve.pulseStep, curve.law, 0)
      }
    }
    if let file = keys.conductanceTable {
      try naming("device.conductanceTable") {
        device = try withLevels(of: resolve(file), device, ownRange: keys.pulseCurve == nil)
      }
    }
    if let file = keys.faultMap {
      try naming("device.faults.map") { device.faults.map = try faultMap(resolve(file)) }
    }
    if let problem = device.problems.first {
      throw InputProblem(key: "device.\(problem.key)", description: problem.sentence)
    }
    return device
  }

  private static func naming(_ key: String, _ body: () throws -> Void) throws {
    do { try body() } catch { throw InputProblem(key: key, description: "\(error)") }
  }

  // MARK: Pulse curves

  private static func pulseCurve(_ files: PulseCurveFiles, resolve: (String) -> String) throws -> PulseCurve {
    switch files {
    case .both(let file):
      let path = resolve(file)
      let rows = try numbers(path, columns: ["pulses", "conductance up", "conductance down"], mayBeEmpty: 1...2)
      func points(_ column: Int) -> [PulseCurve.Point] {
        rows.compactMap { row in
          row.values[column].map { PulseCurve.Point(pulses: row.values[0]!, conductance: $0, line: row.line) }
        }
      }
      do { return try PulseCurve(up: points(1), down: points(2)) } catch { throw DataError("\(path): \(error)") }
    case .separate(let up, let down):
      func points(_ file: String) throws -> [PulseCurve.Point] {
        try numbers(resolve(file), columns: ["pulses", "conductance"]).map {
          PulseCurve.Point(pulses: $0.values[0]!, conductance: $0.values[1]!, line: $0.line)
        }
      }
      let (rising, falling) = (try points(up), try points(down))
      do { return try PulseCurve(up: rising, down: falling) } catch {
        let isDown = "\(error)".contains(" down")
        throw DataError("\(resolve(isDown ? down : up)): \(error)")
      }
    }
  }

  // MARK: Levels

  private static func withLevels(of path: String, _ device: Device, ownRange: Bool) throws -> Device {
    var result = device
    let rows = try numbers(path, columns: ["conductance", "standard deviation"], optional: 1)
    for (i, row) in rows.enumerated() {
      let g = row.values[0]!
      guard g.isFinite, g > 0 else {
        throw DataError("\(path): line \(row.line): the conductance is \(g), a number of siemens above 0 was expected")
      }
      if i > 0, g <= rows[i - 1].values[0]! {
        throw DataError(
          "\(path): line \(row.line): \(g) S is not above the level before it, \(rows[i - 1].values[0]!) S")
      }
      if row.values.count > 1, let sigma = row.values[1], !(sigma >= 0 && sigma.isFinite) {
        throw DataError(
          "\(path): line \(row.line): the standard deviation is \(sigma), 0 or more siemens were expected")
      }
    }
    guard rows.count >= 2 else {
      throw DataError("\(path): has \(rows.count) level\(rows.count == 1 ? "" : "s"), at least 2 were expected")
    }
    if ownRange {
      (result.onResistance, result.offResistance) = (1 / rows.last!.values[0]!, 1 / rows[0].values[0]!)
    }
    let (least, range) = (1 / result.offResistance, result.conductanceRange)
    result.levelTable = try rows.map { row in
      let x = (row.values[0]! - least) / range
      guard x >= -1e-9, x <= 1 + 1e-9 else {
        throw DataError(
          "\(path): line \(row.line): \(row.values[0]!) S lies outside of the pulse curve's conductances, \(least) to "
            + "\(least + range) S")
      }
      return Device.Level(
        x: min(1, max(0, x)), sigma: (row.values.count > 1 ? row.values[1] ?? 0 : 0) / range)
    }
    return result
  }

  // MARK: Faults

  static func faultMap(_ path: String) throws -> FaultMap {
    let array = try Npy.read(path)
    guard array.shape.count == 2 || array.shape.count == 3, array.count > 0 else {
      throw DataError("\(path): has the shape \(array.shape), expected [outputs, inputs] or [planes, outputs, inputs]")
    }
    let faults = try array.doubles.enumerated().map { i, value in
      guard let code = UInt8(exactly: value), let fault = Fault(rawValue: code) else {
        throw DataError(
          "\(path): element \(i) is \(value), expected 0 (works), 1 (stuck on), 2 (stuck off) or 3 (open)")
      }
      return fault
    }
    return FaultMap(shape: array.shape, faults: faults)
  }

  // MARK: Tables

  /// A table of numbers with a line of column names above, which may be left out; columns count by their place.
  ///
  /// - Parameters:
  ///   - mayBeEmpty: columns whose fields may be empty.
  ///   - optional: columns at the end that a file may lack.
  private static func numbers(
    _ path: String, columns: [String], mayBeEmpty: ClosedRange<Int>? = nil, optional: Int = 0
  ) throws -> [(values: [Double?], line: Int)] {
    let table = try CSV.read(path)
    let expected =
      "\(columns.count - optional == columns.count ? "" : "\(columns.count - optional) or ")\(columns.count)"
    guard table.header.count <= columns.count, table.header.count >= columns.count - optional else {
      throw DataError(
        "\(path): has \(table.header.count) column\(table.header.count == 1 ? "" : "s"), expected \(expected): "
          + columns.joined(separator: ", "))
    }
    let hasNames = table.header.contains { Double(trimmed($0)) == nil && !trimmed($0).isEmpty }
    let rows = hasNames ? table.rows : [table.header] + table.rows
    return try rows.enumerated().map { i, row in
      let line = i + (hasNames ? 2 : 1)
      let values = try row.enumerated().map { column, field -> Double? in
        let text = trimmed(field)
        if text.isEmpty, let mayBeEmpty, mayBeEmpty.contains(column) { return nil }
        guard let value = Double(text), value.isFinite else {
          throw DataError(
            "\(path): line \(line): \"\(text)\" was found as \(columns[column]), a finite number was expected")
        }
        return value
      }
      return (values, line)
    }
  }

  private static func trimmed(_ field: String) -> String {
    String(field.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
  }
}

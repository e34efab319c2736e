import Configuration
import Glibc

/// One thing that the runs of a report differ in by design: an axis of figures.
struct ReportAxis {
  var selector: Selector
  /// Shortened, with its unit.
  var title: String
  /// Shortened.
  var name: String
  var unit: String
  /// Distinct values: numbers ascending, anything else as first met.
  var values: [JSON]
  /// Where each value stands: the number itself, or its place.
  var positions: [Double]
  var isNumeric: Bool
  var isLogarithmic: Bool
  /// Samples rather than a grid: hardly any value comes twice.
  var isScattered: Bool
  private var places: [String: Int]

  /// nil if the groups have fewer than two values.
  ///
  /// - Parameter isLogarithmic: whether the sweep spaced the values so; nil leaves it to the values.
  init?(_ selector: Selector, title: String, groups: [RunGroup], isLogarithmic: Bool? = nil) {
    self.selector = selector
    self.title = title
    // wireResistance (Ω)
    let parts = title.hasSuffix(")") ? title.dropLast().split(separator: " (", maxSplits: 1) : []
    name = parts.count == 2 ? String(parts[0]) : title
    unit = parts.count == 2 ? String(parts[1]) : ""
    let found = groups.compactMap { Self.value($0, selector) }
    var distinct: [JSON] = []
    var places: [String: Int] = [:]
    for value in found where places.updateValue(distinct.count, forKey: value.canonical) == nil {
      distinct.append(value)
    }
    guard distinct.count > 1 else { return nil }
    // updateValue renumbers a value met again: numbers are given anew below.
    isNumeric = distinct.allSatisfy { $0.double?.isFinite == true }
    if isNumeric { distinct.sort { ($0.double ?? 0) < ($1.double ?? 0) } }
    values = distinct
    self.places = Dictionary(
      distinct.enumerated().map { ($0.element.canonical, $0.offset) }, uniquingKeysWith: { a, _ in a })
    positions = isNumeric ? distinct.map { $0.double ?? 0 } : distinct.indices.map(Double.init)
    isScattered = isNumeric && distinct.count > 12 && found.count < 2 * distinct.count
    let isPositive = (positions.first ?? 0) > 0
    self.isLogarithmic =
      isNumeric && isPositive && (isLogarithmic ?? Self.looksGeometric(positions))
  }

  /// The place of a group's value among `values`.
  func place(_ group: RunGroup) -> Int? { Self.value(group, selector).flatMap { places[$0.canonical] } }

  /// An object that points leave as configured has no name in tables, but is a setting beside the others.
  private static func value(_ group: RunGroup, _ selector: Selector) -> JSON? {
    if let value = group.value(selector) { return value }
    return group.example.flatMap(selector.whole).map { _ in "as configured" }
  }

  /// Steps of about one ratio (1, 2, 5, 10 as well), or more than two decades.
  private static func looksGeometric(_ x: [Double]) -> Bool {
    guard let first = x.first, let last = x.last, x.count > 2 else { return false }
    let ratios = zip(x.dropFirst(), x).map { $0 / $1 }
    let isEven = (ratios.max() ?? 1) < 1.6 * (ratios.min() ?? 1)
    return last / first >= 100 || (isEven && (ratios.min() ?? 1) > 1.4 && last / first >= 8)
  }

  /// How a value is named at an axis: 100k rather than 1e5.
  func name(_ place: Int) -> String {
    guard let x = values[place].double else { return values[place].cell }
    return Self.short(x)
  }

  static func short(_ x: Double) -> String {
    let size = abs(x)
    guard size >= 1e4 || (size > 0 && size < 1e-2) else { return JSON.number(x).cell }
    let prefixed = withPrefix(x, "")
    return prefixed.hasSuffix(" ") ? String(prefixed.dropLast()) : prefixed.replacing(" ", with: "")
  }

  /// A value in a sentence: wireResistance 2.5 Ω.
  func phrase(_ value: JSON) -> String {
    let hasUnit = !unit.isEmpty && value.double != nil
    return "\(name) \(clipped(value.cell, 40))\(hasUnit ? " \(unit)" : "")"
  }

  /// The phrase of a group's value; nil where it has none.
  func phrase(of group: RunGroup) -> String? { Self.value(group, selector).map(phrase) }

  /// A range with room at both ends, so that nothing lies on the frame.
  static func padded(_ x: [Double], logarithmic: Bool) -> ClosedRange<Double>? {
    guard let low = x.min(), let high = x.max(), low < high else { return nil }
    if logarithmic {
      // A twentieth of the decades there are.
      let factor = pow(high / low, 0.05)
      return (low / factor)...(high * factor)
    }
    return (low - 0.05 * (high - low))...(high + 0.05 * (high - low))
  }

  /// Sets a figure's x axis.
  func apply(to figure: inout Figure) {
    figure.xLabel = title
    figure.hasLogarithmicX = isLogarithmic
    figure.xRange = Self.padded(positions, logarithmic: isLogarithmic)
    if !isNumeric {
      figure.showsNumbers = false
      // Few names may be longer.
      let limit = max(16, 90 / values.count)
      figure.xNames = values.indices.map { (clipped(name($0), limit), positions[$0]) }
      figure.xRange = -0.4...(Double(values.count) - 0.6)
    } else if values.count <= 8, isLogarithmic || isEven {
      figure.showsNumbers = false
      figure.xNames = values.indices.map { (name($0), positions[$0]) }
    } else if (positions.last ?? 0) >= 1e5 {
      figure.xFormat = "%.0s%c"
    }
  }

  private var isEven: Bool {
    let steps = zip(positions.dropFirst(), positions).map { $0 - $1 }
    return (steps.max() ?? 0) < 3 * (steps.min() ?? 0)
  }

  /// Values in words: 2, 4, 8 or 1 … 100 (12 values).
  var summary: String {
    if values.count <= 12 { return values.indices.map { clipped(values[$0].cell, 40) }.joined(separator: ", ") }
    guard isNumeric, let first = values.first, let last = values.last else { return "\(values.count) values" }
    return "\(first.cell) … \(last.cell) (\(values.count) values)"
  }
}

/// A text no longer than so many letters.
func clipped(_ text: String, _ limit: Int) -> String {
  text.count <= limit ? text : String(text.prefix(limit - 1)) + "…"
}

/// The symbol of a unit that a configuration's key has.
func unitSymbol(_ unit: String) -> String {
  switch unit {
  case "ohm": "Ω"
  case "volt": "V"
  case "ampere": "A"
  case "ampere/volt²": "A/V²"
  case "second": "s"
  case "joule": "J"
  case "hertz": "Hz"
  case "kelvin": "K"
  case "metre": "m"
  case "square metre": "m²"
  case "decibel": "dB"
  default: unit
  }
}

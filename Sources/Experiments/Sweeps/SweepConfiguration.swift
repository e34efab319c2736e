import Configuration
import Glibc
import LinearAlgebra
import NeuralNetworks

/// What `"sweep"` in a configuration asks for: axes, in the order written, and constraints between them.
///
///     "seed": [1, 2, 3]                                            values of one path
///     "PATH": { "from": 1, "to": 1e3, "count": 4, "scale": "log" } a range
///     "zip": [{ "A": [1, 2], "B": [3, 4] }, …]                     paths that walk together
///     "points": [{ "label": "x", "A": 1 }, …]                      points of one's own
///     "random": { "count": 100, "axes": { … } }                    samples
///     "where": ["A < B", …]                                        what a point must fulfil
struct SweepConfiguration {
  /// One axis of the grid: each entry gives its paths values.
  struct Axis {
    /// Every path that some entry sets, as written, with the place where it is named.
    var paths: [(path: String, position: Position)]
    var entries: [Entry]
    /// Where the axis stands.
    var position: Position
    /// Whether its entries have labels.
    var hasLabels = false
  }

  struct Entry {
    var label: String?
    var values: [(path: String, value: JSON)]
  }

  private(set) var axes: [Axis] = []
  /// Each text with its place.
  private(set) var constraints: [(text: String, position: Position)] = []
  /// What is wrong; the axes in question are left out.
  private(set) var errors: [Diagnostic] = []

  init(_ json: JSON) {
    guard let members = json.members else {
      refuse("expected an object that maps paths to values", at: "sweep", json.position)
      return
    }
    for member in members {
      switch member.key {
      case "zip": zip(member)
      case "points": points(member)
      case "random": random(member)
      case "where": constraints(member)
      default:
        let place = "sweep.\"\(member.key)\""
        let values = values(member.value, at: place)
        if values.isEmpty { continue }
        axes.append(
          Axis(
            paths: [(member.key, member.keyPosition)],
            entries: values.map { Entry(values: [(member.key, $0)]) }, position: member.value.position))
      }
    }
    if axes.isEmpty && errors.isEmpty {
      refuse("names no axis", at: "sweep", json.position, hint: "such as \"sweep\": { \"seed\": [1, 2, 3] }")
    }
  }

  /// Leaves out the axes of these numbers.
  mutating func drop(_ unusable: Set<Int>) { axes = axes.indices.filter { !unusable.contains($0) }.map { axes[$0] } }

  private mutating func refuse(_ message: String, at path: String, _ position: Position, hint: String = "") {
    errors.append(Diagnostic(message, hint: hint, path: path, at: position))
  }

  /// Takes over what a table of fields found wrong, under the place it was found at.
  private mutating func take<T>(_ decoded: Decoded<T>, at path: String) -> T? {
    errors += decoded.diagnostics.errors.map { error in
      var error = error
      error.path = [path, error.path].filter { !$0.isEmpty }.joined(separator: ".")
      return error
    }
    return decoded.value
  }

  // MARK: Axes

  /// The values of a list or a range; empty when they were refused.
  private mutating func values(_ json: JSON, at place: String) -> [JSON] {
    if json.members != nil {
      guard let range = take(SweepRange.decode(json), at: place) else { return [] }
      if range.count == nil && !range.integer {
        refuse("lacks the key \"count\"", at: place, json.position, hint: "How many values.")
        return []
      }
      return range.values(at: json.position)
    }
    guard let list = json.array else {
      refuse(
        "found one value", at: place, json.position,
        hint: "expected a list of the values to try, or { \"from\": …, \"to\": …, \"count\": … }")
      return []
    }
    if list.isEmpty {
      refuse("found an empty list", at: place, json.position, hint: "expected the values to try")
    }
    return list
  }

  private mutating func zip(_ member: JSON.Member) {
    guard let groups = member.value.array, !groups.isEmpty else {
      return refuse(
        "expected a list of groups", at: "sweep.zip", member.value.position,
        hint: "such as [{ \"A\": [1, 2], \"B\": [3, 4] }]: A and B walk together")
    }
    for (i, group) in groups.enumerated() {
      let place = "sweep.zip.\(i)"
      guard let paths = group.members, !paths.isEmpty else {
        refuse("expected an object that maps paths to values", at: place, group.position)
        continue
      }
      let columns = paths.map { values($0.value, at: "\(place).\"\($0.key)\"") }
      if columns.contains(where: \.isEmpty) { continue }
      for (path, column) in Swift.zip(paths, columns) where column.count != columns[0].count {
        refuse(
          "has \(column.count) values, \"\(paths[0].key)\" has \(columns[0].count)", at: "\(place).\"\(path.key)\"",
          path.value.position, hint: "paths of a group walk together, so they need as many values")
      }
      guard columns.allSatisfy({ $0.count == columns[0].count }) else { continue }
      axes.append(
        Axis(
          paths: paths.map { ($0.key, $0.keyPosition) },
          entries: columns[0].indices.map { k in
            Entry(values: Swift.zip(paths, columns).map { ($0.key, $1[k]) })
          }, position: group.position))
    }
  }

  private mutating func points(_ member: JSON.Member) {
    guard let list = member.value.array, !list.isEmpty else {
      return refuse(
        "expected a list of points", at: "sweep.points", member.value.position,
        hint: "such as [{ \"label\": \"thin\", \"PATH\": 1 }, …]")
    }
    var axis = Axis(paths: [], entries: [], position: member.value.position)
    var labels: Set<String> = []
    for (i, point) in list.enumerated() {
      let place = "sweep.points.\(i)"
      guard let members = point.members else {
        refuse("expected an object that maps paths to values", at: place, point.position)
        continue
      }
      var entry = Entry(values: [])
      for m in members {
        guard m.key != "label" else {
          guard let label = m.value.string, !label.isEmpty else {
            refuse("expected a text", at: "\(place).label", m.value.position)
            continue
          }
          if !labels.insert(label).inserted {
            refuse("\"\(label)\" already labels another point", at: "\(place).label", m.value.position)
          }
          entry.label = label
          axis.hasLabels = true
          continue
        }
        entry.values.append((m.key, m.value))
        if !axis.paths.contains(where: { $0.path == m.key }) { axis.paths.append((m.key, m.keyPosition)) }
      }
      axis.entries.append(entry)
    }
    if axis.hasLabels {
      for (i, entry) in axis.entries.enumerated() where entry.label == nil {
        refuse(
          "lacks a label, which other points have", at: "sweep.points.\(i)", list[i].position,
          hint: "label all of them, or none")
      }
    }
    axes.append(axis)
  }

  private mutating func random(_ member: JSON.Member) {
    guard let samples = take(SweepSamples.decode(member.value), at: "sweep.random") else { return }
    var columns: [[JSON]] = []
    for (i, axis) in samples.axes.enumerated() {
      let place = "sweep.random.axes.\"\(axis.key)\""
      let isList = axis.value.array != nil
      let range = isList ? nil : take(SweepRange.decode(axis.value), at: place)
      if isList && axis.value.array?.isEmpty == true {
        refuse("found an empty list", at: place, axis.value.position, hint: "expected the values to choose from")
      }
      if let count = range?.count {
        refuse(
          "\(count) is of no use here", at: "\(place).count", axis.value["count"]?.position ?? axis.value.position,
          hint: "\"random\" has a \"count\" of its own: the number of samples")
      }
      guard isList ? axis.value.array?.isEmpty == false : range != nil else { continue }
      columns.append(
        samples.uniforms(axis: i).map { u in
          if let list = axis.value.array { return list[min(list.count - 1, Int(u * Double(list.count)))] }
          return range?.sample(at: u, axis.value.position) ?? nil
        })
    }
    guard columns.count == samples.axes.count else { return }
    let members = member.value["axes"]?.members ?? []
    axes.append(
      Axis(
        paths: members.map { ($0.key, $0.keyPosition) },
        entries: (0..<samples.count).map { k in
          Entry(values: Swift.zip(members, columns).map { ($0.key, $1[k]) })
        }, position: member.value.position))
  }

  private mutating func constraints(_ member: JSON.Member) {
    let list = member.value.array ?? [member.value]
    for (i, item) in list.enumerated() {
      guard let text = item.string else {
        refuse(
          "expected a text", at: "sweep.where.\(i)", item.position,
          hint: "such as \"10 * device.onResistance <= device.offResistance\"")
        continue
      }
      constraints.append((text, item.position))
    }
  }
}

/// Values from one end to another: `{ "from": 1, "to": 1e3, "count": 4, "scale": "log" }`.
struct SweepRange: Configurable {
  enum Scale: String, CaseIterable, Sendable { case linear, log }
  var from = 0.0
  var to = 0.0
  var count: Int?
  var scale = Scale.linear
  var integer = false

  static let documentation = "Values from one end to another, evenly spaced; both ends are among them."
  static let fields: [Field<SweepRange>] = [
    Field("from", \.from, .number(), "The first value.", required: true),
    Field("to", \.to, .number(), "The last value.", required: true),
    Field("count", \.count, .optional(.integer(1...1_000_000)), "How many values."),
    Field("scale", \.scale, .choice, "Even steps, or even ratios."),
    Field("integer", \.integer, .boolean, "Rounds to whole numbers."),
  ]

  mutating func check(_ report: inout Report) {
    if scale == .log && (from <= 0 || to <= 0) {
      report.error("is not above 0, which a logarithmic scale needs", at: from <= 0 ? "from" : "to")
    }
  }

  /// The values of an axis of the grid.
  func values(at position: Position) -> [JSON] {
    let count = count ?? (integer ? Int(min(abs(to - from), 1e6)) + 1 : 2)
    return (0..<count).map { value(at: count == 1 ? 0 : Double($0) / Double(count - 1), digits: 12, position) }
  }

  /// The value a share of the way from one end to the other.
  /// - Parameter digits: significant ones, so that 0.30000000000000004 is 0.3.
  func value(at share: Double, digits: Int, _ position: Position) -> JSON {
    var value: Double
    switch share {
    case 0: value = from
    case 1: value = to
    default:
      value =
        scale == .linear
        ? from + share * (to - from)
        : Elementary.exp(Elementary.log(from) + share * (Elementary.log(to) - Elementary.log(from)))
      if !integer { value = rounded(value, digits: digits) }
      value = min(max(value, min(from, to)), max(from, to))
    }
    if integer, let whole = Int(exactly: value.rounded()) { return JSON(.number(JSON.Number(whole)), at: position) }
    return JSON(.number(JSON.Number(value)), at: position)
  }

  /// A random value. Six digits tell samples apart and can still be read; whole numbers are all as likely.
  func sample(at u: Double, _ position: Position) -> JSON {
    guard integer && scale == .linear else { return value(at: u, digits: 6, position) }
    let (low, high) = (min(from, to).rounded(.up), max(from, to).rounded(.down))
    let drawn = Int(exactly: min(high, low + (u * (high - low + 1)).rounded(.down)))
    return drawn.map { JSON(.number(JSON.Number($0)), at: position) } ?? value(at: u, digits: 6, position)
  }

  /// By way of decimal digits: a scaling by a power of ten would round twice.
  private func rounded(_ x: Double, digits: Int) -> Double {
    var buffer = [CChar](repeating: 0, count: 64)
    let count = withVaList([Int32(digits - 1), x]) { vsnprintf(&buffer, buffer.count, "%.*e", $0) }
    return Double(String(decoding: buffer.prefix(Int(count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)) ?? x
  }
}

/// Samples of several paths at once.
struct SweepSamples: Configurable {
  enum Method: String, CaseIterable, Sendable {
    case uniform
    case latinHypercube = "latin-hypercube"
  }
  var count = 0
  var seed: UInt64 = 1
  var method = Method.uniform
  var axes: [(key: String, value: JSON)] = []

  static let documentation = "Samples: one axis of the grid, each of its points a draw of every path."
  static let fields: [Field<SweepSamples>] = [
    Field("count", \.count, .integer(1...1_000_000), "How many samples.", required: true),
    Field("seed", \.seed, .seed, "Of the draws."),
    Field(
      "method", \.method, .choice,
      "Independent draws; or one in each of `count` equal parts of every axis (latin-hypercube)."),
    Field("axes", \.axes, .orderedMap(of: .any), "Ranges ({ \"from\", \"to\" }) or lists, by path.", required: true),
  ]

  mutating func check(_ report: inout Report) {
    if axes.isEmpty { report.error("names no path", at: "axes") }
  }

  /// Every sample's place on one axis, on the open interval (0, 1). A uniform sample does not depend on how many there
  /// are, so that a sweep can be extended.
  func uniforms(axis: Int) -> [Double] {
    let stream = RandomPurpose.sweepSample.stream(seed: seed, owner: axis)
    var draws = RandomSequence(stream)
    let jitter = (0..<count).map { _ in draws.uniform() }
    if method == .uniform { return jitter }
    let parts = RandomPurpose.sweepOrder.stream(seed: seed, owner: axis).permutation(count)
    return Swift.zip(parts, jitter).map { (Double($0) + $1) / Double(count) }
  }
}

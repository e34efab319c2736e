import Configuration

/// Where resolved configurations differ: each is walked beside the first.
///
/// Any two that differ somewhere cannot both agree with the first there, so one pass finds every path; and only
/// differences cost anything, since ten thousand configurations share nearly all they say.
struct ConfigurationDifferences {
  /// Paths of scalars (and lists of scalars) in which not all are alike; the order is the first configuration's, what it
  /// lacks comes last.
  let paths: [String]
  /// For each configuration its value at each of `paths`; nil where it has none.
  let values: [[JSON?]]

  init(_ configurations: [JSON]) {
    guard let first = configurations.first else {
      (paths, values) = ([], [])
      return
    }
    var found: [String: Int] = [:]
    var order: [String] = []
    let differences = configurations.map { configuration in
      var walk = Walk()
      walk.compare(first, configuration)
      return walk.differences.map { path, value -> (Int, JSON?) in
        if let index = found[path] { return (index, value) }
        found[path] = order.count
        order.append(path)
        return (order.count - 1, value)
      }
    }
    var leaves = Walk()
    leaves.compare(nil, first)
    let known = leaves.differences.filter { found[$0.path] != nil }
    let knownPaths = Set(known.map(\.path))
    let rest = order.filter { !knownPaths.contains($0) }
    paths = known.map(\.path) + rest
    var place = [Int](repeating: 0, count: order.count)
    for (i, path) in paths.enumerated() { place[found[path] ?? 0] = i }
    let base: [JSON?] = known.map(\.value) + rest.map { _ in nil }
    values = differences.map { changes in
      var row = base
      for (index, value) in changes { row[place[index]] = value }
      return row
    }
  }

  /// Every scalar of a configuration with its path.
  static func leaves(_ configuration: JSON) -> [(path: String, value: JSON)] {
    var walk = Walk()
    walk.compare(nil, configuration)
    return walk.differences.compactMap { path, value in value.map { (path, $0) } }
  }
}

private struct Walk {
  var differences: [(path: String, value: JSON?)] = []
  private var keys: [String] = []

  /// Notes every leaf of either that the other has not, or has another value for; the value is b's.
  mutating func compare(_ a: JSON?, _ b: JSON?) {
    let (first, second) = (a.flatMap(Self.entries), b.flatMap(Self.entries))
    switch (first, second) {
    case (nil, nil):
      guard a != b else { return }
      note(b)
    case (let entries?, nil):
      if b != nil { note(b) }
      for e in entries { descend(e.key, e.value, nil) }
    case (nil, let entries?):
      if a != nil { note(nil) }
      for e in entries { descend(e.key, nil, e.value) }
    case (let one?, let two?):
      for (i, e) in one.enumerated() {
        // Members stand in the same order nearly always.
        let match = i < two.count && two[i].key == e.key ? two[i].value : two.first { $0.key == e.key }?.value
        descend(e.key, e.value, match)
      }
      for (i, e) in two.enumerated() where !(i < one.count && one[i].key == e.key) {
        if !one.contains(where: { $0.key == e.key }) { descend(e.key, nil, e.value) }
      }
    }
  }

  private mutating func note(_ value: JSON?) { differences.append((keys.joined(separator: "."), value)) }

  private mutating func descend(_ key: String, _ a: JSON?, _ b: JSON?) {
    keys.append(key.contains(".") ? "\"\(key)\"" : key)
    compare(a, b)
    keys.removeLast()
  }

  /// What lies inside of an object, or of a list of objects; nil for a leaf.
  private static func entries(_ json: JSON) -> [(key: String, value: JSON)]? {
    if let members = json.members { return members.map { ($0.key, $0.value) } }
    guard let items = json.array, items.contains(where: { $0.members != nil || $0.array != nil }) else { return nil }
    return items.enumerated().map { ("\($0.offset)", $0.element) }
  }
}

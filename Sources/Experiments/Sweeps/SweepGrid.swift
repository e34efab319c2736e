import Configuration

/// Every combination of a sweep's axes, the last axis fastest.
struct SweepGrid {
  let axes: [SweepConfiguration.Axis]
  /// nil when it does not fit an Int.
  let count: Int?

  init(_ axes: [SweepConfiguration.Axis]) {
    self.axes = axes
    var count: Int? = 1
    for axis in axes {
      count = count.flatMap {
        let (product, overflow) = $0.multipliedReportingOverflow(by: axis.entries.count)
        return overflow ? nil : product
      }
    }
    self.count = count
  }

  /// What a combination sets, and the label that one of its axes gives it.
  func combination(_ index: Int) -> (values: [(path: String, value: JSON)], label: String?) {
    var rest = index
    var chosen: [SweepConfiguration.Entry] = []
    for axis in axes.reversed() {
      chosen.append(axis.entries[rest % axis.entries.count])
      rest /= axis.entries.count
    }
    return (chosen.reversed().flatMap(\.values), chosen.compactMap(\.label).first)
  }

  /// The combinations that fulfil every constraint.
  /// - Parameters:
  ///   - base: the configuration, for paths that are not swept.
  /// - Throws: `Diagnostic` when a constraint names nothing, cannot be worked out, or leaves nothing.
  func indices(fulfilling constraints: [SweepConstraint], base: JSON) throws(Diagnostic) -> [Int] {
    let all = Array(0..<(count ?? 0))
    if constraints.isEmpty { return all }
    let named = try constraints.map { (constraint) throws(Diagnostic) in try names(in: constraint, base) }
    let defaults = SweepDefaults(base: base)
    var counts = [Int](repeating: 0, count: constraints.count)
    var chosen: [Int] = []
    for index in all {
      let values = combination(index).values
      var holds = true
      for (k, constraint) in constraints.enumerated() {
        let isFulfilled = try constraint.holds { (name) throws(Diagnostic) in
          let path = named[k][name] ?? name
          guard let value = defaults.value(at: path, of: values) else {
            throw Diagnostic(
              "\"\(constraint.text)\": \(path) has no value", hint: "it is neither swept nor in the configuration",
              path: "sweep.where", at: constraint.position)
          }
          return value
        }
        if !isFulfilled {
          holds = false
          counts[k] += 1
        }
      }
      if holds { chosen.append(index) }
    }
    guard !chosen.isEmpty else {
      let worst = counts.indices.max { counts[$0] < counts[$1] } ?? 0
      throw Diagnostic(
        "leaves none of the \(all.count) points: \"\(constraints[worst].text)\" alone excludes \(counts[worst])",
        path: "sweep.where", at: constraints[worst].position)
    }
    return chosen
  }

  /// The whole path that each name in a constraint stands for.
  private func names(in constraint: SweepConstraint, _ base: JSON) throws(Diagnostic) -> [String: String] {
    let swept = axes.flatMap { $0.paths.map(\.path) }
    let written = Self.leaves(base)
    var names: [String: String] = [:]
    for name in constraint.paths where names[name] == nil {
      if swept.contains(name) || base.value(at: name) != nil {
        names[name] = name
        continue
      }
      let fits = swept.filter { $0.hasSuffix("." + name) }
      let found = fits.isEmpty ? written.filter { $0.hasSuffix("." + name) } : fits
      if found.count > 1 {
        throw Diagnostic(
          "\"\(constraint.text)\": \(name) could be \(found.prefix(3).joined(separator: " or "))",
          hint: "write more of the path", path: "sweep.where", at: constraint.position)
      }
      // What is left may be a default that is not written.
      names[name] = found.first ?? name
    }
    return names
  }

  /// The paths of all scalars.
  private static func leaves(_ json: JSON, _ path: String = "") -> [String] {
    func join(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
    if let members = json.members { return members.flatMap { leaves($0.value, join($0.key)) } }
    if let items = json.array, items.contains(where: { $0.members != nil }) {
      return items.enumerated().flatMap { leaves($0.element, join("\($0.offset)")) }
    }
    return [path]
  }
}

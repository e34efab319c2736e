import Configuration

/// What a user called the baseline.
struct Baseline {
  let text: String
  /// A selector and the value it must have.
  let wanted: [(selector: Selector, value: JSON)]
  /// The beginning of a run id, when the text is no value.
  var id: String?

  /// - Parameter asWritten: whether it must have the very values, not those that a shorthand may stand for.
  func holds(_ group: RunGroup, asWritten: Bool) -> Bool {
    if let id { return group.all.contains { $0.id.hasPrefix(id) } }
    return wanted.allSatisfy { w in
      group.example.flatMap(w.selector.whole).map { asWritten ? $0 == w.value : Condition.isSame($0, w.value) } ?? false
    }
  }
}

/// Which group each row is compared with.
///
/// A group is a row's baseline if it has the values that the baseline names, and agrees with the row in everything else
/// that both have. What follows from the named values (the paths of a zipped group, of a labelled point) may differ, and
/// so may what only one of them has: an ideal network has no devices.
struct BaselineFinder {
  private var candidates: [(place: Int, values: [String?])] = []
  /// The candidate with just these values; nil where several have them.
  private var exact: [[String?]: Int?] = [:]
  private let others: [Selector]
  /// A run that was named is compared with everything.
  private let fitsAll: Bool

  init(_ baseline: Baseline, in groups: [RunGroup], selectors: [Selector]) {
    let named = baseline.wanted.map(\.selector)
    fitsAll = baseline.id != nil
    others = selectors.filter { s in
      !named.contains { $0.covers(s) } && !RunGroup.isDetermined(s, by: named, in: groups)
    }
    // criterion=relevance is the plain one where a sweep has variants of it beside.
    let asWritten = groups.contains { baseline.holds($0, asWritten: true) }
    for (place, group) in groups.enumerated() where baseline.holds(group, asWritten: asWritten) {
      let values = values(group)
      candidates.append((place, values))
      exact.updateValue(exact[values] == nil ? place : nil, forKey: values)
    }
  }

  private func values(_ group: RunGroup) -> [String?] { others.map { group.value($0)?.canonical } }

  /// - Returns: the baseline's place; nil if there is none, or more than one that fits as well.
  func place(for row: RunGroup) -> Int? {
    if fitsAll && candidates.count == 1 { return candidates[0].place }
    let own = values(row)
    if let place = exact[own] { return place }
    var best: (place: Int?, equal: Int) = (nil, -1)
    for candidate in candidates {
      var equal = 0
      let fits = zip(own, candidate.values).allSatisfy { a, b in
        guard let a, let b else { return true }
        equal += 1
        return a == b
      }
      guard fits, equal >= best.equal else { continue }
      best = equal > best.equal ? (candidate.place, equal) : (nil, equal)
    }
    return best.place
  }
}

extension SelectorFinder {
  /// Reads `path=value[,path=value]`, a label, a name, or the beginning of a run id.
  /// - Throws: `RunError` if no run fits.
  mutating func baseline(_ text: String) throws -> Baseline {
    guard text.contains("=") else {
      let runs = collection.runs
      if runs.contains(where: { $0.label == text }) {
        return Baseline(text: text, wanted: [(.label, .string(text))])
      }
      if runs.contains(where: { $0.name == text }) { return Baseline(text: text, wanted: [(.name, .string(text))]) }
      if text.count >= 4, runs.contains(where: { $0.id.hasPrefix(text) }) {
        return Baseline(text: text, wanted: [], id: text)
      }
      let labels = Array(Set(runs.compactMap(\.label))).sorted()
      throw RunError(
        "--baseline \(text): expected path=value, a point's label, an experiment's name or a run id"
          + (labels.isEmpty ? "" : "; labels are: \(labels.prefix(12).joined(separator: ", "))"))
    }
    // A list has commas of its own: what has no "=" belongs to the value before.
    var parts: [String] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false).map(String.init) {
      if part.contains("=") || parts.isEmpty { parts.append(part) } else { parts[parts.count - 1] += "," + part }
    }
    var wanted: [(selector: Selector, value: JSON)] = []
    for part in parts {
      let condition = try Condition(part, option: "--baseline")
      guard condition.relation == .equal else { throw RunError("--baseline \(text): expected path=value") }
      wanted.append((try find(condition.path, "--baseline"), condition.value))
    }
    let baseline = Baseline(text: text, wanted: wanted)
    for w in wanted {
      let values = collection.runs.compactMap { w.selector.whole($0) }
      if values.contains(where: { Condition.isSame($0, w.value) }) { continue }
      throw RunError(
        "--baseline \(text): no run has \(w.selector.title) = \(w.value.cell); there are: \(Condition.listed(values))")
    }
    return baseline
  }
}

extension Comparison {
  /// The difference of a row to its baseline over the seeds that both have; nil for the baseline itself, or without one.
  ///
  /// What one of them has no seeds of (an ideal network has no chips) cannot be common: its mean is taken first, so that
  /// the chips of one seed are one value of the pair.
  func test(_ row: Row, _ metric: String) -> PairedTest? {
    guard let place = row.baseline, !isBaseline(row) else { return nil }
    let lacking = lackingSeeds(row)
    let common = averaged.filter { !lacking.contains($0) }
    func means(_ group: RunGroup) -> [(key: String, mean: Double)] {
      var order: [String] = []
      var values: [String: [Double]] = [:]
      for run in group.runs {
        guard let value = run.metrics[metric] else { continue }
        let key = common.map { $0.value(run)?.canonical ?? "" }.joined(separator: "\u{1f}")
        if values[key] == nil { order.append(key) }
        values[key, default: []].append(value)
      }
      return order.compactMap { key in values[key].flatMap { Spread($0) }.map { (key, $0.mean) } }
    }
    let base = Dictionary(uniqueKeysWithValues: means(groups[place]).map { ($0.key, $0.mean) })
    return PairedTest(means(row.group).compactMap { key, mean in base[key].map { (mean, $0) } })
  }

  /// What is averaged over and only one of a row and its baseline has.
  private func lackingSeeds(_ row: Row) -> [Selector] {
    guard let place = row.baseline, !isBaseline(row) else { return [] }
    return averaged.filter { selector in
      func has(_ group: RunGroup) -> Bool { group.runs.contains { selector.value($0) != nil } }
      return has(row.group) != has(groups[place])
    }
  }

  func isBaseline(_ row: Row) -> Bool {
    guard let place = row.baseline, let own = row.group.example?.id else { return false }
    return groups[place].all.contains { $0.id == own }
  }

  mutating func noteBaselines() {
    let without = rows.count { $0.baseline == nil }
    if without > 0 {
      notes.append(
        "\(without) of \(rows.count) rows have no baseline, or more than one that fits as well; name more paths of it: "
          + "--baseline path=value,path=value")
    }
    for selector in averaged {
      let count = rows.count { lackingSeeds($0).contains(selector) }
      guard count > 0 else { continue }
      notes.append(
        "\(count) of \(rows.count) rows and their baseline do not both have \(selector.title): the mean over it is compared, "
          + "for each other seed that both have")
    }
    let counts = rows.flatMap { row in metrics.compactMap { test(row, $0)?.count } }
    guard let least = counts.min(), least < 5 else { return }
    notes.append(
      least == 1
        ? "a test needs two common seeds at least, five to say much; where n = 1 stands, there is one"
        : "the tests are of \(least) common seeds; fewer than five show only what is large beside its scatter")
  }
}

import Configuration

/// Accuracy against what it costs: every setting a point, the settings that nothing beats on a front.
extension ReportFigures {
  /// Last parts of metrics that are costs, less is better.
  static let costs = ["energyPerSample", "energy", "latency", "area", "parameters", "devices", "macs"]

  /// - Parameter names: all metrics that the runs have.
  func fronts(among names: [String]) -> [Entry] {
    let accuracies = metrics.filter(isShare)
    return Self.costs.compactMap { cost -> Entry? in
      // An evaluation's cost belongs to the accuracy beside it; a count of parameters to every accuracy of its model.
      var pairs: [(cost: String, accuracy: String)] = []
      for accuracy in accuracies {
        let stem = accuracy.split(separator: ".").dropLast().joined(separator: ".")
        let model = accuracy.split(separator: ".").dropLast(2).first.map { "\($0)." } ?? ""
        let found =
          names.first { $0 == (stem.isEmpty ? cost : "\(stem).\(cost)") }
          ?? names.first { $0.hasPrefix(model) && Self.lastPart($0) == cost && !model.isEmpty }
        if let found { pairs.append((found, accuracy)) }
      }
      guard !pairs.isEmpty else { return nil }
      // energy and energyPerSample tell the same.
      if cost == "energy", names.contains(where: { Self.lastPart($0) == "energyPerSample" }) { return nil }
      return front(cost, pairs)
    }
  }

  private struct Candidate {
    var group: RunGroup
    var series: Int
    var cost: Double
    var accuracy: Spread
  }

  private func front(_ cost: String, _ pairs: [(cost: String, accuracy: String)]) -> Entry? {
    var candidates: [Candidate] = []
    for (i, pair) in pairs.enumerated() {
      for g in groups {
        guard let c = g.spread(pair.cost)?.mean, let a = g.spread(pair.accuracy), c.isFinite, c > 0 else { continue }
        candidates.append(Candidate(group: g, series: i, cost: c, accuracy: a))
      }
    }
    guard Set(candidates.map(\.cost)).count > 1 else { return nil }
    let scale = Self.scale(cost)
    let name = pairs.count > 1 ? Self.lastPart(pairs[0].accuracy) : pairs[0].accuracy
    var figure = Figure(
      name: Self.slug("\(name)-against-\(cost)"), title: "\(name) against \(cost)", xLabel: scale.label,
      yLabel: "\(name) (%)", lines: [])
    figure.xFormat = scale.format
    let costs = candidates.map(\.cost)
    if let least = costs.min(), let most = costs.max(), most / least > 50 {
      figure.hasLogarithmicX = true
      if scale.format.isEmpty { figure.xFormat = "%.0s%c" }
    } else if scale.format.isEmpty {
      figure.xFormat = "%.1s%c"
    }
    let best = Self.front(candidates.map { ($0.cost, $0.accuracy.mean) })
    let shown = candidates.count > 2000 ? best : Array(candidates.indices)
    figure.lines.append(
      Figure.Line(
        title: "front: nothing is cheaper and better",
        points: best.map { (candidates[$0].cost, 100 * candidates[$0].accuracy.mean) }, style: .steps, dash: 2,
        colour: 6))
    for (i, pair) in pairs.enumerated() {
      let mine = shown.map { candidates[$0] }.filter { $0.series == i }
      guard !mine.isEmpty else { continue }
      let hasErrors = mine.count <= 60 && mine.contains { $0.accuracy.deviation != nil }
      figure.lines.append(
        Figure.Line(
          title: pairs.count > 1 ? String(pair.accuracy.dropLast(Self.lastPart(pair.accuracy).count + 1)) : "settings",
          points: mine.map { ($0.cost, 100 * $0.accuracy.mean) }, style: hasErrors ? .errors : .points,
          errors: hasErrors ? mine.map { 100 * ($0.accuracy.deviation ?? 0) } : [], colour: i))
    }
    figure.size = Self.size(figure.lines.map(\.title))
    let words = best.prefix(6).map { k -> String in
      let c = candidates[k]
      let place = axes.compactMap { a in c.group.value(a.selector).map { "\(a.title) \(clipped($0.cell, 24))" } }
      let what = place.isEmpty ? (c.group.example?.name ?? "") : place.joined(separator: ", ")
      return "\(what): \(c.accuracy.text(pairs[c.series].accuracy)) at \(readable(cost, c.cost))"
    }
    let caption =
      "On the front: " + words.joined(separator: "; ") + (best.count > 6 ? "; and \(best.count - 6) more." : ".")
      + (shown.count < candidates.count ? " Of \(candidates.count) settings only the front is drawn." : "")
    return Entry(drawing: figure, caption: caption)
  }

  /// Places of the points that no other beats in both, from the cheapest to the best.
  static func front(_ points: [(cost: Double, gain: Double)]) -> [Int] {
    var best = -Double.infinity
    return points.indices.sorted {
      points[$0].cost == points[$1].cost ? points[$0].gain > points[$1].gain : points[$0].cost < points[$1].cost
    }.filter { k in
      guard points[k].gain > best else { return false }
      best = points[k].gain
      return true
    }
  }
}

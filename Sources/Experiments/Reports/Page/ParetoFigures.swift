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
    let name = pairs.count > 1 ? Self.lastPart(pairs[0].accuracy) : pairs[0].accuracy
    let scale = scale(pairs[0].cost, called: cost)
    var figure = Figure(
      name: Self.slug("\(name)-against-\(cost)"), title: "\(name) against \(cost)", xLabel: scale.label,
      yLabel: "\(name) (%)", lines: [])
    let costs = candidates.map(\.cost)
    if let least = costs.min(), let most = costs.max() {
      figure.hasLogarithmicX = most / least > 50
      figure.xRange = ReportAxis.padded(costs.map { scale.factor * $0 }, logarithmic: figure.hasLogarithmicX)
      if most * scale.factor >= 1e5 { figure.xFormat = "%.0s%c" }
    }
    let best = Self.front(candidates.map { ($0.cost, $0.accuracy.mean) })
    let shown = candidates.count > 2000 ? best : Array(candidates.indices)
    figure.lines.append(
      Figure.Line(
        title: "front", points: best.map { (scale.factor * candidates[$0].cost, 100 * candidates[$0].accuracy.mean) },
        style: .steps, dash: 2, colour: 6))
    // Coloured by model or, where there is one, by the first axis with few values.
    let axis = pairs.count > 1 ? nil : axes.first { !$0.isScattered && $0.values.count <= 6 }
    let series = axis.map { Array($0.values.indices) } ?? Array(pairs.indices)
    figure.keyTitle = axis?.title ?? "models"
    for i in series {
      let mine = shown.map { candidates[$0] }.filter { c in axis.map { $0.place(c.group) == i } ?? (c.series == i) }
      guard !mine.isEmpty else { continue }
      let hasErrors = mine.count <= 60 && mine.contains { $0.accuracy.deviation != nil }
      let model =
        pairs.count > 1 ? String(pairs[i].accuracy.dropLast(Self.lastPart(pairs[i].accuracy).count + 1)) : "settings"
      figure.lines.append(
        Figure.Line(
          title: axis.map { clipped($0.name(i), 24) } ?? model,
          points: mine.map { (scale.factor * $0.cost, 100 * $0.accuracy.mean) }, style: hasErrors ? .errors : .points,
          errors: hasErrors ? mine.map { 100 * ($0.accuracy.width(uncertainty) ?? 0) } : [], colour: i))
    }
    if axis == nil && pairs.count == 1 { figure.keyTitle = "" }
    figure = Self.laidOut(figure)
    let words = best.prefix(6).map { k -> String in
      let c = candidates[k]
      let place = axes.compactMap { $0.phrase(of: c.group) }
      let what = place.isEmpty ? (c.group.example?.name ?? "") : place.joined(separator: ", ")
      return "\(what): \(c.accuracy.text(pairs[c.series].accuracy, uncertainty)) at \(readable(cost, c.cost))"
    }
    let caption =
      "Dashed: the front, of settings that nothing beats in both: " + words.joined(separator: "; ")
      + (best.count > 6 ? "; and \(best.count - 6) more." : ".")
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

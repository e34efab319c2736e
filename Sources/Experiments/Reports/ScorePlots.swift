import Foundation

/// Scores of channels as small plots, one for each layer: sorted, so that their shape says how many could go.
enum ScorePlots {
  /// - Parameters:
  ///   - layers: names and scores, in the order they run.
  static func svg(_ layers: [(name: String, scores: [Double])], title: String) -> String {
    let columns = layers.count <= 4 ? max(1, layers.count) : layers.count <= 24 ? 4 : layers.count <= 60 ? 6 : 9
    let (panel, plot) = ((width: 190, height: 132), (left: 40, top: 26, width: 138, height: 74))
    let rows = (layers.count + columns - 1) / columns
    let (width, height) = (max(560, columns * panel.width + 30), rows * panel.height + 78)
    var svg = """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" viewBox="0 0 \(width) \(height)" \
      font-family="sans-serif" font-size="11">
      <rect width="100%" height="100%" fill="white"/>
      <text x="16" y="26" font-size="15">\(RelevanceMap.escaped(title))</text>
      <text x="16" y="44" fill="#555555">score · √channels of each channel, highest first; dashed: 1, what all would have if \
      they were alike</text>

      """
    // One scale for all, so that layers can be compared: every layer's mean square is 1.
    let relative = layers.map { layer in
      layer.scores.sorted(by: >).map { $0.isFinite ? $0 * Double(layer.scores.count).squareRoot() : 0 }
    }
    let top = ceil(max(2, relative.compactMap(\.first).max() ?? 2))
    for (i, values) in relative.enumerated() {
      let x0 = Double(16 + i % columns * panel.width + plot.left)
      let y0 = Double(56 + i / columns * panel.height + plot.top)
      let (w, h) = (Double(plot.width), Double(plot.height))
      func y(_ v: Double) -> String { number(y0 + h * (1 - min(v, top) / top)) }
      let step = w / Double(max(1, values.count))
      var path = "M\(number(x0)) \(number(y0 + h))"
      for (k, v) in values.enumerated() { path += "V\(y(v))H\(number(x0 + Double(k + 1) * step))" }
      path += "V\(number(y0 + h))Z"
      svg += """
        <text x="\(number(x0))" y="\(number(y0 - 8))">\(RelevanceMap.escaped(layers[i].name))</text>
        <path d="\(path)" fill="#56B4E9" stroke="#0072B2" stroke-width="0.7"/>
        <path d="M\(number(x0)) \(y(1))h\(number(w))" stroke="#D55E00" stroke-dasharray="4 3" fill="none"/>
        <path d="M\(number(x0)) \(number(y0))v\(number(h))h\(number(w))" stroke="#333333" fill="none"/>
        <text x="\(number(x0 - 5))" y="\(number(y0 + 8))" text-anchor="end">\(Int(top))</text>
        <text x="\(number(x0 - 5))" y="\(number(y0 + h))" text-anchor="end">0</text>
        <text x="\(number(x0))" y="\(number(y0 + h + 13))">1</text>
        <text x="\(number(x0 + w))" y="\(number(y0 + h + 13))" text-anchor="end">\(values.count)</text>

        """
    }
    return svg + "<text x=\"16\" y=\"\(height - 14)\" fill=\"#555555\">channels by rank</text>\n</svg>\n"
  }

  private static func number(_ x: Double) -> String { String(format: "%.1f", x) }
}

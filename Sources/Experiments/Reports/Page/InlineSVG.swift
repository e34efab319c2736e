/// Makes of gnuplot's SVG a part of a page.
///
/// Ids are the page's, so each figure gets its own; black follows the page's colour, which `PageStyle` does; the white
/// ground and the groups in which nothing is drawn, a third of the bytes, go.
enum InlineSVG {
  /// - Parameters:
  ///   - svg: what gnuplot wrote.
  ///   - prefix: of its ids.
  ///   - title: what a screen reader says.
  /// - Returns: nil for what is no SVG.
  static func text(_ svg: [UInt8], prefix: String, title: String) -> String? {
    let whole = String(decoding: svg, as: UTF8.self)
    guard let start = whole.range(of: "<svg"), let open = whole[start.upperBound...].firstIndex(of: ">") else {
      return nil
    }
    let tag = whole[start.lowerBound..<open].replacing("\n", with: " ")
    var body = String(whole[whole.index(after: open)...])
    if let head = body.range(of: "<title>Gnuplot</title>"), let end = body.range(of: "</desc>") {
      body.removeSubrange(head.lowerBound..<end.upperBound)
    }
    // Names that gnuplot gives to what has none.
    while let name = body.range(of: "<title>gnuplot_plot_") {
      guard let end = body[name.lowerBound...].range(of: "</title>") else { break }
      body.removeSubrange(name.lowerBound..<end.upperBound)
    }
    // A black that was asked for by number; other black is named, and PageStyle sees to it.
    body = body.replacing("rgb(  0,   0,   0)", with: "currentColor").replacing("rgb(0, 0, 0)", with: "currentColor")
    body = withoutFilters(body)
    body = withoutEmptyGroups(body)
    for quote in ["\"", "'"] {
      body = body.replacing("id=\(quote)", with: "id=\(quote)\(prefix)-")
      body = body.replacing("href=\(quote)#", with: "href=\(quote)#\(prefix)-")
    }
    body = body.replacing("url(#", with: "url(#\(prefix)-")
    let label = "\(prefix)-title"
    return "\(tag) role=\"img\" aria-labelledby=\"\(label)\">\n<title id=\"\(label)\">\(escaped(title))</title>" + body
  }

  /// Filters for boxes behind texts, which no figure here has.
  private static func withoutFilters(_ body: String) -> String {
    var lines: [Substring] = []
    var isInside = false
    for line in body.split(separator: "\n", omittingEmptySubsequences: true) {
      if line.contains("<filter ") { isInside = true }
      if !isInside, !isGround(line) { lines.append(line) }
      if line.contains("</filter>") { isInside = false }
    }
    return lines.joined(separator: "\n")
  }

  /// The rectangle behind everything.
  private static func isGround(_ line: Substring) -> Bool {
    line.hasPrefix("<rect x=\"0\" y=\"0\"") && line.hasSuffix("/>")
  }

  /// `<g …>` directly followed by `</g>`.
  private static func withoutEmptyGroups(_ body: String) -> String {
    var lines: [Substring] = []
    for line in body.split(separator: "\n") {
      if line == "</g>", let last = lines.last, last.hasPrefix("<g "), last.hasSuffix(">"), !last.contains("</") {
        lines.removeLast()
      } else {
        lines.append(line)
      }
    }
    return lines.joined(separator: "\n")
  }

  static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
      .replacing("\"", with: "&quot;")
  }
}

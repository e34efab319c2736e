import Configuration

/// What points of a sweep have at paths that they do not set, before anything has run: for `where` and `--only`.
///
/// What a key is by default follows from names, switches and objects, hardly ever from a number. So points that differ in
/// numbers alone are decoded once for all of them, except
///
/// - where the numbers are above or below what is asked: `"data.limit": 100` is short for data.limit.train;
/// - where the first of them has nothing there: some objects are written as one number when their parts are equal.
final class SweepDefaults {
  private let base: JSON
  private var found: [String: JSON] = [:]
  private var places: [String: String] = [:]

  /// - Parameter base: the configuration without its sweep, shorthands written out.
  init(base: JSON) { self.base = base }

  /// The value at a path for a point: its own, that of the configuration, or the default; nil where it has none.
  /// - Parameter values: what the point sets.
  func value(at path: String, of values: [(path: String, value: JSON)]) -> JSON? {
    if let own = values.last(where: { $0.path == path }) { return own.value }
    guard let document = try? SweepPlan.document(base, values) else { return nil }
    // An object lacks what it leaves to its defaults, its kind perhaps.
    if let written = document.value(at: path), written.isScalar { return written }
    let asked = place(path)
    let key = ([path] + values.map { isOfAccount($0, asked) ? "\($0.path)=\($0.value.canonical)" : "" })
      .joined(separator: "\u{1f}")
    if let known = found[key] { return known }
    let value = resolved(document, values)?.resolvedValue(at: path)
    found[key] = value
    return value
  }

  /// Whether what is asked may follow from what a point sets.
  private func isOfAccount(_ set: (path: String, value: JSON), _ asked: String) -> Bool {
    guard set.value.double != nil else { return true }
    let own = place(set.path)
    return own == asked || own.hasPrefix(asked + ".") || asked.hasPrefix(own + ".")
  }

  private func resolved(_ document: JSON, _ values: [(path: String, value: JSON)]) -> JSON? {
    if let found = ExperimentConfiguration.decode(document).value { return found.resolved }
    // Numbers that do not go together are no reason to have no defaults: conditions are asked before points are checked.
    guard let document = try? SweepPlan.document(base, values.filter { $0.value.double == nil }) else { return nil }
    return ExperimentConfiguration.decode(document).value?.resolved
  }

  /// A path in one form for all the ways to write it.
  private func place(_ path: String) -> String {
    if let known = places[path] { return known }
    var place = (try? base.canonicalPath(path)) ?? path
    if place == "model" || place.hasPrefix("model.") { place = "models.main" + place.dropFirst("model".count) }
    places[path] = place
    return place
  }
}

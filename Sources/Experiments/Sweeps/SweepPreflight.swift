import Configuration

/// What can be known before a sweep of the points' surroundings: that data and weights are there, that networks fit
/// them, that layers named by hardware exist.
extension SweepPlan {
  /// Looks only so many seconds: data are read and networks made for it, and what combinations hide, their own run says.
  /// A check alone answers at once; the sweep itself looks again.
  private static func patience(forRun: Bool) -> Double { forRun ? 5 : 1 }

  /// Looks at enough points that every value of every axis is in one of them.
  ///
  /// - Parameters:
  ///   - chosen: the points that are to be run.
  ///   - forRun: refuses a named data set that is not on this machine, which is a warning otherwise.
  /// - Returns: what is suspicious.
  /// - Throws: `Diagnostics` with everything that is wrong, once for each place.
  func preflight(_ chosen: [Int], forRun: Bool = true) throws -> Diagnostics {
    let shelf = DataShelf()
    let started = Progress.now()
    var seen: Set<String> = []
    var errors: [Diagnostic] = []
    var warnings: [Diagnostic] = []
    func add(_ new: [Diagnostic], to list: inout [Diagnostic], _ point: SweepPoint) {
      for d in new where !list.contains(where: { $0.path == d.path && $0.position.offset == d.position.offset }) {
        var d = d
        d.message += " (at \(point.description))"
        list.append(d)
      }
    }
    for index in chosen {
      let point = points[index]
      let isNew = point.values.reduce(seen.isEmpty) { seen.insert("\($1.path)=\($1.value.written())").inserted || $0 }
      guard isNew else { continue }
      do {
        let loaded = try LoadedExperiment(document: try document(of: point), folder: folder, shelf: shelf)
        add(try loaded.preflight(forRun: forRun).warnings, to: &warnings, point)
      } catch let found as Diagnostics {
        add(found.errors, to: &errors, point)
        add(found.warnings, to: &warnings, point)
      }
      if InterruptionFlag.isSet || Progress.now() - started > Self.patience(forRun: forRun) { break }
    }
    let found = Diagnostics(errors: errors, warnings: warnings, footer: LoadedExperiment.footer)
    if !errors.isEmpty { throw found }
    return found
  }
}

import Configuration
import LinearAlgebra

/// Decodes the configuration of every point, on all cores, and says what is wrong once for each place.
struct SweepCheck {
  /// In order; without ids where there are errors.
  let points: [SweepPoint]
  /// Each says how many points it is about, and names the first.
  let errors: [Diagnostic]
  let warnings: [Diagnostic]

  private struct Outcome {
    var id = ""
    var errors: [Diagnostic] = []
    var warnings: [Diagnostic] = []
  }

  init(_ indices: [Int], of grid: SweepGrid, base: JSON) {
    var outcomes = [Outcome](repeating: Outcome(), count: indices.count)
    let chunk = 64
    outcomes.withUnsafeMutableBufferPointer { outcomes in
      ThreadPool(threads: Machine.availableCores).parallelFor((indices.count + chunk - 1) / chunk) { part, _ in
        for k in part * chunk..<min(indices.count, (part + 1) * chunk) {
          outcomes[k] = Self.check(grid.combination(indices[k]).values, base)
        }
      }
    }
    let points = zip(indices, outcomes).map { index, outcome in
      let (values, label) = grid.combination(index)
      return SweepPoint(id: outcome.id, values: values, label: label)
    }
    var axes: [(canonical: String, path: String, position: Position)] = []
    for (path, position) in grid.axes.flatMap(\.paths) {
      axes.append(((try? base.canonicalPath(path)) ?? path, path, position))
    }
    self.points = points
    errors = Self.gathered(outcomes.map(\.errors), points, axes)
    warnings = Self.gathered(outcomes.map(\.warnings), points, axes)
  }

  private static func check(_ values: [(path: String, value: JSON)], _ base: JSON) -> Outcome {
    var outcome = Outcome()
    do throws(Diagnostic) {
      let decoded = ExperimentConfiguration.decode(try SweepPlan.document(base, values))
      outcome.errors = decoded.diagnostics.errors
      outcome.warnings = decoded.diagnostics.warnings
      if let value = decoded.value { outcome.id = SweepPlan.runID(of: value.resolved) }
    } catch { outcome.errors = [error] }
    return outcome
  }

  private static func gathered(
    _ all: [[Diagnostic]], _ points: [SweepPoint], _ axes: [(canonical: String, path: String, position: Position)]
  ) -> [Diagnostic] {
    var first: [String: (diagnostic: Diagnostic, point: Int, count: Int)] = [:]
    var order: [String] = []
    for (point, diagnostics) in all.enumerated() {
      for d in diagnostics {
        let key = "\(d.position.offset) \(d.path) \(d.message)"
        if first[key] == nil {
          first[key] = (d, point, 0)
          order.append(key)
        }
        first[key]?.count += 1
      }
    }
    return order.compactMap { key in
      guard let (found, point, count) = first[key] else { return nil }
      var d = found
      let axis = axes.first { d.path == $0.canonical || d.path.hasPrefix($0.canonical + ".") }
      if let axis {
        d.message = "\(d.path): \(d.message)"
        d.path = "sweep.\"\(axis.path)\""
        if found.path == axis.canonical && found.message == "unknown key" { d.position = axis.position }
      } else if count == 1 && points.count > 1 {
        d.message += " (at \(points[point].description))"
      } else if count < points.count {
        d.message += " (in \(count) of \(points.count) points, the first at \(points[point].description))"
      }
      return d
    }
  }
}

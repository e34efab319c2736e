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
        // An unknown key is the path's fault, whatever the value.
        let key = "\(d.message == "unknown key" ? 0 : d.position.offset) \(d.path) \(d.message)"
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
      // All points that share what is to blame have it; where fewer do, another axis has a part in it.
      var concerned = points.count
      if let axis {
        d.message = "\(d.path): \(d.message)"
        d.path = "sweep.\"\(axis.path)\""
        if found.message == "unknown key" && found.path == axis.canonical { d.position = axis.position }
        let value = points[point].values.last { $0.path == axis.path }?.value
        concerned = points.count { $0.values.last { $0.path == axis.path }?.value == value }
      }
      if count == 1 && concerned > 1 {
        d.message += " (at \(points[point].description))"
      } else if count < concerned {
        d.message += " (in \(count) of \(points.count) points, the first at \(points[point].description))"
      }
      return d
    }
  }
}

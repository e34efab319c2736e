import Configuration
import Datasets
import Glibc
import LinearAlgebra

/// A sweep's folder: sweep.json, a folder for each run, summary.csv and timings.csv.
final class SweepFolder {
  let path: String
  let plan: SweepPlan

  init(_ path: String, plan: SweepPlan) { (self.path, self.plan) = (path, plan) }

  func run(_ point: Int) -> String { "\(path)/\(plan.points[point].id)" }
  private var document: String { "\(path)/sweep.json" }

  // MARK: sweep.json

  /// What an earlier sweep.json here is to this sweep: points in another order are another sweep, since shards of the two
  /// would not be slices of one whole.
  enum Earlier {
    case none
    /// The same points.
    case same
    /// This sweep has all of its points, and more.
    case smaller
  }

  /// - Throws: `Refusal` when another sweep lies here, saying which axis or key differs.
  func earlier() throws -> Earlier {
    guard access(document, F_OK) == 0 else { return .none }
    let json: JSON
    do { json = try JSON.parse(try FileBytes.read(document), file: document, dialect: .strict) } catch {
      throw Refusal("\(document): cannot be read as a sweep (\(error)); remove it, or give --output another folder")
    }
    let ids = (json["points"]?.array ?? []).map { $0["id"]?.string ?? "" }
    let own = plan.points.map(\.id)
    if ids == own { return .same }
    let known = Set(own)
    if ids.count == own.count && Set(ids) == known {
      throw Refusal(
        "\(path): holds these points in another order\(reordering(from: json)); write them in that one, or go on with the "
          + "folder as it is: simengine sweep \(shellQuoted(path)) --resume")
    }
    if !ids.isEmpty && ids.allSatisfy(known.contains) { return .smaller }
    throw Refusal("\(path): holds another sweep: \(difference(from: json)); give --output another folder")
  }

  /// Which axis stands in another order, as far as a sentence holds it.
  private func reordering(from json: JSON) -> String {
    let before = json["sweep"] ?? .object([])
    for member in before.members ?? [] {
      guard let now = plan.sweep[member.key], now != member.value else { continue }
      return " (its axis \(member.key) is \(Self.brief(member.value)), here it is \(Self.brief(now)))"
    }
    let keys = (before.members ?? []).map(\.key)
    return keys.count > 1 ? " (its axes are \(keys.joined(separator: ", ")))" : ""
  }

  /// Says what makes an earlier sweep another one.
  private func difference(from json: JSON) -> String {
    var old = json["config"] ?? .object([])
    var new = plan.base
    let swept = plan.axes.flatMap(\.paths)
    // A value beneath an axis is of no account.
    for path in swept {
      old = (try? old.setting(path: path, to: nil)) ?? old
      new = (try? new.setting(path: path, to: nil)) ?? new
    }
    if let place = Self.firstDifference(old, new, "") { return "its configuration differs at \(place)" }
    let (before, after) = (json["sweep"] ?? .object([]), plan.sweep)
    for member in before.members ?? [] {
      guard let now = after[member.key] else { return "it has an axis \(member.key), which this one lacks" }
      guard now != member.value, !Self.isReordered(member.value, now) else { continue }
      let lost = (member.value.array ?? []).filter { now.array?.contains($0) == false }
      if let value = lost.first {
        return "its axis \(member.key) has the value \(value.written()), which this one lacks"
      }
      return "its axis \(member.key) is \(Self.brief(member.value)), here it is \(Self.brief(now))"
    }
    if let added = (after.members ?? []).first(where: { before[$0.key] == nil }) {
      return "it lacks the axis \(added.key)"
    }
    return "its points are others (made by version \(json["version"]?.string ?? "?"), this is \(engineVersion))"
  }

  /// Whether two lists hold the same values in another order.
  private static func isReordered(_ a: JSON, _ b: JSON) -> Bool {
    guard let a = a.array, let b = b.array else { return false }
    return a.map(\.canonical).sorted() == b.map(\.canonical).sorted()
  }

  private static func brief(_ json: JSON) -> String {
    let text = json.written()
    return text.count <= 60 ? text : "\(text.prefix(57))…"
  }

  private static func firstDifference(_ a: JSON, _ b: JSON, _ path: String) -> String? {
    if a == b { return nil }
    func join(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
    if let left = a.members, let right = b.members {
      for m in left {
        guard let other = b[m.key] else { return m.value.isNull ? nil : "\(join(m.key)) (there \(brief(m.value)))" }
        if let found = firstDifference(m.value, other, join(m.key)) { return found }
      }
      return right.first { a[$0.key] == nil && !$0.value.isNull }.map { "\(join($0.key)) (here \(brief($0.value)))" }
    }
    if let left = a.array, let right = b.array, left.count == right.count {
      for i in left.indices { if let found = firstDifference(left[i], right[i], join("\(i)")) { return found } }
    }
    return "\(path) (there \(brief(a)), here \(brief(b)))"
  }

  /// Writes sweep.json.
  func writeDocument() throws {
    try DurableFile.makeFolders(path)
    let resolved = realpath(plan.folder.isEmpty ? "." : plan.folder, nil)
    defer { free(resolved) }
    let json = JSON.object([
      ("name", .string(plan.name)), ("version", .string(engineVersion)),
      ("folder", .string(resolved.map { String(cString: $0) } ?? plan.folder)), ("config", plan.base),
      ("sweep", plan.sweep),
      (
        "axes",
        .array(
          plan.axes.map { axis in
            .object(
              [("paths", .array(axis.paths.map { .string($0) }))] + (axis.label.map { [("label", .string($0))] } ?? []))
          })
      ),
      (
        "points",
        .array(
          plan.points.map { point in
            .object(
              [("id", .string(point.id)), ("values", .object(point.values.map { ($0.path, $0.value) }))]
                + (point.label.map { [("label", .string($0))] } ?? []))
          })
      ),
    ])
    try DurableFile.write(json.written(pretty: true) + "\n", to: document)
  }

  // MARK: Runs

  /// The state of each point, from its folder.
  /// - Parameter asked: only these points are looked at; the others count as missing.
  func states(of asked: [Int]? = nil) -> [SweepPointState] {
    var states = [SweepPointState](repeating: .missing, count: plan.points.count)
    // Nothing here: no need to ask for every run's.
    guard access(path, F_OK) == 0 else { return states }
    let seconds = SweepSummary.seconds(in: path)
    let asked = asked ?? Array(states.indices)
    let chunk = 32
    states.withUnsafeMutableBufferPointer { states in
      ThreadPool(threads: Machine.availableCores).parallelFor((asked.count + chunk - 1) / chunk) { part, _ in
        for k in asked[part * chunk..<min(asked.count, (part + 1) * chunk)] {
          states[k] = SweepPointState(folder: run(k), id: plan.points[k].id)
          if case .ended(var result) = states[k], let known = seconds[plan.points[k].id] {
            result.seconds = known
            states[k] = .ended(result)
          }
        }
      }
    }
    return states
  }

  /// Records that a point failed.
  func writeFailure(_ point: Int, _ message: String) throws {
    try DurableFile.makeFolders(run(point))
    let json = JSON.object([
      ("status", "failed"), ("message", .string(message)),
      ("point", .object(plan.points[point].values.map { ($0.path, $0.value) })),
    ])
    try DurableFile.write(json.written(pretty: true) + "\n", to: "\(run(point))/failure.json")
  }

  /// Removes what an earlier attempt says of a point that is run again.
  func clear(_ point: Int, _ state: SweepPointState) throws {
    switch state {
    case .ended(let result) where result.status == .failed: try DurableFile.remove("\(run(point))/failure.json")
    case .corrupt: try removeResult(point)
    default: break
    }
  }

  /// The point is not done any more.
  func removeResult(_ point: Int) throws { try DurableFile.remove("\(run(point))/result.json") }
}

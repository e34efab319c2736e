import Configuration
import Datasets
import Glibc
import LinearAlgebra

/// One run of a sweep.
public struct SweepPoint: Sendable {
  /// The run's id, which names its folder.
  public let id: String
  /// What the sweep sets, in the order of its axes.
  public let values: [(path: String, value: JSON)]
  /// As the configuration calls it, if it does.
  public let label: String?

  /// For sentences: `circuit.wireResistance=5, seed=1`, or the label.
  public var description: String {
    let texts = values.map { "\(SweepPlan.shortened($0.path))=\($0.value.string ?? $0.value.written())" }
    return ([label].compactMap { $0 } + (label == nil || texts.count < 5 ? texts : [])).joined(separator: ", ")
  }
}

/// A sweep worked out: every point, checked, before anything runs.
public struct SweepPlan {
  /// An axis for sweep.json.
  struct Axis {
    var paths: [String]
    var label: String?
  }

  public let name: String
  /// Where relative input paths start.
  let folder: String
  /// The configuration without its sweep, shorthands written out.
  let base: JSON
  /// The sweep as it was written.
  let sweep: JSON
  let axes: [Axis]
  public let points: [SweepPoint]
  /// Points of the whole grid; those that constraints left out; those that are another point's run.
  public let combinations: Int
  public let excluded: Int
  public var repeated: Int { combinations - excluded - points.count }
  /// What is suspicious, once for each place.
  public let warnings: Diagnostics

  /// More would fill a disk with folders.
  static let largestCount = 1_000_000

  /// Reads a configuration and works its sweep out; every point's configuration is decoded.
  ///
  /// - Parameters:
  ///   - options: `path=value` of the command line, laid over the file. They may not set what is swept.
  ///   - seed: replaces the configuration's.
  /// - Throws: `Diagnostics` with what is wrong; `DataError` when the file cannot be read.
  public init(path: String, options: [String] = [], seed: UInt64? = nil) throws {
    let document = try LoadedExperiment.document(path: path, options: options, seed: seed)
    try self.init(document: document, folder: LoadedExperiment.folder(of: path), options: options, seed: seed)
  }

  /// - Parameter document: with `extends` and `--set` carried out.
  init(document: JSON, folder: String, options: [String] = [], seed: UInt64? = nil) throws {
    guard let sweep = document["sweep"], sweep.members?.isEmpty != true else {
      throw Diagnostics(
        errors: [
          Diagnostic(
            "the configuration has no sweep", hint: "give it \"sweep\": { \"seed\": [1, 2, 3] }, or `simengine run` it",
            path: "sweep", at: document["sweep"]?.position ?? document.position)
        ], footer: LoadedExperiment.footer)
    }
    var configuration = SweepConfiguration(sweep)
    var base = ExperimentConfiguration.expandingShorthands(in: document)
    base.set("sweep", nil)
    self.base = base
    self.sweep = sweep
    self.folder = folder
    name = base["name"]?.string ?? "sweep"
    let given = options.map { (String($0.prefix { $0 != "=" }), "--set") } + (seed == nil ? [] : [("seed", "--seed")])
    var errors = configuration.errors + Self.checkPaths(&configuration, base, given: given)
    axes = configuration.axes.map { Axis(paths: $0.paths.map(\.path), label: $0.hasLabels ? "point" : nil) }
    let grid = SweepGrid(configuration.axes)
    var constraints: [SweepConstraint] = []
    for (text, position) in configuration.constraints {
      do throws(Diagnostic) { constraints.append(try SweepConstraint(text, at: position)) } catch {
        errors.append(error)
      }
    }
    guard let combinations = grid.count, combinations <= Self.largestCount else {
      errors.append(
        Diagnostic(
          "\(configuration.axes.map { grouped($0.entries.count) }.joined(separator: " × ")) points are more than "
            + grouped(Self.largestCount), hint: "take fewer values, or \"random\" samples", path: "sweep",
          at: sweep.position))
      throw Diagnostics(errors: errors, footer: LoadedExperiment.footer)
    }
    self.combinations = combinations
    var chosen = Array(0..<combinations)
    // Without an axis that was refused, a constraint may seem to name nothing.
    if errors.isEmpty {
      do throws(Diagnostic) { chosen = try grid.indices(fulfilling: constraints, base: base) } catch {
        errors.append(error)
      }
    }
    excluded = combinations - chosen.count
    let checked = SweepCheck(chosen, of: grid, base: base)
    // What is left to its defaults by an axis that was refused is not to blame.
    errors += errors.isEmpty ? checked.errors : checked.errors.filter { $0.path.hasPrefix("sweep") }
    if !errors.isEmpty {
      throw Diagnostics(errors: errors, warnings: checked.warnings, footer: LoadedExperiment.footer)
    }
    warnings = Diagnostics(errors: [], warnings: checked.warnings)
    var seen: Set<String> = []
    points = checked.points.filter { seen.insert($0.id).inserted }
  }

  /// The configuration of a point.
  func document(of point: SweepPoint) throws -> JSON { try Self.document(base, point.values) }

  static func document(_ base: JSON, _ values: [(path: String, value: JSON)]) throws(Diagnostic) -> JSON {
    var document = base
    for (path, value) in values { document = try document.setting(path: path, to: value) }
    return document
  }

  static func runID(of resolved: JSON) -> String { String(SHA256.hex(of: Array(resolved.canonical.utf8)).prefix(12)) }

  /// A path's last two keys.
  static func shortened(_ path: String) -> String {
    let parts = path.split(separator: ".")
    return parts.count <= 2 ? path : parts.suffix(2).joined(separator: ".")
  }

  /// Refuses paths that lead nowhere, that are swept twice, or that the command line sets as well; drops their axes.
  private static func checkPaths(
    _ configuration: inout SweepConfiguration, _ base: JSON, given: [(path: String, option: String)]
  ) -> [Diagnostic] {
    var errors: [Diagnostic] = []
    var unusable: Set<Int> = []
    var seen: [(canonical: String, path: String)] = []
    let settled = given.compactMap { given in (try? base.canonicalPath(given.path)).map { ($0, given.option) } }
    for (number, axis) in configuration.axes.enumerated() {
      for (path, position) in axis.paths {
        func refuse(_ message: String, hint: String = "") {
          errors.append(Diagnostic(message, hint: hint, path: "sweep.\"\(path)\"", at: position))
          unusable.insert(number)
        }
        let canonical: String
        do throws(Diagnostic) { canonical = try base.canonicalPath(path, at: position) } catch {
          refuse(error.message, hint: error.hint)
          continue
        }
        if canonical == "name" {
          refuse("names the sweep's folder, so it cannot be swept", hint: "\"points\" may have a \"label\"")
        } else if canonical == "sweep" || canonical.hasPrefix("sweep.") {
          refuse("is the sweep itself")
        } else if let twice = seen.first(where: { $0.canonical == canonical }) {
          refuse(
            "is swept twice" + (twice.path == path ? "" : ": \"\(twice.path)\" is the same place"),
            hint: "give each path one axis")
        } else if let inner = seen.first(where: { $0.canonical.hasPrefix(canonical + ".") }) {
          refuse(
            "replaces \"\(inner.path)\", which an axis before it sets", hint: "write the axis of the whole before it")
        } else if let (_, option) = settled.first(where: { $0.0 == canonical }) {
          refuse(
            "is swept, so \(option) would do nothing",
            hint:
              "--only '\(path)=…' runs those points alone; --set 'sweep.\"\(path)\"=[…]' gives the axis other values")
        }
        seen.append((canonical, path))
      }
    }
    configuration.drop(unusable)
    return errors
  }
}

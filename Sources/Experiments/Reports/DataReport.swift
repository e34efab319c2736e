import Configuration
import Datasets
import Foundation

/// What `simengine data` says and does.
public enum DataReport {
  public static func list() -> String {
    var table = TextTable(header: ["data set", "train", "test", "shape", "licence", "here"])
    table.leftColumns = [0, 3, 4, 5]
    for d in DatasetRegistry.all {
      let here = (try? d.paths()) != nil
      table.rows.append([
        d.name, grouped(d.trainCount), grouped(d.testCount), d.sampleShape.map(String.init).joined(separator: "×"),
        d.licence, here ? "yes" : "no: simengine data fetch \(d.name)",
      ])
    }
    return table.text()
  }

  /// - Throws: `RunError` naming the first that is no data set.
  public static func requireKnown(_ names: [String]) throws {
    for name in names where DatasetRegistry.find(name) == nil {
      throw RunError("\(name): no such data set; \(didYouMean(name, among: DatasetRegistry.names))")
    }
  }

  /// - Returns: a line for each set, and whether all that were named are here now; without names what is missing is news,
  ///   no failure.
  /// - Throws: `DataError` for an unknown name, `RunError` when the installation fails.
  public static func fetch(_ names: [String], install: Bool) throws -> (text: String, isHere: Bool) {
    let sets = try names.isEmpty ? DatasetRegistry.all : names.map { try DatasetRegistry.named($0) }
    var lines: [String] = []
    var isHere = true
    for d in sets {
      if (try? d.paths()) != nil {
        lines.append("\(d.name): here")
      } else if install, case .debian(let package, _, _) = d.origin {
        try apt(package)
        lines.append("\(d.name): installed \(package)")
      } else {
        lines.append("\(d.name): \(d.fetchAdvice)")
        isHere = isHere && names.isEmpty
      }
    }
    return (lines.joined(separator: "\n"), isHere)
  }

  public static func verify(_ names: [String]) throws -> (text: String, isGood: Bool) {
    let sets =
      try names.isEmpty
      ? DatasetRegistry.all.filter { (try? $0.paths()) != nil } : names.map { try DatasetRegistry.named($0) }
    var table = TextTable(header: ["file", "SHA-256", ""])
    table.leftColumns = [0, 1, 2]
    var isGood = true
    for d in sets {
      for check in try d.verify() {
        table.rows.append([
          check.path, String(check.found.prefix(16)) + "…",
          check.isGood ? "as published" : "DIFFERS from \(check.expected)",
        ])
        if !check.isGood { isGood = false }
      }
    }
    return (table.text(), isGood)
  }

  private static func apt(_ package: String) throws {
    let needsSudo = geteuid() != 0
    let words = (needsSudo ? ["sudo"] : []) + ["apt-get", "install", "-y", package]
    let result = ChildProcess.run(words[0], Array(words.dropFirst()))
    if result.status != 0 {
      throw RunError("\(words.joined(separator: " ")): \(result.complaint ?? "it failed")")
    }
  }
}

import Configuration

/// Configuration paths under names short enough for a table's head, and back.
struct PathNames {
  let paths: [String]

  /// Each path's shortest end, of whole keys, that no other path has.
  var short: [String] {
    var users: [String: Int] = [:]
    let ends = paths.map(Self.ends)
    for list in ends { for end in list { users[end, default: 0] += 1 } }
    return zip(paths, ends).map { path, list in list.first { users[$0] == 1 && Int($0) == nil } ?? path }
  }

  /// The paths that a text names: the one that it is, or all that end in it.
  func named(_ text: String) -> [String] { paths.contains(text) ? [text] : paths.filter { $0.hasSuffix("." + text) } }

  /// Ends of a path, the shortest first: rows, hardware.rows, models.main.hardware.rows.
  private static func ends(_ path: String) -> [String] {
    var ends: [String] = []
    var isQuoted = false
    for (index, character) in zip(path.indices, path).reversed() {
      if character == "\"" { isQuoted.toggle() }
      if character == ".", !isQuoted { ends.append(String(path[path.index(after: index)...])) }
    }
    return ends + [path]
  }
}

extension JSON {
  /// A value in a table's cell; an object that says its kind in words, the kind first.
  var cell: String {
    if let string { return string }
    if let double { return inWords(double) }
    if let kind = self["kind"]?.string, let members {
      return ([kind] + members.filter { $0.key != "kind" }.map { "\($0.key) \($0.value.cell)" }).joined(separator: ", ")
    }
    return written()
  }
}

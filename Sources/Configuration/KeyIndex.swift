// "`epochs` belongs inside `train`": where in the table a key is known.

extension Report {
  /// Where a key that is unknown in `here` is known: below `here` if possible, or else anywhere.
  func owners(of key: String, near here: ObjectReference) -> String? {
    for start in [here, root] {
      var search = OwnerSearch(key: key)
      search.visit(start, as: start.type == root.type ? "at the top level" : "beside \(quoted(here.name))")
      let owners = search.owners.filter { $0.type != here.type }.map(\.phrase)
      if !owners.isEmpty { return owners.prefix(3).joined(separator: " or ") }
    }
    return nil
  }
}

/// Walks the table, each type once.
private struct OwnerSearch {
  let key: String
  var owners: [(type: ObjectIdentifier, phrase: String)] = []
  private var visited: Set<ObjectIdentifier> = []

  init(key: String) { self.key = key }

  mutating func visit(_ object: ObjectReference, as phrase: String) {
    guard visited.insert(object.type).inserted else { return }
    for entry in object.entries() {
      if entry.name == key { owners.append((object.type, phrase)) }
      visit(entry.shape, as: "inside `\(entry.name)`")
    }
  }

  private mutating func visit(_ shape: Shape, as phrase: String) {
    switch shape {
    case .list(let inner, _), .map(let inner), .optional(let inner), .patch(let inner): visit(inner, as: phrase)
    case .union(let shapes): for shape in shapes { visit(shape, as: phrase) }
    case .object(let object, _): visit(object, as: phrase)
    case .tagged(let reference):
      for variant in reference.variants() {
        visit(variant.object, as: "\(phrase) of \(reference.key) \(quoted(variant.name))")
      }
    default: break
    }
  }
}

// The unit of a path's value, for heads of tables and axes of figures.

extension Configurable {
  /// The unit that the key table gives for the number at a path; empty for a number without one, for anything else, and
  /// for a path that the table does not know.
  ///
  /// - Parameter document: what the path leads through; it says which variant of a choice is meant.
  public static func unit(at path: String, in document: JSON) -> String {
    let document = expandingShorthands(in: document)
    guard let keys = document.keys(of: path) else { return "" }
    return Shape.object(reference, shorthand: nil).unit(at: keys[...], document) ?? ""
  }
}

extension Shape {
  /// nil if the path leads nowhere.
  fileprivate func unit(at keys: ArraySlice<String>, _ json: JSON?) -> String? {
    switch self {
    case .optional(let inner), .patch(let inner): return inner.unit(at: keys, json)
    case .union(let shapes):
      // "none" has no unit, the number in its place has.
      let units = shapes.compactMap { $0.unit(at: keys, json) }
      return units.first { !$0.isEmpty } ?? units.first
    default: break
    }
    guard let key = keys.first else {
      switch self {
      case .integer(_, let unit), .number(_, let unit, _): return unit
      case .list(let inner, _): return inner.unit(at: keys, nil)
      default: return ""
      }
    }
    let rest = keys.dropFirst()
    switch self {
    case .object(let object, _): return object.unit(of: key, rest, json)
    case .tagged(let reference):
      let variants = reference.variants()
      let name = json?[reference.key]?.string ?? reference.defaultName
      // Where the document does not choose, the key itself does.
      let chosen = variants.filter { $0.name == name }
      return (chosen + variants).lazy.compactMap { $0.object.unit(of: key, rest, json) }.first
    case .map(let inner): return inner.unit(at: rest, json?[key])
    case .list(let inner, _): return Int(key).flatMap { inner.unit(at: rest, json?[$0]) }
    default: return nil
    }
  }
}

extension ObjectReference {
  fileprivate func unit(of key: String, _ rest: ArraySlice<String>, _ json: JSON?) -> String? {
    entries().first { $0.name == key }?.shape.unit(at: rest, json?[key])
  }
}

// A path that goes on inside a shorthand: `--set data.limit.train=100` where the file says `"data": "mnist-5k"`.

extension Configurable {
  /// The document with every shorthand written out: `"mnist-5k"` becomes `{ "dataset": "mnist-5k" }`. Every value keeps
  /// its place, so that errors still point at what the user wrote.
  public static func expandingShorthands(in json: JSON) -> JSON { reference.expandingShorthands(in: json) }
}

extension ObjectReference {
  func expandingShorthands(in json: JSON) -> JSON {
    guard var members = json.members else { return json }
    let shapes = Dictionary(entries().map { ($0.name, $0.shape) }, uniquingKeysWith: { first, _ in first })
    for index in members.indices {
      guard let shape = shapes[members[index].key] else { continue }
      members[index].value = shape.expandingShorthands(in: members[index].value)
    }
    return JSON(.object(members), at: json.position)
  }
}

extension Shape {
  func expandingShorthands(in json: JSON) -> JSON {
    func wrapped(_ key: String) -> JSON {
      switch json.value {
      case .string, .number, .bool:
        JSON(.object([JSON.Member(key, json, at: json.position)]), at: json.position)
      default: json
      }
    }
    switch self {
    case .object(let reference, let shorthand):
      return reference.expandingShorthands(in: shorthand.map(wrapped) ?? json)
    case .tagged(let reference):
      let whole = reference.hasShorthand && json.string != nil ? wrapped(reference.key) : json
      let name = whole[reference.key]?.string ?? reference.defaultName
      return reference.variants().first { $0.name == name }?.object.expandingShorthands(in: whole) ?? whole
    case .optional(let inner), .patch(let inner): return json.isNull ? json : inner.expandingShorthands(in: json)
    case .list(let inner, _):
      guard let items = json.array else { return json }
      return JSON(.array(items.map(inner.expandingShorthands)), at: json.position)
    case .map(let inner):
      guard var members = json.members else { return json }
      for index in members.indices { members[index].value = inner.expandingShorthands(in: members[index].value) }
      return JSON(.object(members), at: json.position)
    case .union(let shapes): return shapes.first { $0.accepts(json) }?.expandingShorthands(in: json) ?? json
    case .any, .boolean, .integer, .number, .text, .choice: return json
    }
  }
}

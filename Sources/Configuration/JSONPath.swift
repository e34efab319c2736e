// Addressing a place in a document by dots, as `--set` and sweeps do.

extension JSON {
  /// Keys of a list's item that stand beside its body and never name it (see ``itemLabels``).
  static let keysBesideBody: Set<String> = ["label", "models", "as", "dataset"]

  /// The labels of a list's items, by which a path finds them: an item's own `"label"`, or else the one key beside
  /// `label`, `models`, `as` and `dataset` (a stage is written `{ "train": {…} }`). A repeat gets `-2`, `-3`, ….
  ///
  /// nil stands for an item that has no label.
  public var itemLabels: [String?] {
    var uses: [String: Int] = [:]
    return (array ?? []).map { item in
      guard let label = item["label"]?.string ?? item.bodyKey else { return nil }
      let use = uses[label, default: 0] + 1
      uses[label] = use
      return use == 1 ? label : "\(label)-\(use)"
    }
  }

  /// The one key that is not beside the body; nil if there are several or none.
  var bodyKey: String? {
    let keys = (members ?? []).map(\.key).filter { !Self.keysBesideBody.contains($0) }
    return keys.count == 1 ? keys.first : nil
  }

  /// The value at a path; nil if there is none.
  public func value(at path: String) -> JSON? {
    guard let steps = try? steps(to: path, at: .none) else { return nil }
    var node = self
    for step in steps {
      switch step {
      case .key(let key):
        guard let next = node[key] else { return nil }
        node = next
      case .index(let index):
        guard let next = node[index] else { return nil }
        node = next
      }
    }
    return node
  }

  /// The one way to write a path: keys and indices, whatever labels and shorthands it was given with, so that two paths
  /// to the same place are the same text.
  /// - Parameter position: what errors point at.
  public func canonicalPath(_ path: String, at position: Position = .none) throws(Diagnostic) -> String {
    try steps(to: path, at: position).map { step in
      switch step {
      case .key(let key): key.contains(".") || Int(key) != nil ? "\"\(key)\"" : key
      case .index(let index): String(index)
      }
    }.joined(separator: ".")
  }

  /// The document with the value at `path` replaced.
  ///
  /// A path is made of keys joined by dots; a key that has dots itself stands in double quotes
  /// (`hardware.layers."layer1.0".rows`). An item of a list is named
  ///
  /// - by its index: the path goes on in the item itself (`stages.0.train.epochs`, `stages.0.models`);
  /// - by its label (see ``itemLabels``): the path goes on in the item's body, the value of its one key beside
  ///   `label`, `models`, `as`, `dataset` (`stages.train.epochs`). If the next key is one of these four, or names the
  ///   body, it goes on in the item itself (`stages.test.models`, `stages.test.evaluate.split`).
  ///
  /// Missing keys are created (the decoder judges them afterwards); missing items are refused.
  public func setting(path: String, to newValue: JSON) throws(Diagnostic) -> JSON {
    let steps = try steps(to: path, at: newValue.position)
    return replacing(steps[...], with: newValue)
  }

  /// The document with one `path=value` of the command line carried out.
  ///
  /// The value is read as JSON5; what is no JSON5 is a text (`--set name=trial`). Errors name the option.
  public func setting(option: String) throws(Diagnostic) -> JSON {
    let source = Source(name: "--set \(option)", bytes: Array(option.utf8), isOption: true)
    let place = Position(source: source, offset: 0, length: 0)
    guard let equals = option.firstIndex(of: "="), equals != option.startIndex else {
      throw Diagnostic("expected path=value", at: place)
    }
    let text = String(option[option.index(after: equals)...])
    var value = (try? JSON.parse(text)) ?? .string(text)
    value.place(at: place)
    return try setting(path: String(option[..<equals]), to: value)
  }

  /// Gives the value and all within it one place.
  public mutating func place(at position: Position) {
    self.position = position
    switch value {
    case .array(var items):
      for index in items.indices { items[index].place(at: position) }
      value = .array(items)
    case .object(var members):
      for index in members.indices {
        members[index].keyPosition = position
        members[index].value.place(at: position)
      }
      value = .object(members)
    default: break
    }
  }

  // MARK: - Steps

  private enum Step {
    case key(String)
    case index(Int)
  }

  /// Follows a path as far as the document goes and takes what is left for keys to be created.
  private func steps(to path: String, at position: Position) throws(Diagnostic) -> [Step] {
    let components = try JSON.components(of: path, at: position)
    var steps: [Step] = []
    var node: JSON? = self
    for (depth, component) in components.enumerated() {
      let next = depth + 1 < components.count ? components[depth + 1] : nil
      let parent = components[..<depth].joined(separator: ".")
      switch node?.value {
      case nil, .null?:
        steps.append(.key(component))
        node = nil
      case .object?:
        steps.append(.key(component))
        node = node?[component]
      case .array(let items)?:
        let index = try node?.itemIndex(component, parent: parent, path: path, at: position) ?? 0
        steps.append(.index(index))
        let item = items[index]
        node = item
        let isIndex = Int(component) != nil
        if !isIndex, let body = item.bodyKey, next.map({ $0 != body && !Self.keysBesideBody.contains($0) }) ?? true {
          steps.append(.key(body))
          node = item[body]
        }
      case let other?:
        throw Diagnostic(
          "\(quoted(parent)) is \(JSON(other).phrase), which has nothing inside", hint: "set \(parent) itself",
          path: path, at: position)
      }
    }
    return steps
  }

  private func itemIndex(
    _ component: String, parent: String, path: String, at position: Position
  ) throws(Diagnostic) -> Int {
    let count = array?.count ?? 0
    let labels = itemLabels
    if let index = Int(component) {
      if (0..<count).contains(index) { return index }
      let range = count == 0 ? "it is empty" : "its items are 0 … \(count - 1)"
      throw Diagnostic("\(parent) has no item \(index)", hint: range, path: path, at: position)
    }
    if let index = labels.firstIndex(of: component) { return index }
    let names = labels.compactMap { $0 }
    var hint = names.isEmpty ? "its items have no labels; use an index" : "its items are \(listed(names))"
    if let nearest = nearest(to: component, among: names) { hint = "did you mean \(quoted(nearest))?" }
    throw Diagnostic("\(parent) has no item \(quoted(component))", hint: hint, path: path, at: position)
  }

  private func replacing(_ steps: ArraySlice<Step>, with newValue: JSON) -> JSON {
    guard let step = steps.first else { return newValue }
    switch step {
    case .key(let key):
      var result = self
      var members = members ?? []
      let index = members.firstIndex { $0.key == key }
      let inner = (index.map { members[$0].value } ?? JSON(.null, at: newValue.position))
        .replacing(steps.dropFirst(), with: newValue)
      let member = Member(key, inner, at: newValue.position)
      // A key that was there keeps its own place: only what was set is to blame for what was set.
      if let index { members[index].value = inner } else { members.append(member) }
      result.value = .object(members)
      return result
    case .index(let index):
      guard var items = array, items.indices.contains(index) else { return self }
      items[index] = items[index].replacing(steps.dropFirst(), with: newValue)
      return JSON(.array(items), at: self.position)
    }
  }

  private static func components(of path: String, at position: Position) throws(Diagnostic) -> [String] {
    var components: [String] = []
    var current = ""
    var isQuoted = false
    for character in path {
      if character == "\"" {
        isQuoted.toggle()
      } else if character == ".", !isQuoted {
        components.append(current)
        current = ""
      } else {
        current.append(character)
      }
    }
    components.append(current)
    if isQuoted || components.contains("") {
      throw Diagnostic(
        "\(quoted(path)) is no path", hint: "expected keys joined by dots, such as stages.train.epochs", at: position)
    }
    return components
  }
}

extension JSON {
  /// The place that a path names, in one form for all the ways to name it: a stage's label or its index.
  /// nil if there is nothing.
  public func place(of path: String) -> [String]? { value(at: path) == nil ? nil : keys(of: path) }

  /// The keys and indices a path goes by, whether or not there is a value at its end; nil for no path.
  func keys(of path: String) -> [String]? {
    (try? steps(to: path, at: .none))?.map { step in
      switch step {
      case .key(let key): key
      case .index(let index): String(index)
      }
    }
  }
}

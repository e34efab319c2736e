/// What a decoder found wrong so far, and where it is: passed through all of it, so that every error is found at once.
public struct Report {
  /// Why the document is refused.
  public private(set) var errors: [Diagnostic] = []
  /// What is suspicious.
  public private(set) var warnings: [Diagnostic] = []

  private var path: [String] = []
  /// The JSON at each level of the path, the document first.
  private var nodes: [JSON]
  /// Patches are checked key by key: nothing is required, no cross-checks are made.
  var isPartial = false
  let root: ObjectReference

  init(root: ObjectReference, document: JSON) {
    self.root = root
    nodes = [document]
  }

  /// The place at hand: keys and indices joined by dots.
  public var currentPath: String { path.joined(separator: ".") }

  mutating func inside<Result>(_ component: String, of json: JSON, _ body: (inout Report) -> Result) -> Result {
    path.append(component)
    nodes.append(json)
    defer {
      path.removeLast()
      nodes.removeLast()
    }
    return body(&self)
  }

  /// Whether the object at the place at hand has the key written out.
  public func isWritten(_ key: String) -> Bool { nodes.last?[key] != nil }

  /// Refuses the document because of what stands at the place at hand, or at `child` below it.
  ///
  /// - Parameters:
  ///   - message: what was found, without a full stop.
  ///   - child: keys joined by dots. A key that was left to its default points at the object that lacks it.
  ///   - hint: what to do about it.
  public mutating func error(_ message: String, at child: String = "", hint: String = "") {
    errors.append(diagnostic(message, at: child, hint: hint, severity: .error))
  }

  /// Calls the place at hand, or `child` below it, suspicious.
  public mutating func warning(_ message: String, at child: String = "", hint: String = "") {
    warnings.append(diagnostic(message, at: child, hint: hint, severity: .warning))
  }

  private func diagnostic(
    _ message: String, at child: String, hint: String, severity: Diagnostic.Severity
  ) -> Diagnostic {
    var node = nodes.last ?? .init(.null)
    for component in child.split(separator: ".") {
      guard let next = node[String(component)] ?? Int(component).flatMap({ node[$0] }) else { break }
      node = next
    }
    let full = [currentPath, child].filter { !$0.isEmpty }.joined(separator: ".")
    return Diagnostic(message, hint: hint, path: full, at: node.position, severity: severity)
  }

  mutating func refuse(_ json: JSON, _ message: String, hint: String = "") {
    errors.append(Diagnostic(message, hint: hint, path: currentPath, at: json.position))
  }

  mutating func refuse(_ json: JSON, expected shape: Shape, hint: String = "") {
    refuse(json, "found \(json.phrase), expected \(shape.phrase)", hint: hint)
  }

  mutating func refuseKey(_ member: JSON.Member, _ message: String, hint: String) {
    let full = [currentPath, member.key].filter { !$0.isEmpty }.joined(separator: ".")
    errors.append(Diagnostic(message, hint: hint, path: full, at: member.keyPosition))
  }

  mutating func warn(_ json: JSON, _ message: String, hint: String) {
    warnings.append(Diagnostic(message, hint: hint, path: currentPath, at: json.position, severity: .warning))
  }

  /// Completes the errors found at this very place since `count` that have nothing to say beside the caret.
  mutating func addHint(_ hint: String, since count: Int) {
    for index in errors.indices.dropFirst(count) where errors[index].hint.isEmpty && errors[index].path == currentPath {
      errors[index].hint = hint
    }
  }

  /// Decodes on trial: the errors are returned, not kept.
  mutating func attempt<Result>(_ body: (inout Report) -> Result?) -> (result: Result?, trial: Report) {
    var trial = self
    trial.errors = []
    trial.warnings = []
    let result = body(&trial)
    return (result, trial)
  }

  mutating func take(_ trial: Report) {
    errors += trial.errors
    warnings += trial.warnings
  }

  /// Decodes a patch (true), or what must be whole again inside of one (false).
  mutating func partially<Result>(_ isPatch: Bool, _ body: (inout Report) -> Result) -> Result {
    let before = isPartial
    isPartial = isPatch
    defer { isPartial = before }
    return body(&self)
  }
}

/// All that is wrong with a document, in the order of its text.
public struct Diagnostics: Error, Sendable, CustomStringConvertible {
  /// Why the document is refused.
  public var errors: [Diagnostic]
  /// What is suspicious.
  public var warnings: [Diagnostic]
  /// Stands after the count: where to find help (`Schema: Configs/schema.json · try: simengine list devices`).
  public var footer: String

  /// Complaints, sorted by place.
  public init(errors: [Diagnostic], warnings: [Diagnostic] = [], footer: String = "") {
    self.errors = Diagnostics.sorted(errors)
    self.warnings = Diagnostics.sorted(warnings)
    self.footer = footer
  }

  /// Every complaint with its line and caret (the first fifty), and the count.
  public var description: String {
    let all = warnings + errors
    var blocks = all.prefix(50).map(\.description)
    if all.count > 50 { blocks.append("… and \(all.count - 50) more") }
    if !errors.isEmpty {
      let count = "\(errors.count) error\(errors.count == 1 ? "" : "s")."
      blocks.append(footer.isEmpty ? count : "\(count) \(footer)")
    }
    return blocks.joined(separator: "\n")
  }

  private static func sorted(_ diagnostics: [Diagnostic]) -> [Diagnostic] {
    // Texts in the order of their first complaint, places in the order of the text.
    var ranks: [String: Int] = [:]
    for diagnostic in diagnostics {
      let name = diagnostic.position.source?.name ?? ""
      ranks[name] = ranks[name] ?? ranks.count
    }
    func key(_ diagnostic: Diagnostic) -> (Int, Int) {
      (ranks[diagnostic.position.source?.name ?? ""] ?? 0, diagnostic.position.offset)
    }
    return diagnostics.enumerated().sorted { a, b in
      let (left, right) = (key(a.element), key(b.element))
      return (left.0, left.1, a.offset) < (right.0, right.1, b.offset)
    }.map(\.element)
  }
}

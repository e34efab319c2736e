// `"extends": "base.json"`: one document laid over another.

extension JSON {
  /// This document with another laid over it: objects are merged key by key, all else is replaced.
  ///
  /// An object whose `"kind"` differs replaces the one beneath, as the keys of one kind mean nothing to another.
  ///
  /// - Parameter presetsStartOver: an object that names a `"preset"` replaces the one beneath too. So it must where that
  ///   one has every default written out: its values would hide the preset's.
  public func merging(_ upper: JSON, presetsStartOver: Bool = false) -> JSON {
    guard var members, let additions = upper.members else { return upper }
    if presetsStartOver, upper["preset"] != nil { return upper }
    if let kind = upper["kind"], let other = self["kind"], kind != other { return upper }
    var places: [String: Int] = [:]
    for (index, member) in members.enumerated() { places[member.key] = index }
    for addition in additions {
      if let index = places[addition.key] {
        members[index].value = members[index].value.merging(addition.value, presetsStartOver: presetsStartOver)
        members[index].keyPosition = addition.keyPosition
      } else {
        members.append(addition)
      }
    }
    return JSON(.object(members), at: upper.position)
  }

  /// The document with what it `extends` beneath it, down to the last.
  ///
  /// `"extends"` names a document, or several of which the later are laid over the earlier. Every value keeps its
  /// place, so that errors name the file they stand in.
  ///
  /// - Parameter load: reads the document of that name; the second argument is the source that names it, which relative
  ///   paths start from. Documents are told apart by the names of their sources, so `load` should give each file one.
  public func extended(
    load: (_ name: String, _ from: Source?) throws(Diagnostic) -> JSON
  ) throws(Diagnostic) -> JSON {
    try extended(above: [position.source?.name].compactMap { $0 }, load: load)
  }

  /// - Parameter above: the documents that led here, the first first.
  private func extended(
    above: [String], load: (_ name: String, _ from: Source?) throws(Diagnostic) -> JSON
  ) throws(Diagnostic) -> JSON {
    guard let extends = self["extends"] else { return self }
    let names = extends.array ?? [extends]
    var base: JSON?
    for item in names {
      guard let name = item.string else {
        throw Diagnostic(
          "found \(item.phrase), expected a file's name, or a list of names", path: "extends", at: item.position)
      }
      let document: JSON
      do {
        document = try load(name, item.position.source)
      } catch {
        // What is wrong inside the other document is said there; what has no place is said here.
        guard error.position.source == nil else { throw error }
        throw Diagnostic(error.message, hint: error.hint, path: "extends", at: item.position)
      }
      let source = document.position.source?.name ?? name
      if above.contains(source) || above.count > 32 {
        throw Diagnostic(
          "extends itself: \((above + [source]).joined(separator: " → "))", path: "extends", at: item.position)
      }
      guard document.members != nil else {
        throw Diagnostic("found \(document.phrase), expected an object", at: document.position)
      }
      let complete = try document.extended(above: above + [source], load: load)
      base = base?.merging(complete) ?? complete
    }
    var upper = self
    upper.set("extends", nil)
    return base?.merging(upper) ?? upper
  }
}

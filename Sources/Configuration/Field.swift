/// One key of a ``Configurable`` structure: its name, its place in the structure, how it is written, and what it means.
///
/// Its default is what the structure's `init()` puts there.
public struct Field<Root>: Sendable {
  private let names: @Sendable () -> [(name: String, shape: Shape, documentation: String)]
  /// The one name, for most fields.
  private let name: String?
  private let isRequired: Bool
  private let isChoiceOfKeys: Bool
  private let example: JSON?
  /// Reads the preset, if this is the field that names it.
  let readPreset: @Sendable (inout Root, JSON, inout Report) -> Void
  let read: @Sendable (inout Root, JSON, Suggested, inout Report) -> Void
  let encode: @Sendable (Root) -> [JSON.Member]

  /// A field.
  ///
  /// - Parameters:
  ///   - name: the key.
  ///   - property: where the value goes.
  ///   - codec: how it is written.
  ///   - documentation: what it means, in a sentence.
  ///   - isRequired: the key must be there; what `init()` puts there is never used.
  ///   - example: a value for the schema's readers.
  public init<Value>(
    _ name: String, _ property: WritableKeyPath<Root, Value> & Sendable, _ codec: Codec<Value>,
    _ documentation: String, required isRequired: Bool = false, example: JSON? = nil
  ) where Root: Configurable {
    names = { [(name, codec.shape, documentation)] }
    self.name = name
    self.isRequired = isRequired
    isChoiceOfKeys = false
    self.example = example
    readPreset = { _, _, _ in }
    read = { root, json, suggested, report in
      guard let member = json.member(name) else {
        if isRequired, !report.isPartial, !suggested.names.contains(name) {
          report.refuse(json, "lacks the key \(quoted(name))", hint: "\(documentation)\(codec.shape.summary)")
        }
        return
      }
      let errorCount = report.errors.count
      report.inside(name, of: member.value) { report in
        if let value = codec.decode(member.value, &report) {
          root[keyPath: property] = value
        } else {
          let fallback = codec.encode(Root()[keyPath: property])
          let isScalar = fallback.map { $0.array == nil && $0.members == nil } ?? false
          let note = fallback.map { !isRequired && isScalar ? " (default \($0.phrase))" : "" } ?? ""
          report.addHint(documentation + note, since: errorCount)
        }
      }
    }
    encode = { root in codec.encode(root[keyPath: property]).map { [JSON.Member(name, $0)] } ?? [] }
  }

  /// Exactly one key of several, each with its own object: the stage of an experiment is `{ "train": {…} }` or
  /// `{ "evaluate": {…} }`, beside whatever other fields the structure has.
  ///
  /// - Parameters:
  ///   - property: where the value goes.
  ///   - variants: all there are. A new one is added to this list and nowhere else.
  public static func oneKey<Value>(
    _ property: WritableKeyPath<Root, Value> & Sendable,
    of variants: @escaping @Sendable @autoclosure () -> [Variant<Value>]
  ) -> Field where Root: Configurable {
    Field(
      names: {
        variants().map { ($0.name, .object($0.object, shorthand: nil), $0.object.documentation) }
      },
      isRequired: true, isChoiceOfKeys: true, readPreset: { _, _, _ in },
      read: { root, json, suggested, report in
        let variants = variants()
        let present = variants.compactMap { variant in json.member(variant.name).map { (variant, $0) } }
        if present.isEmpty {
          if !report.isPartial, !suggested.anyUnknown {
            report.refuse(
              json, "lacks a key that says what it is", hint: "expected one of \(listed(variants.map(\.name)))")
          }
          return
        }
        for (_, extra) in present.dropFirst() {
          report.refuseKey(
            extra, "a second key beside \(quoted(present[0].0.name))",
            hint: "only one of \(listed(variants.map(\.name))) may stand here")
        }
        for (variant, member) in present {
          report.inside(variant.name, of: member.value) { report in
            if let value = variant.read(member.value, nil, &report) { root[keyPath: property] = value }
          }
        }
      },
      encode: { root in
        for variant in variants() {
          if let body = variant.write(root[keyPath: property]) { return [JSON.Member(variant.name, body)] }
        }
        return []
      })
  }

  /// The key `"preset"`: starts from one of the structure's ``Configurable/presets``, over which other keys are laid.
  public static func preset(
    _ property: WritableKeyPath<Root, String?> & Sendable, _ documentation: String
  ) -> Field where Root: Configurable {
    let codec = Codec<String?>.optional(.choice(Root.presets.map(\.name)))
    return Field(
      names: { [("preset", codec.shape, documentation)] },
      isRequired: false, isChoiceOfKeys: false,
      readPreset: { root, json, report in
        guard let member = json.member("preset"), !member.value.isNull else { return }
        report.inside("preset", of: member.value) { report in
          guard let name = codec.decode(member.value, &report) else { return }
          if let preset = Root.presets.first(where: { $0.name == name }) { root = preset.value }
          root[keyPath: property] = name
        }
      },
      read: { _, _, _, _ in },
      encode: { root in codec.encode(root[keyPath: property]).map { [JSON.Member("preset", $0)] } ?? [] })
  }

  /// The same key as a key of a structure that holds this one at `place`: two structures share their keys.
  public func inside<Outer: Configurable>(_ place: WritableKeyPath<Outer, Root> & Sendable) -> Field<Outer> {
    let (readPreset, read, encode) = (readPreset, read, encode)
    return Field<Outer>(
      names: names, name: name, isRequired: isRequired, isChoiceOfKeys: isChoiceOfKeys,
      readPreset: { root, json, report in readPreset(&root[keyPath: place], json, &report) },
      read: { root, json, suggested, report in read(&root[keyPath: place], json, suggested, &report) },
      encode: { root in encode(root[keyPath: place]) })
  }

  private init(
    names: @escaping @Sendable () -> [(name: String, shape: Shape, documentation: String)], name: String? = nil,
    isRequired: Bool, isChoiceOfKeys: Bool, readPreset: @escaping @Sendable (inout Root, JSON, inout Report) -> Void,
    read: @escaping @Sendable (inout Root, JSON, Suggested, inout Report) -> Void,
    encode: @escaping @Sendable (Root) -> [JSON.Member]
  ) {
    self.names = names
    self.name = name
    self.isRequired = isRequired
    self.isChoiceOfKeys = isChoiceOfKeys
    self.readPreset = readPreset
    self.read = read
    self.encode = encode
    example = nil
  }

  /// Whether it is a key that this reads.
  func reads(_ key: String) -> Bool { name.map { $0 == key } ?? names().contains { $0.name == key } }

  func entries(group: Int, _ defaults: Root) -> [ObjectReference.Entry] {
    let written = isRequired ? [] : encode(defaults)
    return names().map { entry in
      ObjectReference.Entry(
        name: entry.name, shape: entry.shape, documentation: entry.documentation,
        isRequired: isRequired && !isChoiceOfKeys, group: isChoiceOfKeys ? group : nil,
        defaultValue: written.first { $0.key == entry.name }?.value, example: example)
    }
  }
}

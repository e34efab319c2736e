/// One key of a structure in words, for a program that explains its configuration.
public struct KeyDescription: Sendable {
  /// The key.
  public let name: String
  /// What may stand there: `a number, 1 … 1e12 ohm`.
  public let value: String
  /// What stands there if the key is left out; empty for keys that are required or have no default.
  public let defaultValue: String
  /// What it means.
  public let documentation: String

  /// - Parameter preset: defaults that stand for the entry's own.
  init(_ entry: ObjectReference.Entry, preset: JSON? = nil) {
    name = entry.name
    value = entry.shape.phrase
    defaultValue = entry.isRequired ? "required" : (preset?[entry.name] ?? entry.defaultValue)?.phrase ?? ""
    documentation = entry.documentation
  }
}

extension Configurable {
  /// The keys in words.
  public static var keys: [KeyDescription] { reference.entries().map { KeyDescription($0) } }
  /// The keys in words, with the defaults of a preset.
  public static func keys(ofPreset name: String) -> [KeyDescription] {
    let preset = presets.first { $0.name == name }?.value.resolved
    return reference.entries().map { KeyDescription($0, preset: preset) }
  }
}

extension Variant {
  /// The tag, or the key, by which a document chooses it.
  public var title: String { name }
  /// What it is.
  public var documentation: String { object.documentation }
  /// Its keys in words.
  public var keys: [KeyDescription] { object.entries().map { KeyDescription($0) } }
}

extension Preset {
  /// The name by which a document chooses it.
  public var title: String { name }
  /// The defaults it stands for.
  public var defaults: Value { value }
}

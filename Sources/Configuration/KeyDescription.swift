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

  init(_ entry: ObjectReference.Entry) {
    name = entry.name
    value = entry.shape.phrase
    defaultValue = entry.isRequired ? "required" : entry.defaultValue?.phrase ?? ""
    documentation = entry.documentation
  }
}

extension Configurable {
  /// The keys in words.
  public static var keys: [KeyDescription] { reference.entries().map { KeyDescription($0) } }
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

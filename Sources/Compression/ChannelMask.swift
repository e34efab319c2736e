import NeuralNetworks

/// Channels of a model that are held at zero while its shape stays.
public struct ChannelMask: Equatable, Sendable {
  /// How they are held; never `removed`.
  public let form: PruningForm
  /// What is left of each layer that lost something, by its present channels.
  public let structure: ModelStructure

  public init(form: PruningForm, structure: ModelStructure) { (self.form, self.structure) = (form, structure) }

  /// Silences them, to be called after every update: momentum and weight decay move what no gradient does.
  /// - Throws: `ModelError` when a layer's array is no digital memory.
  public func hold(_ model: Model) throws {
    guard let mask = form.mask, !structure.isWhole else { return }
    try model.silence(allBut: structure.kept, mask)
  }
}

extension ModelStructure {
  /// What is left, by layer.
  var kept: [String: [Int]] { Dictionary(layers.map { ($0.name, $0.kept) }, uniquingKeysWith: { a, _ in a }) }
}

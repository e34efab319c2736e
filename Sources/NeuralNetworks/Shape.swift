/// The shape of one sample's activation: height × width pixels of `channels` values, channels innermost (NHWC).
///
/// A vector of features is 1 × 1 × n; a sequence of T tokens is T × 1 × features.
public struct Shape: Equatable, Hashable, Sendable, CustomStringConvertible {
  public let height: Int
  public let width: Int
  public let channels: Int

  public init(height: Int, width: Int, channels: Int) {
    self.height = height
    self.width = width
    self.channels = channels
  }

  /// A vector of features.
  public init(features: Int) { self.init(height: 1, width: 1, channels: features) }

  public var pixels: Int { height * width }
  public var count: Int { height * width * channels }
  public var description: String { pixels == 1 ? "\(channels)" : "\(height)×\(width)×\(channels)" }
}

/// A model that cannot be built or used as asked; the description is a sentence for the user.
public struct ModelError: Error, Equatable, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}

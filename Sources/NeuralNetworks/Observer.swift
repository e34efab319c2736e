/// Reads any node of a running model and may add to its gradient: activation sparsity, pruning criteria, traces,
/// feature maps, attacks on hidden layers.
///
/// Calls come from the threads that run the pieces, several at once for different samples: an observer keeps what it
/// collects per sample, or locks. A node whose memory the next one shares (a convolution before its ReLU) shows its own
/// values in `observe`, the next one's in `inject`.
public protocol Observer: AnyObject {
  /// After the node's forward.  - activation: [samples, node.shape]
  func observe(_ node: Node, samples: Range<Int>, activation: UnsafeBufferPointer<Float>)
  /// Before the node's backward; whatever is added to `gradient` flows on to earlier layers.
  func inject(
    _ node: Node, samples: Range<Int>, activation: UnsafeBufferPointer<Float>,
    gradient: UnsafeMutableBufferPointer<Float>)
  /// In a `RelevancePass`, before the node hands its relevance on.  - relevance: [samples, node.shape]
  func observe(_ node: Node, samples: Range<Int>, relevance: UnsafeBufferPointer<Float>)
}

extension Observer {
  public func observe(_ node: Node, samples: Range<Int>, activation: UnsafeBufferPointer<Float>) {}
  public func inject(
    _ node: Node, samples: Range<Int>, activation: UnsafeBufferPointer<Float>,
    gradient: UnsafeMutableBufferPointer<Float>
  ) {}
  public func observe(_ node: Node, samples: Range<Int>, relevance: UnsafeBufferPointer<Float>) {}
}

import LinearAlgebra

/// A model's values under PyTorch's state-dict names and layouts: what safetensors files hold.
extension Model {
  /// Weights [out, in, kh, kw] or [out, in], biases, batch-norm vectors and running statistics, in graph order.
  public var stateDictionary: [NamedTensor] {
    var result: [NamedTensor] = []
    for node in nodes {
      for w in node.layer.weights { result.append(("\(node.name).\(w.name)", w.torch(from: w.matrix))) }
      for p in node.layer.parameters { result.append(("\(node.name).\(p.name)", p.tensor)) }
      for b in node.layer.buffers { result.append(("\(node.name).\(b.name)", b.parameter.tensor)) }
    }
    return result
  }

  /// Loads every value by name. Names that the model does not have are refused, but for PyTorch's counter
  /// `num_batches_tracked`.
  ///
  /// - Throws: `ModelError` naming the first missing, unknown, misshapen or non-finite tensor; the model is then as it
  ///   was.
  public func load(_ dictionary: [NamedTensor], pool: ThreadPool) throws {
    var left = Dictionary(dictionary.map { ($0.name, $0.tensor) }, uniquingKeysWith: { a, _ in a })
    func take(_ name: String, _ count: Int) throws -> Tensor {
      guard let tensor = left.removeValue(forKey: name) else {
        let near = dictionary.prefix(4).map(\.name).joined(separator: ", ")
        throw ModelError("\(name): not in the file, which holds \(near)\(dictionary.count > 4 ? ", …" : "")")
      }
      guard tensor.count == count else {
        throw ModelError("\(name): the file holds \(tensor.count) values, the model wants \(count)")
      }
      let bad = tensor.withUnsafeBufferPointer { $0.firstIndex { !$0.isFinite } }
      if let bad { throw ModelError("\(name): value \(bad) is not a finite number") }
      return tensor
    }
    var matrices: [(Weights, Tensor)] = []
    var vectors: [(Parameter, Tensor)] = []
    for node in nodes {
      for w in node.layer.weights {
        let tensor = try take("\(node.name).\(w.name)", w.count)
        matrices.append((w, try w.matrix(fromTorch: tensor, layer: node.name)))
      }
      for p in node.layer.parameters { vectors.append((p, try take("\(node.name).\(p.name)", p.count))) }
      for b in node.layer.buffers {
        vectors.append((b.parameter, try take("\(node.name).\(b.name)", b.parameter.count)))
      }
    }
    if let extra = left.keys.filter({ !$0.hasSuffix("num_batches_tracked") }).sorted().first {
      throw ModelError("\(extra): in the file but not in the model")
    }
    for (p, tensor) in vectors { p.tensor = tensor.reshaped([p.count]) }
    // After the biases, which some arrays hold.
    for (w, matrix) in matrices { try w.program(matrix, pool: pool) }
  }

  /// The gradient of every parameter under its state-dict name and in PyTorch's layout.
  public func gradients(_ flat: UnsafePointer<Float>) -> [NamedTensor] {
    var result: [NamedTensor] = []
    for node in nodes {
      for w in node.layer.weights {
        let matrix = Tensor(
          shape: [w.outputs, w.inputs], values: Array(UnsafeBufferPointer(start: flat + w.offset, count: w.count)))
        result.append(("\(node.name).\(w.name)", w.torch(from: matrix)))
      }
      for p in node.layer.parameters {
        result.append(
          (
            "\(node.name).\(p.name)",
            Tensor(shape: [p.count], values: Array(UnsafeBufferPointer(start: flat + p.offset, count: p.count)))
          ))
      }
    }
    return result
  }

  /// Everything a checkpoint needs: arrays' own state, vectors and running statistics.
  public var checkpoint: [NamedTensor] {
    let samples = Int(samplesLearnt)
    var result: [NamedTensor] = [
      ("counters", Tensor(shape: [4], values: Optimizer.split(updates) + Optimizer.split(samples)))
    ]
    for node in nodes {
      for w in node.layer.weights {
        for (g, array) in w.arrays.enumerated() {
          let prefix = "\(node.name).\(w.name).\(g)."
          result += array.state.map { (prefix + $0.name, $0.tensor) }
          result.append((prefix + "activity", array.activity.tensor))
        }
      }
      for p in node.layer.parameters { result.append(("\(node.name).\(p.name)", p.tensor)) }
      for b in node.layer.buffers { result.append(("\(node.name).\(b.name)", b.parameter.tensor)) }
    }
    return result
  }

  /// - Throws: `ModelError` when the checkpoint is another model's.
  public func restore(_ checkpoint: [String: Tensor]) throws {
    func take(_ name: String, _ p: Parameter) throws {
      guard let tensor = checkpoint[name], tensor.count == p.count else {
        throw ModelError("the checkpoint holds no \(name) of \(p.count) values")
      }
      p.tensor = tensor
    }
    guard let counters = checkpoint["counters"], counters.count == 4 else {
      throw ModelError("the checkpoint holds no counters of updates and samples")
    }
    updates = Optimizer.join(Array(counters.values[..<2]))
    samplesLearnt = UInt64(Optimizer.join(Array(counters.values[2...])))
    for node in nodes {
      for w in node.layer.weights {
        for (g, array) in w.arrays.enumerated() {
          let prefix = "\(node.name).\(w.name).\(g)."
          var own: [String: Tensor] = [:]
          for (name, tensor) in checkpoint where name.hasPrefix(prefix) {
            own[String(name.dropFirst(prefix.count))] = tensor
          }
          try array.restore(own)
          guard let activity = own["activity"] else { throw ModelError("the checkpoint holds no \(prefix)activity") }
          array.activity = try Activity(activity)
        }
      }
      for p in node.layer.parameters { try take("\(node.name).\(p.name)", p) }
      for b in node.layer.buffers { try take("\(node.name).\(b.name)", b.parameter) }
    }
  }
}

import Configuration
import LinearAlgebra

extension Safetensors {
  /// A tensor to be written.
  public struct NamedArray: Sendable {
    public var name: String
    public var array: NumericArray

    public init(_ name: String, _ array: NumericArray) { (self.name, self.array) = (name, array) }

    /// F32 in the tensor's shape.
    public init(_ name: String, _ tensor: Tensor) { self.init(name, NumericArray(tensor)) }

    /// F64, [values].
    public init(_ name: String, _ values: [Double]) {
      self.init(name, NumericArray(shape: [values.count], elements: .float64(values)))
    }

    /// I64, [values].
    public init(_ name: String, _ values: [Int]) {
      self.init(name, NumericArray(shape: [values.count], elements: .int64(values.map { Int64($0) })))
    }

    /// U8, [bytes]: any state that is not numbers.
    public init(_ name: String, _ bytes: [UInt8]) {
      self.init(name, NumericArray(shape: [bytes.count], elements: .uint8(bytes)))
    }
  }

  /// The bytes of a safetensors file. The same tensors and metadata give the same bytes.
  ///
  /// The header names the tensors in the given order, after `__metadata__` with its keys sorted. Their data lie widest
  /// type first, so that every tensor is aligned to its element, as PyTorch demands; among equals in the given order.
  /// - Throws: `DataError` if two tensors share a name or one is called `__metadata__`.
  public static func encode(_ tensors: [NamedArray], metadata: [String: String] = [:]) throws -> [UInt8] {
    let (header, order) = try layout(tensors, metadata)
    return order.reduce(into: header) { bytes, index in tensors[index].array.withUnsafeBytes { bytes += $0 } }
  }

  /// Writes a safetensors file durably to `path`, without a second copy of the data in memory.
  /// - Throws: `DataError` as `encode` and `DurableFile.write` do.
  public static func write(_ tensors: [NamedArray], metadata: [String: String] = [:], to path: String) throws {
    let (header, order) = try layout(tensors, metadata)
    try DurableFile.write(to: path) { file in
      try file.write(header)
      for index in order { try tensors[index].array.withUnsafeBytes { try file.write($0) } }
    }
  }

  /// The bytes before the data, and in which order the tensors follow.
  private static func layout(_ tensors: [NamedArray], _ metadata: [String: String]) throws -> ([UInt8], [Int]) {
    var seen: Set<String> = ["__metadata__"]
    for tensor in tensors where !seen.insert(tensor.name).inserted {
      throw DataError("\"\(tensor.name)\": two tensors of this name cannot be written to one safetensors file")
    }
    let types = tensors.map { type(of: $0.array) }
    // Sorted by a pair, since Swift does not promise that its sort is stable.
    let order = tensors.indices.sorted { (-types[$0].size, $0) < (-types[$1].size, $1) }
    var offsets = [(Int, Int)](repeating: (0, 0), count: tensors.count)
    var place = 0
    for index in order {
      let end = place + tensors[index].array.count * types[index].size
      offsets[index] = (place, end)
      place = end
    }
    var members: [(String, JSON)] = []
    if !metadata.isEmpty {
      let sorted = metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
      members.append(("__metadata__", .object(sorted.map { ($0.key, .string($0.value)) })))
    }
    for (index, tensor) in tensors.enumerated() {
      let entry: [(String, JSON)] = [
        ("dtype", .string(types[index].name)), ("shape", .array(tensor.array.shape.map { .integer($0) })),
        ("data_offsets", .array([.integer(offsets[index].0), .integer(offsets[index].1)])),
      ]
      members.append((tensor.name, .object(entry)))
    }
    var text = Array(JSON.object(members).written().utf8)
    while text.count % 8 != 0 { text.append(UInt8(ascii: " ")) }
    let length = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) }
    return (length + text, order)
  }

  private static func type(of array: NumericArray) -> (name: String, size: Int) {
    switch array.elements {
    case .uint8: ("U8", 1)
    case .int8: ("I8", 1)
    case .uint16: ("U16", 2)
    case .int16: ("I16", 2)
    case .uint32: ("U32", 4)
    case .int32: ("I32", 4)
    case .uint64: ("U64", 8)
    case .int64: ("I64", 8)
    case .float32: ("F32", 4)
    case .float64: ("F64", 8)
    }
  }
}

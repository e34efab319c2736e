import Configuration

/// What a safetensors file holds.
public struct SafetensorsFile: Equatable, Sendable {
  /// A tensor and its name.
  public struct StoredTensor: Equatable, Sendable {
    public let name: String
    /// The type in the file: "F32", "BF16", …
    public let type: String
    public let array: NumericArray
  }

  /// The tensors in the order of the header.
  public let tensors: [StoredTensor]
  /// The texts of `__metadata__`.
  public let metadata: [String: String]
  private let places: [String: Int]

  init(tensors: [StoredTensor], metadata: [String: String]) {
    self.tensors = tensors
    self.metadata = metadata
    places = Dictionary(tensors.enumerated().map { ($1.name, $0) }) { first, _ in first }
  }

  /// The tensor called `name`, nil if there is none.
  public subscript(name: String) -> NumericArray? { places[name].map { tensors[$0].array } }

  /// The tensors' names in the order of the header.
  public var names: [String] { tensors.map(\.name) }
}

/// The safetensors format (github.com/huggingface/safetensors), in which networks move between PyTorch and here.
///
///     header length: UInt64 little-endian │ header: JSON │ the tensors' bytes, little-endian, row-major
///     header: {"fc1.weight": {"dtype": "F32", "shape": [120, 400], "data_offsets": [0, 192000]}, …}
///
/// Read: F64, F32, F16, BF16 (the last two as float32), I8 to I64, U8 to U64, BOOL (as the bytes 0 and 1). A file whose
/// tensors overlap or leave holes is refused, as by the reference implementation: nothing may hide in it.
public enum Safetensors {
  /// The reference implementation's own limit on the header.
  static let headerLimit = 100_000_000

  /// Reads the file at `path`.
  /// - Parameter finite: whether a NaN or an infinity is refused.
  /// - Throws: `DataError` as `FileBytes.read` and `parse` do.
  public static func read(_ path: String, finite: Bool = false) throws -> SafetensorsFile {
    try parse(FileBytes.read(path, limit: 1 << 36), name: path, finite: finite)
  }

  /// Reads a safetensors file from memory.
  /// - Parameters:
  ///   - name: what sentences call the file.
  ///   - finite: whether a NaN or an infinity is refused.
  /// - Throws: `DataError` if the header lies about lengths, offsets or types, or is not what the format says.
  public static func parse(_ bytes: [UInt8], name: String, finite: Bool = false) throws -> SafetensorsFile {
    try bytes.withUnsafeBytes { try parse($0, name: name, finite: finite) }
  }

  static func parse(_ raw: UnsafeRawBufferPointer, name: String, finite: Bool) throws -> SafetensorsFile {
    var reader = ByteReader(raw, name: name)
    let length = try reader.littleEndian(UInt64.self, "the length of the safetensors header")
    guard length <= UInt64(min(headerLimit, reader.remaining)) else {
      throw DataError(
        "\(name): announces a header of \(length) bytes, expected at most the \(min(headerLimit, reader.remaining)) "
          + "there are"
      )
    }
    let text = try reader.take(Int(length), "the safetensors header")
    guard text.first == UInt8(ascii: "{") else {
      throw DataError("\(name): its safetensors header does not begin with {, so this is another kind of file")
    }
    let header: JSON
    do {
      header = try JSON.parse(Array(text), file: "\(name) (header)", dialect: .strict)
    } catch {
      throw DataError(error.headline)
    }
    var metadata: [String: String] = [:]
    var entries: [Entry] = []
    for member in header.members ?? [] {
      if member.key == "__metadata__" {
        metadata = try parseMetadata(member.value, name: name)
      } else {
        entries.append(try Entry(member.key, member.value, file: name))
      }
    }
    let data = try reader.take(reader.remaining, "the tensors")
    try checkOffsets(entries, available: data.count, name: name)
    let tensors = try entries.map { entry in
      let part = UnsafeRawBufferPointer(rebasing: data[entry.begin..<entry.end])
      let array = NumericArray(shape: entry.shape, elements: try entry.decode(part, file: name))
      if finite, let index = array.firstNonFinite {
        throw DataError(
          "\(name): tensor \(entry.name) holds NaN or infinity at element \(index), finite values were expected")
      }
      return SafetensorsFile.StoredTensor(name: entry.name, type: entry.type, array: array)
    }
    return SafetensorsFile(tensors: tensors, metadata: metadata)
  }

  private static func parseMetadata(_ value: JSON, name: String) throws -> [String: String] {
    guard let members = value.members else {
      throw DataError("\(name): __metadata__ is not an object, texts by name were expected")
    }
    return try Dictionary(
      members.map { member in
        guard let text = member.value.string else {
          throw DataError("\(name): __metadata__.\(member.key) is not a text, a text was expected")
        }
        return (member.key, text)
      }
    ) { first, _ in first }
  }

  /// Every byte of the data belongs to exactly one tensor.
  private static func checkOffsets(_ entries: [Entry], available: Int, name: String) throws {
    var place = 0
    for entry in entries.sorted(by: { ($0.begin, $0.end) < ($1.begin, $1.end) }) {
      guard entry.begin == place else {
        let what = entry.begin < place ? "overlaps the tensor before it" : "leaves a hole before it"
        throw DataError("\(name): tensor \(entry.name) begins at \(entry.begin), \(what): \(place) was expected")
      }
      place = entry.end
    }
    guard place == available else {
      throw DataError(
        "\(name): the tensors take \(place) bytes, \(available) follow the header"
          + (place > available ? ": the file is cut short" : ""))
    }
  }
}

/// One tensor's entry in the header.
private struct Entry {
  let name: String
  let type: String
  let shape: [Int]
  let begin: Int
  let end: Int

  static let sizes = [
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2,
    "U8": 1,
    "BOOL": 1,
  ]

  init(_ name: String, _ value: JSON, file: String) throws {
    func failure(_ sentence: String) -> DataError { DataError("\(file): tensor \(name) \(sentence)") }
    func naturals(_ value: JSON?) -> [Int]? {
      guard let items = value?.array else { return nil }
      let numbers = items.compactMap { item in
        if case .number(let number) = item.value, let integer = number.integer, integer >= 0 { integer } else { nil }
      }
      return numbers.count == items.count ? numbers : nil
    }
    guard let members = value.members else { throw failure("is not described by an object") }
    if let extra = members.first(where: { !["dtype", "shape", "data_offsets"].contains($0.key) }) {
      throw failure("has the unknown key \"\(extra.key)\", expected dtype, shape and data_offsets")
    }
    guard let type = value["dtype"]?.string else { throw failure("has no dtype") }
    guard let size = Self.sizes[type] else {
      throw failure("has the dtype \(type), expected one of \(Self.sizes.keys.sorted().joined(separator: ", "))")
    }
    guard let shape = naturals(value["shape"]) else { throw failure("has no shape, a list of lengths was expected") }
    guard let offsets = naturals(value["data_offsets"]), offsets.count == 2, offsets[0] <= offsets[1] else {
      throw failure("has no data_offsets, [begin, end] in rising order was expected")
    }
    guard let bytes = checkedByteCount(shape: shape, elementSize: size) else {
      throw failure("announces \(shapeText(shape)) elements, more than any memory holds")
    }
    guard offsets[1] - offsets[0] == bytes else {
      throw failure(
        "lies from \(offsets[0]) to \(offsets[1]), \(offsets[1] - offsets[0]) bytes; its shape \(shapeText(shape)) "
          + "of \(type) takes \(bytes)"
      )
    }
    (self.name, self.type, self.shape, begin, end) = (name, type, shape, offsets[0], offsets[1])
  }

  func decode(_ data: UnsafeRawBufferPointer, file: String) throws -> NumericArray.Elements {
    let count = data.count / (Self.sizes[type] ?? 1)
    func numbers<T: BitwiseCopyable>(_: T.Type) -> [T] { decodeNumbers(T.self, data, count: count, order: .little) }
    switch type {
    case "F64": return .float64(numbers(Double.self))
    case "F32": return .float32(numbers(Float.self))
    case "F16": return .float32(numbers(UInt16.self).map(floatFromHalf))
    case "BF16": return .float32(numbers(UInt16.self).map(floatFromBrain))
    case "I64": return .int64(numbers(Int64.self))
    case "I32": return .int32(numbers(Int32.self))
    case "I16": return .int16(numbers(Int16.self))
    case "I8": return .int8(numbers(Int8.self))
    case "U64": return .uint64(numbers(UInt64.self))
    case "U32": return .uint32(numbers(UInt32.self))
    case "U16": return .uint16(numbers(UInt16.self))
    case "U8": return .uint8(numbers(UInt8.self))
    default:
      if let index = data.firstIndex(where: { $0 > 1 }) {
        throw DataError(
          "\(file): tensor \(name): element \(index) of type BOOL is the byte \(data[index]), expected 0 or 1")
      }
      return .uint8(numbers(UInt8.self))
    }
  }
}

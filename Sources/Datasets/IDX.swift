/// The IDX format of MNIST (yann.lecun.com/exdb/mnist): big-endian numbers in a box.
///
///     00 00  type  axes  │ length of each axis, UInt32 │ the elements, last axis fastest
///
/// Types: 08 uint8, 09 int8, 0B int16, 0C int32, 0D float32, 0E float64. A gzipped file is told by its first bytes.
public enum IDX {
  /// Reads the file at `path`, plain or gzipped.
  /// - Throws: `DataError` as `FileBytes.read` and `parse` do.
  public static func read(_ path: String) throws -> NumericArray {
    try parse(FileBytes.read(path), name: path)
  }

  /// Reads an IDX file from memory, plain or gzipped.
  /// - Parameter name: what sentences call the file.
  /// - Throws: `DataError` if the first bytes are not IDX, the type is unknown, the axes are absurd, or there are fewer
  ///   or more bytes than type and axes announce.
  public static func parse(_ bytes: [UInt8], name: String) throws -> NumericArray {
    try bytes.withUnsafeBytes { raw in
      guard Gzip.isGzip(raw) else { return try parsePlain(raw, name: name) }
      let plain = try Gzip.inflate(raw, name: name) { front in
        // Four bytes tell how long the header is, the header how long the file is.
        guard front.count >= 4, front.count >= 4 + 4 * Int(front[3]) else { return nil }
        var reader = ByteReader(front, name: name)
        return try header(&reader).fileSize
      }
      return try plain.withUnsafeBytes { try parsePlain($0, name: name) }
    }
  }

  private enum ElementType: UInt8 {
    case uint8 = 0x08
    case int8 = 0x09
    case int16 = 0x0b
    case int32 = 0x0c
    case float32 = 0x0d
    case float64 = 0x0e

    var size: Int {
      switch self {
      case .uint8, .int8: 1
      case .int16: 2
      case .int32, .float32: 4
      case .float64: 8
      }
    }
  }

  private struct Header {
    var type: ElementType
    var shape: [Int]
    var dataSize: Int
    var fileSize: Int
  }

  private static func header(_ reader: inout ByteReader) throws -> Header {
    let magic = try reader.take(4, "the IDX header")
    guard magic[0] == 0, magic[1] == 0 else {
      throw DataError(
        "\(reader.name): begins with the bytes \(magic[0]), \(magic[1]), "
          + "an IDX file begins with 0, 0 (or gzip's 31, 139)"
      )
    }
    guard let type = ElementType(rawValue: magic[2]) else {
      throw DataError(
        "\(reader.name): has the IDX element type \(magic[2]), expected 8, 9, 11, 12, 13 or 14")
    }
    guard magic[3] > 0 else {
      throw DataError("\(reader.name): has an IDX header without axes, at least one was expected")
    }
    var shape: [Int] = []
    for axis in 0..<Int(magic[3]) { shape.append(Int(try reader.bigEndian(UInt32.self, "the length of axis \(axis)"))) }
    guard let dataSize = checkedByteCount(shape: shape, elementSize: type.size), dataSize < Int.max - reader.offset
    else {
      throw DataError("\(reader.name): announces \(shapeText(shape)) elements, more than any memory holds")
    }
    return Header(type: type, shape: shape, dataSize: dataSize, fileSize: reader.offset + dataSize)
  }

  private static func parsePlain(_ raw: UnsafeRawBufferPointer, name: String) throws -> NumericArray {
    var reader = ByteReader(raw, name: name)
    let header = try header(&reader)
    guard reader.remaining <= header.dataSize else {
      throw DataError(
        "\(name): has \(raw.count) bytes, its header (\(shapeText(header.shape))) announces \(header.fileSize)")
    }
    let data = try reader.take(header.dataSize, "\(shapeText(header.shape)) elements of \(header.type.size) bytes")
    let count = header.dataSize / header.type.size
    let elements: NumericArray.Elements =
      switch header.type {
      case .uint8: .uint8(decodeNumbers(UInt8.self, data, count: count, order: .big))
      case .int8: .int8(decodeNumbers(Int8.self, data, count: count, order: .big))
      case .int16: .int16(decodeNumbers(Int16.self, data, count: count, order: .big))
      case .int32: .int32(decodeNumbers(Int32.self, data, count: count, order: .big))
      case .float32: .float32(decodeNumbers(Float.self, data, count: count, order: .big))
      case .float64: .float64(decodeNumbers(Double.self, data, count: count, order: .big))
      }
    return NumericArray(shape: header.shape, elements: elements)
  }
}

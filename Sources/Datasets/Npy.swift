import LinearAlgebra

/// NumPy's .npy format (numpy.lib.format), one array a file.
///
///     93 "NUMPY"  major minor │ header length: UInt16 (v1) or UInt32 (v2, v3), little-endian │ header │ elements
///
/// Read: versions 1 to 3, both byte orders, C and Fortran order; float16/32/64, signed and unsigned integers of 1 to 8
/// bytes, booleans (as the bytes 0 and 1). Written: version 1.0, little-endian, C order, byte for byte what NumPy 2
/// writes.
public enum Npy {
  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  /// Reads the file at `path`.
  /// - Throws: `DataError` as `FileBytes.read` and `parse` do.
  public static func read(_ path: String) throws -> NumericArray {
    try parse(FileBytes.read(path), name: path)
  }

  /// Reads an .npy file from memory. The result is row-major whatever the file's order; float16 becomes float32.
  /// - Parameter name: what sentences call the file.
  /// - Throws: `DataError` if the file is not .npy, is cut short or too long for its shape, or holds another type.
  public static func parse(_ bytes: [UInt8], name: String) throws -> NumericArray {
    try bytes.withUnsafeBytes { try parse($0, name: name) }
  }

  static func parse(_ raw: UnsafeRawBufferPointer, name: String) throws -> NumericArray {
    var reader = ByteReader(raw, name: name)
    guard raw.starts(with: magic) else {
      throw DataError("\(name): is not an .npy file, which begins with the byte 147 and \"NUMPY\"")
    }
    _ = try reader.take(magic.count, "the .npy header")
    let major = try reader.byte("the .npy version")
    let minor = try reader.byte("the .npy version")
    guard (1...3).contains(major), minor == 0 else {
      throw DataError("\(name): has .npy version \(major).\(minor), expected 1.0, 2.0 or 3.0")
    }
    let length =
      major == 1
      ? Int(try reader.littleEndian(UInt16.self, "the length of the .npy header"))
      : Int(try reader.littleEndian(UInt32.self, "the length of the .npy header"))
    let header = try NpyHeader(reader.take(length, "the .npy header"), name: name)
    let type = try ElementType(header.descr, name: name)

    guard let size = checkedByteCount(shape: header.shape, elementSize: type.size) else {
      throw DataError("\(name): announces \(shapeText(header.shape)) elements, more than any memory holds")
    }
    guard reader.remaining <= size else {
      throw DataError(
        "\(name): has \(reader.remaining) bytes of data, its shape \(shapeText(header.shape)) of \(header.descr) "
          + "takes \(size)"
      )
    }
    let data = try reader.take(size, "the shape \(shapeText(header.shape)) of \(header.descr)")
    let elements = try type.decode(data, count: size / type.size, name: name)
    let needsReordering = header.fortranOrder && header.shape.count > 1
    return NumericArray(
      shape: header.shape, elements: needsReordering ? elements.fromFortranOrder(header.shape) : elements)
  }

  /// The bytes of an .npy file with this array.
  public static func encode(_ array: NumericArray) -> [UInt8] {
    let header = NpyHeader(descr: descr(of: array), fortranOrder: false, shape: array.shape).bytes
    return array.withUnsafeBytes { header + $0 }
  }

  /// Writes `array` durably to `path`.
  /// - Throws: `DataError` as `DurableFile.write` does.
  public static func write(_ array: NumericArray, to path: String) throws {
    let header = NpyHeader(descr: descr(of: array), fortranOrder: false, shape: array.shape).bytes
    try DurableFile.write(to: path) { file in
      try file.write(header)
      try array.withUnsafeBytes { try file.write($0) }
    }
  }

  /// Writes `tensor` (float32, its shape) durably to `path`.
  public static func write(_ tensor: Tensor, to path: String) throws { try write(NumericArray(tensor), to: path) }

  /// Writes `matrix` (float64, [rows, columns]) durably to `path`.
  public static func write(_ matrix: Matrix, to path: String) throws { try write(NumericArray(matrix), to: path) }

  private static func descr(of array: NumericArray) -> String {
    switch array.elements {
    case .uint8: "|u1"
    case .int8: "|i1"
    case .uint16: "<u2"
    case .int16: "<i2"
    case .uint32: "<u4"
    case .int32: "<i4"
    case .uint64: "<u8"
    case .int64: "<i8"
    case .float32: "<f4"
    case .float64: "<f8"
    }
  }
}

/// What a 'descr' such as "<f4" says: byte order, kind, bytes.
private struct ElementType {
  let order: ByteOrder
  let code: String
  let size: Int

  init(_ descr: String, name: String) throws {
    guard let mark = descr.first, "<>|=".contains(mark) else { throw Self.unknown(descr, name) }
    code = String(descr.dropFirst())
    let sizes = [
      "b1": 1, "i1": 1, "u1": 1, "i2": 2, "u2": 2, "f2": 2, "i4": 4, "u4": 4, "f4": 4, "i8": 8, "u8": 8, "f8": 8,
    ]
    guard let size = sizes[code], size == 1 || mark == "<" || mark == ">" else { throw Self.unknown(descr, name) }
    self.size = size
    order = mark == ">" ? .big : .little
  }

  private static func unknown(_ descr: String, _ name: String) -> DataError {
    DataError(
      "\(name): holds elements of type '\(descr)', expected float16/32/64, (u)int8/16/32/64 or bool as in '<f4', '|u1'")
  }

  func decode(_ data: UnsafeRawBufferPointer, count: Int, name: String) throws -> NumericArray.Elements {
    switch code {
    case "i1": return .int8(decodeNumbers(Int8.self, data, count: count, order: order))
    case "u1": return .uint8(decodeNumbers(UInt8.self, data, count: count, order: order))
    case "i2": return .int16(decodeNumbers(Int16.self, data, count: count, order: order))
    case "u2": return .uint16(decodeNumbers(UInt16.self, data, count: count, order: order))
    case "i4": return .int32(decodeNumbers(Int32.self, data, count: count, order: order))
    case "u4": return .uint32(decodeNumbers(UInt32.self, data, count: count, order: order))
    case "i8": return .int64(decodeNumbers(Int64.self, data, count: count, order: order))
    case "u8": return .uint64(decodeNumbers(UInt64.self, data, count: count, order: order))
    case "f2": return .float32(decodeNumbers(UInt16.self, data, count: count, order: order).map(floatFromHalf))
    case "f4": return .float32(decodeNumbers(Float.self, data, count: count, order: order))
    case "f8": return .float64(decodeNumbers(Double.self, data, count: count, order: order))
    default:
      if let index = data.firstIndex(where: { $0 > 1 }) {
        throw DataError("\(name): element \(index) of a bool array is the byte \(data[index]), expected 0 or 1")
      }
      return .uint8(decodeNumbers(UInt8.self, data, count: count, order: order))
    }
  }
}

extension NumericArray.Elements {
  /// The same elements with the last axis fastest, given the first axis fastest.
  fileprivate func fromFortranOrder(_ shape: [Int]) -> Self {
    switch self {
    case .uint8(let v): .uint8(reordered(v, shape))
    case .int8(let v): .int8(reordered(v, shape))
    case .uint16(let v): .uint16(reordered(v, shape))
    case .int16(let v): .int16(reordered(v, shape))
    case .uint32(let v): .uint32(reordered(v, shape))
    case .int32(let v): .int32(reordered(v, shape))
    case .uint64(let v): .uint64(reordered(v, shape))
    case .int64(let v): .int64(reordered(v, shape))
    case .float32(let v): .float32(reordered(v, shape))
    case .float64(let v): .float64(reordered(v, shape))
    }
  }
}

/// Walks the row-major order like an odometer, keeping the place in the column-major source.
private func reordered<T: BitwiseCopyable>(_ source: [T], _ shape: [Int]) -> [T] {
  var strides: [Int] = []
  var stride = 1
  for axis in shape {
    strides.append(stride)
    stride *= axis
  }
  var index = [Int](repeating: 0, count: shape.count)
  var place = 0
  return [T](unsafeUninitializedCapacity: source.count) { buffer, initialized in
    source.withUnsafeBufferPointer { source in
      for i in 0..<source.count {
        buffer[i] = source[place]
        var axis = shape.count - 1
        while axis >= 0 {
          index[axis] += 1
          place += strides[axis]
          if index[axis] < shape[axis] { break }
          place -= strides[axis] * shape[axis]
          index[axis] = 0
          axis -= 1
        }
      }
    }
    initialized = source.count
  }
}

import LinearAlgebra

/// A dense row-major array as files hold it: a shape and elements of one of ten types.
///
/// IDX, .npy and safetensors all read into it and are written from it; `tensor`, `matrix`, `floats`, `doubles` and
/// `integers` convert to what the engine computes with.
public struct NumericArray: Equatable, Sendable {
  /// The elements in row-major order, in the type the file has them (F16 and BF16 are widened to Float, booleans are
  /// the bytes 0 and 1).
  public enum Elements: Equatable, Sendable {
    case uint8([UInt8])
    case int8([Int8])
    case uint16([UInt16])
    case int16([Int16])
    case uint32([UInt32])
    case int32([Int32])
    case uint64([UInt64])
    case int64([Int64])
    case float32([Float])
    case float64([Double])
  }

  /// Length of each axis; empty for a single value.
  public let shape: [Int]
  public let elements: Elements

  /// - Precondition: `shape` has as many places as there are elements.
  public init(shape: [Int], elements: Elements) {
    self.shape = shape
    self.elements = elements
    precondition(shape.reduce(1, *) == count, "\(count) elements do not fill \(shapeText(shape))")
  }

  /// Float32 elements in the tensor's shape.
  public init(_ tensor: Tensor) { self.init(shape: tensor.shape, elements: .float32(tensor.values)) }

  /// Float64 elements, [rows, columns].
  public init(_ matrix: Matrix) { self.init(shape: [matrix.rows, matrix.columns], elements: .float64(matrix.values)) }

  /// Number of elements.
  public var count: Int {
    switch elements {
    case .uint8(let v): v.count
    case .int8(let v): v.count
    case .uint16(let v): v.count
    case .int16(let v): v.count
    case .uint32(let v): v.count
    case .int32(let v): v.count
    case .uint64(let v): v.count
    case .int64(let v): v.count
    case .float32(let v): v.count
    case .float64(let v): v.count
    }
  }

  /// All elements as Float32, rounded to nearest where they have more digits.
  public var floats: [Float] {
    switch elements {
    case .uint8(let v): v.map { Float($0) }
    case .int8(let v): v.map { Float($0) }
    case .uint16(let v): v.map { Float($0) }
    case .int16(let v): v.map { Float($0) }
    case .uint32(let v): v.map { Float($0) }
    case .int32(let v): v.map { Float($0) }
    case .uint64(let v): v.map { Float($0) }
    case .int64(let v): v.map { Float($0) }
    case .float32(let v): v
    case .float64(let v): v.map { Float($0) }
    }
  }

  /// All elements as Float64, rounded to nearest where a 64-bit integer has more digits.
  public var doubles: [Double] {
    switch elements {
    case .uint8(let v): v.map { Double($0) }
    case .int8(let v): v.map { Double($0) }
    case .uint16(let v): v.map { Double($0) }
    case .int16(let v): v.map { Double($0) }
    case .uint32(let v): v.map { Double($0) }
    case .int32(let v): v.map { Double($0) }
    case .uint64(let v): v.map { Double($0) }
    case .int64(let v): v.map { Double($0) }
    case .float32(let v): v.map { Double($0) }
    case .float64(let v): v
    }
  }

  /// All elements as Int, or nil if they are of a floating-point type or one is above Int.max.
  public var integers: [Int]? {
    switch elements {
    case .uint8(let v): v.map { Int($0) }
    case .int8(let v): v.map { Int($0) }
    case .uint16(let v): v.map { Int($0) }
    case .int16(let v): v.map { Int($0) }
    case .uint32(let v): v.map { Int($0) }
    case .int32(let v): v.map { Int($0) }
    case .uint64(let v): v.contains { $0 > UInt64(Int.max) } ? nil : v.map { Int($0) }
    case .int64(let v): v.map { Int($0) }
    case .float32, .float64: nil
    }
  }

  /// The same shape in Float32.
  public var tensor: Tensor { Tensor(shape: shape, values: floats) }

  /// The array as a Float64 matrix.
  /// - Parameter name: what the sentence calls it, such as the file's path.
  /// - Throws: `DataError` unless it has two axes.
  public func matrix(_ name: String) throws -> Matrix {
    guard shape.count == 2 else {
      throw DataError("\(name): has the shape \(shapeText(shape)), a matrix (two axes) was expected")
    }
    return Matrix(rows: shape[0], columns: shape[1], values: doubles)
  }

  /// Row-major index of the first NaN or infinity, nil if there is none.
  public var firstNonFinite: Int? {
    switch elements {
    case .float32(let v): v.firstIndex { !$0.isFinite }
    case .float64(let v): v.firstIndex { !$0.isFinite }
    default: nil
    }
  }

  /// The type's usual name, as in "float32".
  public var typeName: String {
    switch elements {
    case .uint8: "uint8"
    case .int8: "int8"
    case .uint16: "uint16"
    case .int16: "int16"
    case .uint32: "uint32"
    case .int32: "int32"
    case .uint64: "uint64"
    case .int64: "int64"
    case .float32: "float32"
    case .float64: "float64"
    }
  }

  /// The elements' bytes as they lie in memory.
  func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    switch elements {
    case .uint8(let v): try v.withUnsafeBytes(body)
    case .int8(let v): try v.withUnsafeBytes(body)
    case .uint16(let v): try v.withUnsafeBytes(body)
    case .int16(let v): try v.withUnsafeBytes(body)
    case .uint32(let v): try v.withUnsafeBytes(body)
    case .int32(let v): try v.withUnsafeBytes(body)
    case .uint64(let v): try v.withUnsafeBytes(body)
    case .int64(let v): try v.withUnsafeBytes(body)
    case .float32(let v): try v.withUnsafeBytes(body)
    case .float64(let v): try v.withUnsafeBytes(body)
    }
  }
}
